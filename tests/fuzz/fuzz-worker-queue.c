/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that does anything to its queue, against the worker's side of it: real shared memory, the
 * ring's consumer, the gate, every command, on the null backend.
 *
 * The input is a list of acts: commands half right, raw bytes in place of commands, words of either
 * page overwritten, sessions begun at any moment. Whatever it does, each turn of the worker is
 * bounded, limits hold, and when the guest has gone nothing of it is left.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lane.h"

#define SLOT (VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN)
#define LEAVE                                                                                      \
    8 /* turns that a session's end may take; nothing runs behind the null backend's back */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

typedef struct {
    const uint8_t *bytes;
    size_t left;
    uint8_t *slot;
    VgpuRingProducer commands;
} Guest;

static uint8_t take(Guest *guest)
{
    if (guest->left == 0)
        return 0;
    guest->left--;
    return *guest->bytes++;
}

/* A number near the limits of something, or any. */
static uint64_t take_number(Guest *guest)
{
    static const uint64_t edges[] = {
        0, 1, 4, VGPU_QUEUE_ARENA_MIN, VGPU_ARGUMENT_MAX, 1u << 20, UINT32_MAX, UINT64_MAX};
    const uint8_t kind = take(guest);
    uint64_t number = 0;

    if (kind < 128)
        return kind;
    if (kind < 224)
        return edges[kind % 8] + kind / 8 % 5 - 2;
    if (kind < 240)
        return VGPU_HANDLE(kind % 8, 1 + take(guest) % 4);
    for (int i = 0; i < 8; i++)
        number = number << 8 | take(guest);
    return number;
}

static uint64_t take_handle(Guest *guest)
{
    const uint8_t kind = take(guest);

    return kind < 240 ? VGPU_HANDLE(kind % 8, 1 + kind / 8 % 4) : take_number(guest);
}

static void put_command(Guest *guest)
{
    static const uint16_t opcodes[] = {
        VGPU_CMD_NOP,          VGPU_CMD_SNAPSHOT,       VGPU_CMD_RELEASE,
        VGPU_CMD_BARRIER,      VGPU_CMD_FINISH,         VGPU_CMD_BUFFER_CREATE,
        VGPU_CMD_BUFFER_WRITE, VGPU_CMD_BUFFER_READ,    VGPU_CMD_BUFFER_COPY,
        VGPU_CMD_BUFFER_FILL,  VGPU_CMD_PROGRAM_CREATE, VGPU_CMD_PROGRAM_BUILD,
        VGPU_CMD_PROGRAM_LOG,  VGPU_CMD_PROGRAM_BINARY, VGPU_CMD_KERNEL_CREATE,
        VGPU_CMD_KERNEL_ARG,   VGPU_CMD_LAUNCH,         VGPU_CMD_EVENT_TIMES};
    const uint8_t what = take(guest), shape = take(guest);
    struct vgpu_command command = {
        .opcode = opcodes[what % G_N_ELEMENTS(opcodes)],
        .flags = shape & VGPU_COMMAND_ANSWER,
        .tag = what,
    };

    if (shape & 2)
        command.handle = take_handle(guest);
    if (shape & 4)
        command.event = take_handle(guest);
    if (command.opcode == VGPU_CMD_LAUNCH) {
        command.launch.dimensions = take(guest) % 4;
        for (int i = 0; i < 3; i++) {
            command.launch.global[i] = take(guest);
            command.launch.local[i] = shape & 8 ? take(guest) : 0;
        }
    } else {
        for (int i = 0; i < shape >> 5 && i < 5; i++)
            command.arg[i] = i == 0 && shape & 16 ? take_handle(guest) : take_number(guest);
    }
    vgpu_ring_put(&guest->commands, &command);
    vgpu_ring_publish(&guest->commands);
}

static void put_raw(Guest *guest)
{
    struct vgpu_command command;
    uint8_t *raw = (uint8_t *)&command;

    for (size_t i = 0; i < sizeof(command); i++)
        raw[i] = take(guest);
    vgpu_ring_put(&guest->commands, &command);
    vgpu_ring_publish(&guest->commands);
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
    guest->commands = vgpu_ring_produce_commands(guest->slot);
    atomic_store(VGPU_RING_GUEST_WORD(guest->slot, session), session);
}

static void act(Guest *guest, VgpuLane *lane)
{
    const uint8_t what = take(guest);

    if (what < 150)
        put_command(guest);
    else if (what < 170)
        vgpu_lane_serve(lane, 1 + what % 40);
    else if (what < 185) /* takes all its completions */
        atomic_store(VGPU_RING_GUEST_WORD(guest->slot, completion_head),
                     atomic_load(VGPU_RING_HOST_WORD(guest->slot, completion_tail)));
    else if (what < 215)
        guest->slot[VGPU_QUEUE_ARENA + take(guest)] = take(guest);
    else if (what < 230)
        put_raw(guest);
    else if (what < 245)
        scribble(guest);
    else
        begin(guest, take(guest));
}

static VgpuService *get_service(void)
{
    static VgpuService service;
    int page_fd;

    if (service.page != NULL)
        return &service;
    service = (VgpuService){.channel = -1,
                            .page = vgpu_page_create(&page_fd, NULL),
                            .backend = vgpu_backend_open("null", "", NULL),
                            .deadline = vgpu_deadline_new(NULL),
                            .timeout_ns = 10 * G_GUINT64_CONSTANT(1000000000),
                            .build_ns = 10 * G_GUINT64_CONSTANT(1000000000)};
    return &service;
}

static uint8_t *get_slot(void)
{
    static uint8_t *slot;

    if (slot != NULL)
        return slot;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, SLOT) < 0)
        abort();
    slot = mmap(NULL, SLOT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return slot;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    VgpuService *service = get_service();
    Guest guest = {.bytes = bytes, .left = size, .slot = get_slot()};
    VgpuLane lane;

    memset(guest.slot, 0, SLOT);
    vgpu_gate_init(&service->gate, service->page, (VgpuCharge){{4u << 20, 64u << 10, 6, 8}});
    vgpu_lane_init(&lane, service, guest.slot, SLOT, -1);
    begin(&guest, 1);
    vgpu_lane_serve(&lane, 1);
    while (guest.left > 0)
        act(&guest, &lane);
    vgpu_lane_serve(&lane, VGPU_QUEUE_ENTRIES);

    /* The driver ends the session, whatever the program has done to it. */
    begin(&guest, lane.queue.session + 1);
    for (int i = 0; i < LEAVE && vgpu_lane_serve(&lane, 1); i++)
        continue;
    if (atomic_load(VGPU_RING_HOST_WORD(guest.slot, session)) != lane.queue.session ||
        lane.owner != NULL || !vgpu_quota_is_empty(&service->gate.quota))
        abort();
    return 0;
}
