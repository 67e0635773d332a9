/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hostile-commands.h"

#include "tap.h"

#define LENGTH     4096u /* bytes of the buffers here */
#define BUFFER     VGPU_HANDLE(1, 1)
#define TEXT_LIMIT 4096u

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

uint64_t hostile_word(struct random *random)
{
    static const uint64_t words[] = {0,
                                     1,
                                     8,
                                     LENGTH,
                                     LENGTH + 1,
                                     1 << 16,
                                     1 << 20,
                                     BUFFER,
                                     1ull << 32,
                                     1ull << 40,
                                     1ull << 63,
                                     UINT64_MAX,
                                     -8ull,
                                     VGPU_HANDLE(2, 1),
                                     VGPU_HANDLE(4096, 1)};

    return random_below(random, 4) == 0 ? (uint64_t)random_next(random) << 32 | random_next(random)
                                        : words[random_below(random, COUNT(words))];
}

struct vgpu_command hostile_command(struct random *random, uint64_t arena_size)
{
    const uint64_t offset = random_below(random, LENGTH / 2);
    struct vgpu_command command = {
        .flags = (uint16_t)random_below(random, 2),
        .handle = BUFFER,
        .arg = {offset, LENGTH / 4, random_below(random, (uint32_t)arena_size - LENGTH)},
    };

    switch (random_below(random, 8)) {
    case 0:
        command.opcode = VGPU_CMD_BUFFER_CREATE;
        command.arg[0] = LENGTH;
        command.arg[1] = command.arg[2] = 0;
        break;
    case 1:
        command.opcode = VGPU_CMD_BUFFER_READ;
        break;
    case 2:
        command.opcode = VGPU_CMD_BUFFER_FILL;
        command.arg[0] = offset / 8 * 8;
        command.arg[3] = 8;
        break;
    case 3:
        command.opcode = VGPU_CMD_RELEASE;
        memset(command.arg, 0, sizeof(command.arg));
        break;
    case 4:
        command.opcode = (uint16_t)(VGPU_CMD_NOP + random_below(random, 0x50));
        break;
    default:
        command.opcode = VGPU_CMD_BUFFER_WRITE;
        break;
    }
    if (random_below(random, 4) == 0)
        command.arg[random_below(random, 5)] = hostile_word(random);
    return command;
}

static bool create(RawQueue *queue, uint64_t handle)
{
    return raw_queue_call(queue, (struct vgpu_command){.opcode = VGPU_CMD_BUFFER_CREATE,
                                                       .handle = handle,
                                                       .arg = {LENGTH}}) == VGPU_RESULT_OK;
}

static int release(RawQueue *queue, uint64_t handle)
{
    return raw_queue_call(queue,
                          (struct vgpu_command){.opcode = VGPU_CMD_RELEASE, .handle = handle});
}

static bool fits(uint64_t offset, uint64_t length, uint64_t size)
{
    return length > 0 && offset <= size && length <= size - offset;
}

void hostile_lengths(RawQueue *queue)
{
    const uint64_t words[] = {0,
                              1,
                              LENGTH - 1,
                              LENGTH,
                              LENGTH + 1,
                              1ull << 31,
                              1ull << 32,
                              (1ull << 32) + 1,
                              1ull << 63,
                              UINT64_MAX - LENGTH + 1,
                              UINT64_MAX,
                              UINT32_MAX,
                              queue->arena_size,
                              queue->arena_size - 1};
    uint32_t count = COUNT(words), wrong = 0, tried = 0;

    tap_ok(create(queue, BUFFER), "a buffer");
    for (uint32_t i = 0; i < count * count * count; i++) {
        const uint64_t offset = words[i % count], length = words[i / count % count],
                       arena = words[i / count / count];
        const struct vgpu_command command = {.opcode = i % 2 ? VGPU_CMD_BUFFER_READ
                                                             : VGPU_CMD_BUFFER_WRITE,
                                             .handle = BUFFER,
                                             .arg = {offset, length, arena}};
        const bool good = fits(offset, length, LENGTH) && fits(arena, length, queue->arena_size);
        const int status = raw_queue_call(queue, command);

        tried++;
        if (status < 0 || good != (status == VGPU_RESULT_OK)) {
            wrong++;
            tap_note("0x%04x offset 0x%llx length 0x%llx arena 0x%llx: %d", command.opcode,
                     (unsigned long long)offset, (unsigned long long)length,
                     (unsigned long long)arena, status);
        }
    }
    tap_equal(wrong, 0, "%u offsets and lengths", tried);
    tap_equal((uint32_t)release(queue, BUFFER), VGPU_RESULT_OK, "and given back");
    for (uint32_t i = 9; i < 11; i++)
        tap_ok(raw_queue_call(queue, (struct vgpu_command){.opcode = VGPU_CMD_BUFFER_CREATE,
                                                           .handle = VGPU_HANDLE(1, 2),
                                                           .arg = {words[i]}}) > 0,
               "no buffer of 2^64 bytes or so");
}

static void expect(RawQueue *queue, const char *what, enum vgpu_result expected,
                   struct vgpu_command command)
{
    tap_equal((uint32_t)raw_queue_call(queue, command), expected, "%s", what);
}

void hostile_handles(RawQueue *queue, RawQueue *other)
{
    const uint64_t first = VGPU_HANDLE(7, 5), foreign = VGPU_HANDLE(8, 1);
    const struct vgpu_command read = {.opcode = VGPU_CMD_BUFFER_READ, .arg = {0, 8, 0}};
    struct vgpu_command command = read;

    tap_ok(create(queue, first) && create(other, foreign), "a buffer each");
    command.handle = foreign;
    expect(other, "its owner reads it", VGPU_RESULT_OK, command);
    expect(queue, "another's buffer", VGPU_RESULT_BAD_HANDLE, command);
    command = (struct vgpu_command){
        .opcode = VGPU_CMD_BUFFER_COPY, .handle = first, .arg = {foreign, 0, 0, 8}};
    expect(queue, "a copy out of another's", VGPU_RESULT_BAD_HANDLE, command);
    tap_equal((uint32_t)release(queue, foreign), VGPU_RESULT_BAD_HANDLE, "another's, released");

    const uint64_t forged[] = {0,
                               1,
                               VGPU_HANDLE(7, 4),
                               VGPU_HANDLE(7, 6),
                               VGPU_HANDLE(4096, 1),
                               VGPU_HANDLE(UINT32_MAX, UINT32_MAX),
                               VGPU_HANDLE(7, 0)};
    for (uint32_t i = 0; i < COUNT(forged); i++) {
        command = read;
        command.handle = forged[i];
        expect(queue, "a forged handle", VGPU_RESULT_BAD_HANDLE, command);
    }
    command = (struct vgpu_command){
        .opcode = VGPU_CMD_LAUNCH, .handle = first, .launch = {.dimensions = 1, .global = {1}}};
    expect(queue, "a buffer is no kernel", VGPU_RESULT_BAD_HANDLE, command);

    tap_ok(!create(queue, first), "a handle in use is not made anew");
    tap_equal((uint32_t)release(queue, first), VGPU_RESULT_OK, "released");
    tap_equal((uint32_t)release(queue, first), VGPU_RESULT_BAD_HANDLE, "released twice");
    tap_ok(!create(queue, first) && !create(queue, VGPU_HANDLE(7, 4)), "stale numbers stay so");
    tap_ok(create(queue, VGPU_HANDLE(7, 6)), "a later one is free");
    command = read;
    command.handle = first;
    expect(queue, "the stale handle is not the new buffer", VGPU_RESULT_BAD_HANDLE, command);
    command.handle = foreign;
    expect(other, "the other's buffer is still there", VGPU_RESULT_OK, command);
}

static uint8_t *arena(const RawQueue *queue)
{
    return queue->slot + VGPU_QUEUE_ARENA;
}

/* Makes program @handle of @size bytes. Returns the answer. */
static int create_program(RawQueue *queue, uint64_t handle, enum vgpu_program_kind kind,
                          const void *bytes, size_t size)
{
    memcpy(arena(queue), bytes, size);
    return raw_queue_call(queue, (struct vgpu_command){.opcode = VGPU_CMD_PROGRAM_CREATE,
                                                       .handle = handle,
                                                       .arg = {kind, 0, size}});
}

static int build(RawQueue *queue, uint64_t handle, const char *options)
{
    memcpy(arena(queue), options, strlen(options));
    return raw_queue_call(queue, (struct vgpu_command){.opcode = VGPU_CMD_PROGRAM_BUILD,
                                                       .handle = handle,
                                                       .arg = {0, strlen(options)}});
}

/* Whether the log of @handle's build tells nothing of the host's accounts. */
static bool tells_nothing(RawQueue *queue, uint64_t handle)
{
    char *text = (char *)arena(queue);

    memset(text, 0, TEXT_LIMIT);
    raw_queue_call(queue, (struct vgpu_command){.opcode = VGPU_CMD_PROGRAM_LOG,
                                                .handle = handle,
                                                .arg = {0, TEXT_LIMIT - 1}});
    return strstr(text, "root:") == NULL;
}

static void test_source(RawQueue *queue, uint32_t number, const char *source, const char *options)
{
    const uint64_t program = VGPU_HANDLE(20 + number, 1);

    tap_equal((uint32_t)create_program(queue, program, VGPU_PROGRAM_SOURCE, source, strlen(source)),
              VGPU_RESULT_OK, "a source is only text: %.20s", source);
    tap_equal((uint32_t)build(queue, program, options), VGPU_RESULT_BUILD_FAILED,
              "which does not compile");
    tap_ok(tells_nothing(queue, program), "its log tells nothing of the host");
    memcpy(arena(queue), "f", 1);
    expect(queue, "it has no kernel", VGPU_RESULT_NO_KERNEL,
           (struct vgpu_command){.opcode = VGPU_CMD_KERNEL_CREATE,
                                 .handle = VGPU_HANDLE(30 + number, 1),
                                 .arg = {program, 0, 1}});
}

void hostile_programs(RawQueue *queue)
{
    static const char garbage[4096] = "\x7f"
                                      "ELF";

    test_source(queue, 0, "__kernel void f(", "");
    test_source(queue, 1, "#include \"/etc/passwd\"\n__kernel void f(void) {}", "");
    test_source(queue, 2, "__kernel void f(void) {}", "-include /etc/passwd");
    test_source(queue, 3, "__kernel void f(void) {} //\xff\xfe\x01 ((((", "-Dvoid=((((");
    for (enum vgpu_program_kind kind = VGPU_PROGRAM_SPIRV; kind <= VGPU_PROGRAM_BINARY; kind++) {
        const uint64_t program = VGPU_HANDLE(28, (uint32_t)kind);
        int status = create_program(queue, program, kind, garbage, sizeof(garbage));

        if (status == VGPU_RESULT_OK)
            status = build(queue, program, "");
        tap_ok(status > 0, "garbage is no program of kind %d: 0x%02x", (int)kind, (unsigned)status);
    }
    expect(queue, "a program of 2^64 - 1 bytes", VGPU_RESULT_QUOTA,
           (struct vgpu_command){.opcode = VGPU_CMD_PROGRAM_CREATE,
                                 .handle = VGPU_HANDLE(29, 1),
                                 .arg = {VGPU_PROGRAM_SOURCE, 1, UINT64_MAX}});
}

/* Launches the kernel "f" of @source once; its argument is a buffer of zeros. */
static bool launch(RawQueue *queue, const char *source)
{
    const uint64_t program = VGPU_HANDLE(2, 1), kernel = VGPU_HANDLE(3, 1);
    int status = create_program(queue, program, VGPU_PROGRAM_SOURCE, source, strlen(source));

    if (status == VGPU_RESULT_OK)
        status = build(queue, program, "");
    memcpy(arena(queue), "f", 1);
    const struct vgpu_command rest[] = {
        {.opcode = VGPU_CMD_KERNEL_CREATE, .handle = kernel, .arg = {program, 0, 1}},
        {.opcode = VGPU_CMD_BUFFER_CREATE, .handle = BUFFER, .arg = {LENGTH}},
        {.opcode = VGPU_CMD_BUFFER_FILL, .handle = BUFFER, .arg = {0, LENGTH, 0, 8}},
        {.opcode = VGPU_CMD_KERNEL_ARG,
         .handle = kernel,
         .arg = {0, VGPU_ARGUMENT_BUFFER, BUFFER, 0}},
        {.opcode = VGPU_CMD_LAUNCH, .handle = kernel, .launch = {.dimensions = 1, .global = {1}}},
    };
    for (uint32_t i = 0; i < COUNT(rest) && status == VGPU_RESULT_OK; i++)
        status = raw_queue_call(queue, rest[i]);
    if (status != VGPU_RESULT_OK)
        tap_note("0x%02x", (unsigned)status);
    return status == VGPU_RESULT_OK;
}

bool hostile_forks(RawQueue *queue)
{
    /* By their numbers on x86_64: fork, pause. */
    return launch(queue, "#define CALL(number) \\\n"
                         "__asm__ volatile(\"syscall\" : \"=a\"(r) : \"a\"((long)number) \\\n"
                         "                 : \"rcx\", \"r11\", \"memory\")\n"
                         "__kernel void f(__global volatile uint *x) {\n"
                         "    long r;\n"
                         "    CALL(57);\n"
                         "    while (r == 0 || x[1]) { CALL(34); r = 0; }\n"
                         "    x[0] = (uint)r;\n"
                         "}\n");
}

bool hostile_endless(RawQueue *queue)
{
    return launch(queue, "__kernel void f(__global volatile uint *x)"
                         "{ while (x[0] == 0) x[1]++; }");
}
