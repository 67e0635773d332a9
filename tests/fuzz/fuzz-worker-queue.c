/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that does anything to its two queues, against the worker's side of them: real shared
 * memory, the ring's consumer, the gate, every command, on the null backend, whose commands end
 * when the input says so, or fail.
 *
 * The input is a list of acts: commands right but for one place, raw bytes in place of commands,
 * words of either page overwritten, sessions begun at any moment, the VM's limits changed. Whatever
 * it does, each turn of the worker is bounded, it sleeps only when there is nothing to do, limits
 * hold, and when the guest has gone nothing of it is left.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lane.h"

#define SLOT   (VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN)
#define QUEUES 2
#define LEAVE  8 /* turns that a session's end may take once the device has ended all */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

typedef struct {
    const uint8_t *bytes;
    size_t left;
} Input;

typedef struct {
    Input *input;
    uint8_t *slot;
    VgpuRingProducer commands;
    uint32_t generation[4 * VGPU_OBJECT_KINDS]; /* of the last handle at each index */
} Guest;

/* What the device does with what it has been given. */
static VgpuBackendProgress progress;

static VgpuBackendProgress event_progress(VgpuBackendEvent *event)
{
    (void)event;
    return progress;
}

static uint8_t take(Guest *guest)
{
    if (guest->input->left == 0)
        return 0;
    guest->input->left--;
    return *guest->input->bytes++;
}

/* A number near the limits of something, or any. */
static uint64_t take_number(Guest *guest)
{
    static const uint64_t edges[] = {0,
                                     64,
                                     VGPU_QUEUE_ARENA_MIN - 64,
                                     VGPU_QUEUE_ARENA_MIN,
                                     VGPU_ARGUMENT_MAX,
                                     1u << 20,
                                     UINT32_MAX,
                                     UINT64_MAX - 15};
    const uint8_t kind = take(guest);
    uint64_t number = 0;

    if (kind < 240)
        return edges[kind % 8] + kind / 8;
    for (int i = 0; i < 8; i++)
        number = number << 8 | take(guest);
    return number;
}

/* Each kind of object has four indices; what stands there now, or is to be made. */
static uint64_t take_handle(Guest *guest, VgpuObjectKind kind, bool is_new)
{
    const uint32_t index = (uint32_t)kind * 4 + take(guest) % 4;

    if (is_new)
        guest->generation[index]++;
    return VGPU_HANDLE(index, guest->generation[index]);
}

/* What stands in a command that is right: see fill_in(). */
static const struct {
    uint16_t opcode;
    char handle; /* b, p, k, e: an object of that kind; B, P, K, E: a new one; a: of any kind */
    const char *args;
} shapes[] = {
    {VGPU_CMD_NOP, 0, ""},
    {VGPU_CMD_SNAPSHOT, 0, "os"},
    {VGPU_CMD_RELEASE, 'a', ""},
    {VGPU_CMD_BARRIER, 0, ""},
    {VGPU_CMD_FINISH, 0, ""},
    {VGPU_CMD_BUFFER_CREATE, 'B', "l"},
    {VGPU_CMD_BUFFER_WRITE, 'b', "oso"},
    {VGPU_CMD_BUFFER_READ, 'b', "oso"},
    {VGPU_CMD_BUFFER_COPY, 'b', "boos"},
    {VGPU_CMD_BUFFER_FILL, 'b', "0sof"},
    {VGPU_CMD_PROGRAM_CREATE, 'P', "ios"},
    {VGPU_CMD_PROGRAM_BUILD, 'p', "00"},
    {VGPU_CMD_PROGRAM_LOG, 'p', "os"},
    {VGPU_CMD_PROGRAM_BINARY, 'p', "os"},
    {VGPU_CMD_KERNEL_CREATE, 'K', "p0n"},
    {VGPU_CMD_KERNEL_ARG, 'k', "iib0"},
    {VGPU_CMD_KERNEL_ARG, 'k', "iios"},
    {VGPU_CMD_LAUNCH, 'k', ""},
    {VGPU_CMD_EVENT_TIMES, 'e', "o"},
};

static uint64_t fill_in(Guest *guest, char what)
{
    switch (what) {
    case 'b':
    case 'B':
        return take_handle(guest, VGPU_OBJECT_BUFFER, what == 'B');
    case 'p':
    case 'P':
        return take_handle(guest, VGPU_OBJECT_PROGRAM, what == 'P');
    case 'k':
    case 'K':
        return take_handle(guest, VGPU_OBJECT_KERNEL, what == 'K');
    case 'e':
    case 'E':
        return take_handle(guest, VGPU_OBJECT_EVENT, what == 'E');
    case 'a':
        return take_handle(guest, (VgpuObjectKind)(take(guest) % VGPU_OBJECT_KINDS), false);
    case 'o': /* an offset that fits, mostly */
        return take(guest) % 32;
    case 's': /* a size that fits then, mostly */
        return 1 + take(guest) % 32;
    case 'l':
        return 64;
    case 'f':
        return 1;
    case 'i':
        return take(guest) % 4;
    case 'n': /* the text in the arena */
        return 6;
    default:
        return 0;
    }
}

static void put(Guest *guest, const struct vgpu_command *command)
{
    vgpu_ring_put(&guest->commands, command);
    vgpu_ring_publish(&guest->commands);
}

/* A command that is right, or wrong in one place. */
static void put_command(Guest *guest)
{
    const uint8_t what = take(guest), twist = take(guest);
    const uint8_t shape = what % G_N_ELEMENTS(shapes);
    struct vgpu_command command = {
        .opcode = shapes[shape].opcode,
        .flags = twist & VGPU_COMMAND_ANSWER,
        .handle = fill_in(guest, shapes[shape].handle),
        .tag = what,
    };

    if (command.opcode == VGPU_CMD_LAUNCH) {
        command.launch.dimensions = 1 + take(guest) % 3;
        const bool chosen = take(guest) % 2;

        for (int i = 0; i < 3; i++) {
            command.launch.global[i] = 1 + take(guest);
            command.launch.local[i] = chosen ? 1 + take(guest) : 0;
        }
    } else {
        for (size_t i = 0; i < strlen(shapes[shape].args); i++)
            command.arg[i] = fill_in(guest, shapes[shape].args[i]);
    }
    if (twist & 2)
        command.event = take_handle(guest, VGPU_OBJECT_EVENT, true);
    if (twist >= 192)
        command.arg[twist % 5] = take_number(guest);
    else if (twist >= 184)
        command.handle ^= (uint64_t)take(guest) << take(guest) % 64;
    put(guest, &command);
}

static void put_raw(Guest *guest)
{
    struct vgpu_command command;
    uint8_t *raw = (uint8_t *)&command;

    for (size_t i = 0; i < sizeof(command); i++)
        raw[i] = take(guest);
    put(guest, &command);
}

/* Any word of either page, or of the rings. */
static void scribble(Guest *guest)
{
    const uint64_t offset = take_number(guest) % (VGPU_QUEUE_ARENA / 4) * 4;

    atomic_store(vgpu_ring_word(guest->slot, offset), (uint32_t)take_number(guest));
}

static void begin(Guest *guest, uint32_t session)
{
    memset(guest->slot, 0, VGPU_QUEUE_HOST);
    memset(guest->generation, 0, sizeof(guest->generation));
    guest->commands = vgpu_ring_produce_commands(guest->slot);
    atomic_store(VGPU_RING_GUEST_WORD(guest->slot, session), session);
}

/* A turn. The lane may sleep after it when it did nothing, so then there must be nothing to do. */
static void serve(VgpuLane *lane, guint batch)
{
    if (vgpu_lane_serve(lane, batch))
        return;
    if (!vgpu_lane_is_blocked(lane) && vgpu_queue_ready(&lane->queue))
        abort();
    if (lane->owner != NULL && lane->owner->count > 0 && vgpu_owner_has_ended(lane->owner))
        abort();
    const bool may_sleep = vgpu_queue_park(&lane->queue);
    if (!may_sleep && !vgpu_lane_is_blocked(lane))
        abort();
    vgpu_queue_unpark(&lane->queue);
}

/* Each limit as one of a few, or none; what the VM holds beyond a lower one stays its own. */
static void change_limits(Guest *guest, VgpuService *service)
{
    VgpuLimits limits = {0};
    const uint8_t which = take(guest);

    limits.value[VGPU_LIMIT_RATE] = which & 1 ? 1 : 0;
    limits.value[VGPU_LIMIT_BURST] = 1 + take(guest) % 64;
    limits.value[VGPU_LIMIT_MEMORY] = which & 2 ? 1 : 0;
    limits.value[VGPU_LIMIT_OUTSTANDING] = which & 4 ? 1 + take(guest) % 4 : 0;
    limits.value[VGPU_LIMIT_HANDLES] = which & 8 ? take(guest) % 16 : 0;
    limits.value[VGPU_LIMIT_SHARED_MEMORY] = which & 16 ? 0 : 1; /* one queue, or both */
    vgpu_page_set_limits(service->page, &limits, (which & 32) != 0);
}

/* Something that is not the guest's to do. */
static void act_of_host(Guest *guest, VgpuService *service)
{
    const uint8_t what = take(guest);

    if (what < 100)
        progress = VGPU_BACKEND_RUNNING;
    else if (what < 200)
        progress = VGPU_BACKEND_ENDED;
    else if (what < 220)
        progress = VGPU_BACKEND_FAILED;
    else
        change_limits(guest, service);
}

static void act(Guest *guest, VgpuLane *lane)
{
    const uint8_t what = take(guest);

    if (what < 150)
        put_command(guest);
    else if (what < 180)
        serve(lane, 1 + what % 40);
    else if (what < 195) /* takes all its completions */
        atomic_store(VGPU_RING_GUEST_WORD(guest->slot, completion_head),
                     atomic_load(VGPU_RING_HOST_WORD(guest->slot, completion_tail)));
    else if (what < 205)
        act_of_host(guest, lane->service);
    else if (what < 225)
        guest->slot[VGPU_QUEUE_ARENA + take(guest)] = take(guest);
    else if (what < 235)
        put_raw(guest);
    else if (what < 248)
        scribble(guest);
    else
        begin(guest, take(guest));
}

static VgpuService *get_service(void)
{
    static VgpuBackendClass class;
    static VgpuService service;
    int page_fd;

    if (service.page != NULL)
        return &service;
    service = (VgpuService){.channel = -1,
                            .page = vgpu_page_create(&page_fd, NULL),
                            .backend = vgpu_backend_open("null", "", NULL),
                            .deadline = vgpu_deadline_new(NULL),
                            .timeout_ns = 10 * G_GUINT64_CONSTANT(1000000000),
                            .pace = {.window = 6}, /* less than may be outstanding: both are met */
                            .build_ns = 10 * G_GUINT64_CONSTANT(1000000000),
                            .build_wake = -1,
                            .trace = {.fd = -1}};
    class = *service.backend->class;
    class.event_progress = event_progress;
    service.backend->class = &class;
    vgpu_turn_init(&service.turn, NULL, -1, &service.trace);
    return &service;
}

static uint8_t *get_memory(void)
{
    static uint8_t *memory;

    if (memory != NULL)
        return memory;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, QUEUES * SLOT) < 0)
        abort();
    memory = mmap(NULL, QUEUES * SLOT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory;
}

/* The driver ends the session, whatever the program has done to it. */
static void leave(Guest *guest, VgpuLane *lane)
{
    progress = VGPU_BACKEND_ENDED;
    begin(guest, 0);
    for (int i = 0; i < LEAVE && vgpu_lane_serve(lane, 1); i++)
        continue;
    if (atomic_load(VGPU_RING_HOST_WORD(guest->slot, session)) != lane->queue.session ||
        lane->owner != NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    VgpuService *service = get_service();
    Input input = {bytes, size};
    Guest guests[QUEUES];
    VgpuLane lanes[QUEUES];

    progress = VGPU_BACKEND_ENDED;
    vgpu_page_set_limits(service->page, &(VgpuLimits){{[VGPU_LIMIT_SHARED_MEMORY] = 1}}, FALSE);
    vgpu_gate_init(&service->gate, service->page, (VgpuCharge){{4u << 20, 64u << 10, 12, 8, SLOT}});
    memset(get_memory(), 0, QUEUES * SLOT);
    for (guint i = 0; i < QUEUES; i++) {
        guests[i] = (Guest){.input = &input, .slot = get_memory() + i * SLOT};
        memcpy(guests[i].slot + VGPU_QUEUE_ARENA, "kernel", 6);
        vgpu_lane_init(&lanes[i], service, i, guests[i].slot, SLOT, -1);
        begin(&guests[i], 1);
        vgpu_lane_serve(&lanes[i], 1);
    }
    while (input.left > 0) {
        /* Mostly the first one: it takes many acts to get far. */
        const guint which = take(&guests[0]) < 200 ? 0 : 1;

        for (uint8_t acts = 1 + take(&guests[0]) % 32; acts > 0; acts--)
            act(&guests[which], &lanes[which]);
    }
    for (guint i = 0; i < QUEUES; i++)
        serve(&lanes[i], VGPU_QUEUE_ENTRIES);
    for (guint i = 0; i < QUEUES; i++)
        leave(&guests[i], &lanes[i]);
    if (!vgpu_quota_is_empty(&service->gate.quota) || service->builds != 0)
        abort();
    return 0;
}
