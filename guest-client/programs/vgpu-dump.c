/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shows registers and rings, for those who look for a fault in device, driver or worker. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "error.h"
#include "node.h"
#include "options.h"
#include "registers.h"
#include "vgpu-ring.h"

static const struct {
    const char *name;
    uint32_t offset;
} queue_registers[] = {
    {"QUEUE_VERSION", VGPU_REG_QUEUE_VERSION},       {"QUEUE_COUNT", VGPU_REG_QUEUE_COUNT},
    {"SHM_SIZE_LO", VGPU_REG_SHM_SIZE_LO},           {"SHM_SIZE_HI", VGPU_REG_SHM_SIZE_HI},
    {"QUEUE_GENERATION", VGPU_REG_QUEUE_GENERATION},
};

static int fail(const char *path, int error)
{
    fprintf(stderr, "vgpu-dump: %s: %s\n", path, strerror(error));
    return EX_UNAVAILABLE;
}

/* One line; "?" where the driver does not give it. */
static void print_register(int fd, const char *name, uint32_t offset)
{
    struct vgpu_ioc_register word = {.offset = offset};
    char meaning[64] = "";

    if (ioctl(fd, VGPU_IOC_REGISTER, &word) < 0) {
        printf("0x%03x  %-16s  ?  (%s)\n", offset, name, strerror(errno));
        return;
    }
    if (offset == VGPU_REG_QUEUE_VERSION)
        snprintf(meaning, sizeof(meaning), "%u.%u", word.value >> 16, word.value & 0xffff);
    else if (offset == VGPU_REG_QUEUE_GENERATION && word.value == 0)
        snprintf(meaning, sizeof(meaning), "no worker");
    else if (offset >= VGPU_REG_QUEUE_VERSION)
        snprintf(meaning, sizeof(meaning), "%u", word.value);
    else
        register_meaning(offset, word.value, meaning, sizeof(meaning));
    printf("0x%03x  %-16s  0x%08x  %s\n", offset, name, word.value, meaning);
}

/* Opened for reading only, which takes no queue. */
static int dump_registers(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(path, errno);
    for (int i = 0; i < REGISTER_COUNT; i++)
        print_register(fd, registers[i].name, registers[i].offset);
    for (size_t i = 0; i < sizeof(queue_registers) / sizeof(queue_registers[0]); i++)
        print_register(fd, queue_registers[i].name, queue_registers[i].offset);
    close(fd);
    return EX_OK;
}

static uint32_t word(const void *slot, size_t offset)
{
    return atomic_load(vgpu_ring_word((void *)slot, offset));
}

#define GUEST(slot, name) word(slot, VGPU_QUEUE_GUEST + offsetof(struct vgpu_queue_guest, name))
#define HOST(slot, name)  word(slot, VGPU_QUEUE_HOST + offsetof(struct vgpu_queue_host, name))

/* The last @count commands and completions before the indices; it may be under way meanwhile. */
static void print_entries(const void *slot, uint32_t count)
{
    uint32_t end = GUEST(slot, command_tail);

    for (uint32_t i = end - count; i != end; i++) {
        struct vgpu_command command;

        memcpy(&command,
               (const char *)slot + VGPU_QUEUE_COMMANDS + i % VGPU_QUEUE_ENTRIES * sizeof(command),
               sizeof(command));
        if (command.opcode != 0)
            printf("command %10u  0x%04x flags 0x%x tag 0x%08x handle 0x%llx event 0x%llx  %s\n", i,
                   command.opcode, command.flags, command.tag, (unsigned long long)command.handle,
                   (unsigned long long)command.event, vgpu_command_text(command.opcode));
    }
    end = HOST(slot, completion_tail);
    for (uint32_t i = end - count; i != end; i++) {
        struct vgpu_completion completion;

        memcpy(&completion,
               (const char *)slot + VGPU_QUEUE_RESULTS +
                   i % VGPU_QUEUE_ENTRIES * sizeof(completion),
               sizeof(completion));
        if (completion.tag != 0)
            printf("completion %7u  tag 0x%08x status 0x%02x first 0x%02x result %llu\n", i,
                   completion.tag, completion.status, completion.first,
                   (unsigned long long)completion.result);
    }
}

static void print_slot(const void *slot, uint32_t entries)
{
    uint32_t command_tail = GUEST(slot, command_tail), command_head = HOST(slot, command_head);
    uint32_t completion_tail = HOST(slot, completion_tail);
    uint32_t completion_head = GUEST(slot, completion_head);

    printf("session            guest %u, host %u\n", GUEST(slot, session), HOST(slot, session));
    printf("lost, broken       %u, %u\n", GUEST(slot, lost), HOST(slot, broken));
    printf("parked             guest %u, host %u\n", GUEST(slot, parked), HOST(slot, parked));
    printf("commands           tail %u, head %u: %u open\n", command_tail, command_head,
           command_tail - command_head);
    printf("completions        tail %u, head %u: %u open\n", completion_tail, completion_head,
           completion_tail - completion_head);
    print_entries(slot, entries < VGPU_QUEUE_ENTRIES ? entries : VGPU_QUEUE_ENTRIES);
}

/* A queue of our own, with one command through it. */
static int dump_own(const char *path, uint32_t entries)
{
    const struct vgpu_command nop = {
        .opcode = VGPU_CMD_NOP, .flags = VGPU_COMMAND_ANSWER, .tag = 1};
    VgpuNode node;

    if (vgpu_node_open(&node, path) != VGPU_OK) {
        fprintf(stderr, "vgpu-dump: %s\n", vgpu_last_error());
        return EX_UNAVAILABLE;
    }
    VgpuRingProducer commands = vgpu_ring_produce_commands(node.slot);
    vgpu_ring_put(&commands, &nop);
    if (vgpu_ring_publish(&commands))
        vgpu_node_ring(&node);
    bool alive = vgpu_node_sleep(&node, 5000);
    printf("%s, queue %u, %llu bytes%s\n", node.path, node.info.queue,
           (unsigned long long)node.info.slot_size, alive ? "" : ", lost");
    print_slot(node.slot, entries);
    vgpu_node_close(&node, false);
    return EX_OK;
}

/* Slot @queue of @count in the memory that @path is: BAR2 in sysfs, or the host's memfd. */
static int dump_memory(const char *path, uint32_t queue, uint32_t count, uint32_t entries)
{
    struct stat status;

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        return fail(path, errno);
    uint64_t size = vgpu_queue_slot_size((uint64_t)status.st_size, count);
    if (queue >= count || size < VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN)
        options_mistake("%s has %lld bytes: there is no queue %u of %u in it", path,
                        (long long)status.st_size, queue, count);
    void *slot = mmap(NULL, VGPU_QUEUE_ARENA, PROT_READ, MAP_SHARED, fd, (off_t)(size * queue));
    if (slot == MAP_FAILED)
        return fail(path, errno);
    print_slot(slot, entries);
    munmap(slot, VGPU_QUEUE_ARENA);
    close(fd);
    return EX_OK;
}

int main(int argc, char **argv)
{
    const char *path = "/dev/vgpu0", *memory = NULL;
    bool rings = false;
    uint32_t queue = 0, count = 0, entries = 8;
    const struct option_entry options[] = {
        {.name = "device", .argument = "FILE", .help = "default: /dev/vgpu0", .text = &path},
        {.name = "rings", .help = "take a queue and show it, too", .flag = &rings},
        {.name = "memory",
         .argument = "FILE",
         .help = "show a queue in BAR2 (resource2 in sysfs) or in the memfd of its QEMU",
         .text = &memory},
        {.name = "queue", .argument = "N", .help = "with --memory: which one", .number = &queue},
        {.name = "queues", .argument = "N", .help = "with --memory: of how many", .number = &count},
        {.name = "entries",
         .argument = "N",
         .help = "entries of each ring to show, the last ones (default: 8)",
         .number = &entries},
        {NULL},
    };

    if (options_parse(argc, argv, "[OPTION...]",
                      "Shows the device's registers and what lies in the rings of a queue.",
                      options) < argc)
        options_mistake("takes no operands");
    if (memory == NULL && (queue != 0 || count != 0))
        options_mistake("--queue and --queues are for --memory");
    if (memory != NULL && count == 0)
        options_mistake("--memory needs --queues: the register QUEUE_COUNT");
    if (memory != NULL)
        return dump_memory(memory, queue, count, entries);
    int status = dump_registers(path);
    if (status == EX_OK && rings) {
        putchar('\n');
        status = dump_own(path, entries);
    }
    return status;
}
