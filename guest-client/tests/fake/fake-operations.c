/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-operations.h"

#include <stdlib.h>
#include <string.h>

#include "fake-node.h"

#define LOG "line 1: an #error was asked for"

struct object {
    uint64_t handle;
    char *bytes; /* a buffer's, a program's source, a kernel's name; with a NUL behind */
    uint64_t length;
    uint64_t arg[4];
    int built;
};

struct fake_operations {
    uint8_t *arena;
    uint64_t size;
    struct object objects[VGPU_HANDLE_MAX];
};

struct fake_operations *fake_operations_new(uint8_t *arena, uint64_t size)
{
    struct fake_operations *operations = calloc(1, sizeof(*operations));

    operations->arena = arena;
    operations->size = size;
    return operations;
}

void fake_operations_free(struct fake_operations *operations)
{
    for (uint32_t i = 0; i < VGPU_HANDLE_MAX; i++)
        free(operations->objects[i].bytes);
    free(operations);
}

static struct object *find(struct fake_operations *operations, uint64_t handle)
{
    struct object *object = &operations->objects[VGPU_HANDLE_INDEX(handle) % VGPU_HANDLE_MAX];

    return handle != 0 && object->handle == handle ? object : NULL;
}

/* A new object of @length bytes, of which @from, if not NULL, has the content. */
static uint32_t create(struct fake_operations *operations, uint64_t handle, const void *from,
                       uint64_t length)
{
    struct object *object = &operations->objects[VGPU_HANDLE_INDEX(handle) % VGPU_HANDLE_MAX];

    if (object->handle != 0)
        return VGPU_RESULT_BAD_HANDLE;
    if (length > 1u << 30)
        return VGPU_RESULT_OUT_OF_MEMORY;
    *object = (struct object){.handle = handle, .bytes = calloc(1, length + 1), .length = length};
    if (from != NULL)
        memcpy(object->bytes, from, length);
    return VGPU_RESULT_OK;
}

static uint32_t release(struct object *object)
{
    free(object->bytes);
    *object = (struct object){0};
    return VGPU_RESULT_OK;
}

static uint32_t give(struct fake_operations *operations, uint64_t place, uint64_t length,
                     const void *bytes, uint64_t whole, uint64_t *result)
{
    *result = whole;
    memcpy(operations->arena + place, bytes, whole < length ? whole : length);
    return VGPU_RESULT_OK;
}

static uint32_t snapshot(struct fake_operations *operations, const uint64_t *arg, uint64_t *result)
{
    char bytes[sizeof(struct vgpu_snapshot) + sizeof(FAKE_NODE_NAME "vendor") - 1];
    struct vgpu_snapshot head = {
        .size = sizeof(head),
        .backend = 1,
        .compute_units = 7,
        .memory = 1u << 30,
        .name_length = sizeof(FAKE_NODE_NAME) - 1,
        .vendor_length = 6,
    };

    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), FAKE_NODE_NAME "vendor", sizeof(bytes) - sizeof(head));
    return give(operations, arg[0], arg[1], bytes, sizeof(bytes), result);
}

static uint32_t buffer(struct fake_operations *operations, uint16_t opcode, struct object *object,
                       const uint64_t *arg)
{
    struct object *from;

    if (opcode == VGPU_CMD_BUFFER_COPY) {
        from = find(operations, arg[0]);
        if (from == NULL || arg[1] + arg[3] > from->length || arg[2] + arg[3] > object->length)
            return VGPU_RESULT_OUT_OF_RANGE;
        memmove(object->bytes + arg[2], from->bytes + arg[1], arg[3]);
        return VGPU_RESULT_OK;
    }
    if (arg[0] > object->length || arg[1] > object->length - arg[0])
        return VGPU_RESULT_OUT_OF_RANGE;
    if (opcode == VGPU_CMD_BUFFER_WRITE)
        memcpy(object->bytes + arg[0], operations->arena + arg[2], arg[1]);
    else if (opcode == VGPU_CMD_BUFFER_READ)
        memcpy(operations->arena + arg[2], object->bytes + arg[0], arg[1]);
    else
        for (uint64_t i = 0; i < arg[1]; i += arg[3])
            memcpy(object->bytes + arg[0] + i, &arg[2], arg[3]);
    return VGPU_RESULT_OK;
}

static uint32_t program(struct fake_operations *operations, uint16_t opcode, struct object *object,
                        const uint64_t *arg, uint64_t *result)
{
    int bad = strstr(object->bytes, "#error") != NULL;

    switch (opcode) {
    case VGPU_CMD_PROGRAM_BUILD:
        object->built = !bad;
        return bad ? VGPU_RESULT_BUILD_FAILED : VGPU_RESULT_OK;
    case VGPU_CMD_PROGRAM_LOG:
        return give(operations, arg[0], arg[1], LOG, bad ? strlen(LOG) : 0, result);
    default:
        return give(operations, arg[0], arg[1], object->bytes, object->length, result);
    }
}

static uint32_t create_kernel(struct fake_operations *operations, uint64_t handle,
                              const uint64_t *arg)
{
    struct object *object = find(operations, arg[0]);

    if (object == NULL)
        return VGPU_RESULT_BAD_HANDLE;
    uint32_t status = create(operations, handle, operations->arena + arg[1], arg[2]);
    if (status != 0)
        return status;
    struct object *kernel = find(operations, handle);
    if (object->built && strstr(object->bytes, kernel->bytes) != NULL)
        return VGPU_RESULT_OK;
    release(kernel);
    return VGPU_RESULT_NO_KERNEL;
}

static uint32_t launch(struct fake_operations *operations, struct object *kernel)
{
    struct object *to = find(operations, kernel->arg[0]);

    if (to == NULL)
        return VGPU_RESULT_BAD_ARGUMENT;
    if (strcmp(kernel->bytes, "add") == 0) {
        uint32_t sum = (uint32_t)kernel->arg[1] + (uint32_t)kernel->arg[2];
        memcpy(to->bytes, &sum, sizeof(sum));
    } else {
        for (uint64_t i = 0; i < kernel->arg[1] && i < to->length; i++)
            to->bytes[i] = (char)~to->bytes[i];
    }
    return VGPU_RESULT_OK;
}

uint32_t fake_operations_do(struct fake_operations *operations, const struct vgpu_command *command,
                            uint64_t *result)
{
    const struct vgpu_event_times times = {1, 2, 3, 4};
    const uint64_t *arg = command->arg;
    struct object *object = find(operations, command->handle);

    if (command->event != 0)
        create(operations, command->event, NULL, 0);
    switch (command->opcode) {
    case VGPU_CMD_NOP:
    case VGPU_CMD_BARRIER:
    case VGPU_CMD_FINISH:
        return VGPU_RESULT_OK;
    case VGPU_CMD_SNAPSHOT:
        return snapshot(operations, arg, result);
    case VGPU_CMD_BUFFER_CREATE:
        return create(operations, command->handle, NULL, arg[0]);
    case VGPU_CMD_PROGRAM_CREATE:
        return create(operations, command->handle, operations->arena + arg[1], arg[2]);
    case VGPU_CMD_KERNEL_CREATE:
        return create_kernel(operations, command->handle, arg);
    default:
        break;
    }
    if (object == NULL)
        return VGPU_RESULT_BAD_HANDLE;
    switch (command->opcode) {
    case VGPU_CMD_RELEASE:
        return release(object);
    case VGPU_CMD_KERNEL_ARG:
        if (arg[0] >= 4)
            return VGPU_RESULT_BAD_ARGUMENT;
        object->arg[arg[0]] = arg[2];
        return VGPU_RESULT_OK;
    case VGPU_CMD_LAUNCH:
        return launch(operations, object);
    case VGPU_CMD_EVENT_TIMES:
        return give(operations, arg[0], sizeof(times), &times, sizeof(times), result);
    case VGPU_CMD_PROGRAM_BUILD:
    case VGPU_CMD_PROGRAM_LOG:
    case VGPU_CMD_PROGRAM_BINARY:
        return program(operations, command->opcode, object, arg, result);
    default:
        return buffer(operations, command->opcode, object, arg);
    }
}
