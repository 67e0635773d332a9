/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stress-queue processes|threads COMMANDS: a worker's queue and a guest on it, as fast as they can,
 * over a real memfd with eventfds as doorbell and interrupt. Each entry, and each byte of the arena
 * that goes with it, is checked on both sides; a lost wake-up hangs. The arena is accessed plainly,
 * so that ThreadSanitizer, in the mode with threads, sees whether the rings order the accesses.
 */
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "queue.h"
#include "vgpu-spin.h"

#define SIZE     (VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN)
#define CHUNK    (VGPU_QUEUE_ARENA_MIN / VGPU_QUEUE_ENTRIES) /* bytes of the arena for an entry */
#define SESSIONS 16u
#define LAST     0xffffffffu /* the session that tells the worker to end */
#define SPIN_NS  20000u

#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

typedef struct {
    guint8 *slot;
    int doorbell;
    int interrupt;
    guint32 commands; /* of each session */
    VgpuQueue queue;  /* the worker's */
} Shared;

/* How commands are numbered, so that each side knows what the other must have written. */
static guint8 pattern(guint32 session, guint32 tag)
{
    return (guint8)(session * 31 + tag);
}

static uint64_t spin_now(void *data)
{
    struct timespec time;

    (void)data;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void spin_relax(void *data)
{
    (void)data;
    sched_yield();
}

static const VgpuSpinMachine machine = {.now = spin_now, .relax = spin_relax};

/* Both sides with, one without, both without: so that there is much sleeping on any machine. */
static VgpuSpin new_spin(guint32 session)
{
    return vgpu_spin_new(machine, session % 2 == 0 ? 0 : SPIN_NS);
}

/* Some time between the last look and parking, as an interrupt may take it: what comes meanwhile is
 * found by the second look alone. */
static void dawdle(guint32 round)
{
    for (volatile guint32 i = 0; i < round % 512; i++) {
    }
}

static void wait_for(int fd, guint64 *sleeps)
{
    eventfd_t count;

    check(eventfd_read(fd, &count) == 0);
    ++*sleeps;
}

/* ---- the worker ---- */

static bool host_ready(void *queue)
{
    return vgpu_queue_ready(queue);
}

static void carry_out(VgpuQueue *queue, const struct vgpu_command *command, guint32 expected)
{
    guint8 *bytes = vgpu_queue_arena(queue, command->arg[0], command->arg[1]);

    check(command->opcode == VGPU_CMD_NOP);
    check(command->tag == expected);
    check(bytes != NULL);
    for (guint i = 0; i < command->arg[1]; i++)
        check(bytes[i] == pattern(queue->session, expected));
    /* What comes back with the completion. */
    if (command->flags & VGPU_COMMAND_ANSWER)
        memset(bytes, ~pattern(queue->session, expected), command->arg[1]);
    vgpu_queue_complete(queue, command, expected % 7 == 0 ? VGPU_RESULT_BAD_HANDLE : VGPU_RESULT_OK,
                        expected, 0);
}

static void *run_host(void *data)
{
    Shared *shared = data;
    VgpuQueue *queue = &shared->queue;
    VgpuSpin spin = new_spin(0);
    struct vgpu_command command;
    guint32 expected = 0, waits = 0;
    guint64 sleeps = 0;

    while (queue->session != LAST) {
        VgpuQueueNext next = vgpu_queue_next(queue, &command);
        if (next == VGPU_QUEUE_NEXT_COMMAND) {
            carry_out(queue, &command, expected++);
            continue;
        }
        check(next != VGPU_QUEUE_NEXT_BROKEN);
        if (next == VGPU_QUEUE_NEXT_SESSION) {
            vgpu_queue_begin(queue);
            expected = 0;
            spin = new_spin(queue->session / 2);
            continue;
        }
        if (vgpu_spin_until(&spin, host_ready, queue))
            continue;
        dawdle(++waits);
        if (vgpu_queue_park(queue))
            wait_for(shared->doorbell, &sleeps);
        vgpu_queue_unpark(queue);
    }
    printf("the worker slept %" G_GUINT64_FORMAT " times\n", sleeps);
    return NULL;
}

/* ---- the guest ---- */

typedef struct {
    const Shared *shared;
    VgpuRingProducer commands;
    VgpuRingConsumer completions;
    VgpuSpin spin;
    GRand *rand;
    guint32 session;
    guint32 tag;                       /* of the next command */
    guint32 due;                       /* answers to come */
    guint32 answered;                  /* commands of which an answer says that they are done */
    guint32 asked[VGPU_QUEUE_ENTRIES]; /* the tags of those that want an answer, in order */
    guint32 asked_in, asked_out;
    guint32 lengths[VGPU_QUEUE_ENTRIES]; /* of what goes with each command */
    guint32 waits;
    guint64 sleeps;
} Guest;

static void ring_doorbell(const Guest *guest)
{
    check(eventfd_write(guest->shared->doorbell, 1) == 0);
}

static void publish(Guest *guest)
{
    if (vgpu_ring_publish(&guest->commands))
        ring_doorbell(guest);
}

static guint8 *chunk(const Guest *guest, guint32 tag)
{
    return guest->shared->slot + VGPU_QUEUE_ARENA + tag % VGPU_QUEUE_ENTRIES * CHUNK;
}

/* @room: entries that are free. The last of them wants an answer, or nobody tells of more. */
static void submit(Guest *guest, int room)
{
    struct vgpu_command command = {.opcode = VGPU_CMD_NOP, .tag = guest->tag};

    if (guest->due < VGPU_QUEUE_ANSWERS &&
        (g_rand_int_range(guest->rand, 0, guest->session % 3 == 0 ? 64 : 2) == 0 ||
         (guest->due == 0 && room == 1) || guest->tag + 1 == guest->shared->commands)) {
        command.flags = VGPU_COMMAND_ANSWER;
        guest->asked[guest->asked_in++ % VGPU_QUEUE_ENTRIES] = guest->tag;
        guest->due++;
    }
    const guint32 length = (guint32)g_rand_int_range(guest->rand, 0, CHUNK + 1);
    guest->lengths[guest->tag % VGPU_QUEUE_ENTRIES] = length;
    command.arg[1] = length;
    command.arg[0] = (guint64)(chunk(guest, guest->tag) - guest->shared->slot - VGPU_QUEUE_ARENA);
    memset(chunk(guest, guest->tag), pattern(guest->session, guest->tag), length);
    vgpu_ring_put(&guest->commands, &command);
    guest->tag++;
    if (g_rand_int_range(guest->rand, 0, 4) == 0)
        publish(guest);
}

static void take_answer(Guest *guest)
{
    const guint32 tag = guest->asked[guest->asked_out++ % VGPU_QUEUE_ENTRIES];
    struct vgpu_completion completion;

    vgpu_ring_take(&guest->completions, &completion);
    check(completion.tag == tag && completion.result == tag);
    check(completion.status == (tag % 7 == 0 ? VGPU_RESULT_BAD_HANDLE : VGPU_RESULT_OK));
    /* The first since the last answer whose tag is a multiple of 7, but for this one. */
    const guint32 first = (guest->answered + 6) / 7 * 7;
    check(completion.first == (first < tag ? VGPU_RESULT_BAD_HANDLE : VGPU_RESULT_OK));
    check(completion.first_tag == (first < tag ? first : 0));
    guest->answered = tag + 1;
    const guint8 written = (guint8)~pattern(guest->session, tag);
    for (guint i = 0; i < guest->lengths[tag % VGPU_QUEUE_ENTRIES]; i++)
        check(chunk(guest, tag)[i] == written);
    vgpu_ring_return(&guest->completions, guest->completions.next);
    guest->due--;
}

static bool guest_ready(void *data)
{
    Guest *guest = data;

    return vgpu_ring_available(&guest->completions) != 0;
}

/* As libvgpu and the driver do it. */
static void wait_for_answer(Guest *guest)
{
    publish(guest);
    if (vgpu_spin_until(&guest->spin, guest_ready, guest))
        return;
    dawdle(++guest->waits);
    vgpu_ring_park(&guest->completions);
    while (!guest_ready(guest)) {
        check(atomic_load(VGPU_RING_HOST_WORD(guest->shared->slot, broken)) == 0);
        wait_for(guest->shared->interrupt, &guest->sleeps);
        vgpu_ring_park(&guest->completions);
    }
    vgpu_ring_unpark(&guest->completions);
}

/* Whether the chunk for the next command still holds what an answer has not been taken for. */
static bool chunk_in_use(const Guest *guest)
{
    return guest->due > 0 &&
           guest->tag - guest->asked[guest->asked_out % VGPU_QUEUE_ENTRIES] >= VGPU_QUEUE_ENTRIES;
}

/* Some sessions end in the middle, with whatever is under way. */
static void run_session(Guest *guest)
{
    const guint32 commands = guest->shared->commands;
    const guint32 end = guest->session % 4 == 0
                            ? (guint32)g_rand_int_range(guest->rand, 0, (gint32)commands)
                            : commands;

    while (guest->tag < end || (end == commands && guest->due > 0)) {
        const int room = vgpu_ring_room(&guest->commands, 1);
        const int answers = vgpu_ring_available(&guest->completions);
        check(room >= 0 && answers >= 0);
        if (answers > 0)
            take_answer(guest);
        else if (room > 0 && guest->tag < end && !chunk_in_use(guest))
            submit(guest, room);
        else
            wait_for_answer(guest);
    }
}

/* The driver's part: the former session ends, whatever is under way; then the page is emptied, then
 * the new one begins, whether the worker has heard of the end or not. */
static void begin_session(Guest *guest, guint32 session)
{
    guint8 *slot = guest->shared->slot;

    atomic_store(VGPU_RING_GUEST_WORD(slot, session), 0);
    atomic_store(VGPU_RING_GUEST_WORD(slot, command_tail), 0);
    atomic_store(VGPU_RING_GUEST_WORD(slot, completion_head), 0);
    atomic_store(VGPU_RING_GUEST_WORD(slot, parked), 0);
    atomic_store(VGPU_RING_GUEST_WORD(slot, session), session);
    ring_doorbell(guest);
    while (atomic_load(VGPU_RING_HOST_WORD(slot, session)) != session)
        wait_for(guest->shared->interrupt, &guest->sleeps);
    guest->commands = vgpu_ring_produce_commands(slot);
    guest->completions = vgpu_ring_consume_completions(slot);
    guest->session = session;
    guest->tag = guest->due = guest->answered = guest->asked_in = guest->asked_out = 0;
    guest->spin = new_spin(session);
}

static void *run_guest(void *data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);
    Guest guest = {.shared = data, .rand = rand};

    for (guint32 session = 1; session <= SESSIONS; session++) {
        begin_session(&guest, session);
        run_session(&guest);
        if (session % 3 == 0)
            begin_session(&guest, 0);
    }
    begin_session(&guest, LAST);
    printf("the guest slept %" G_GUINT64_FORMAT " times\n", guest.sleeps);
    return NULL;
}

/* ---- both ---- */

static void run_threads(Shared *shared)
{
    pthread_t host, guest;

    check(pthread_create(&host, NULL, run_host, shared) == 0);
    check(pthread_create(&guest, NULL, run_guest, shared) == 0);
    check(pthread_join(guest, NULL) == 0);
    check(pthread_join(host, NULL) == 0);
}

static pid_t start(void *(*run)(void *), Shared *shared)
{
    const pid_t parent = getpid();
    const pid_t child = fork();

    check(child >= 0);
    if (child > 0)
        return child;
    check(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent);
    run(shared);
    exit(EXIT_SUCCESS);
}

static void run_processes(Shared *shared)
{
    const pid_t children[] = {start(run_host, shared), start(run_guest, shared)};
    int status;

    for (int ended = 0; ended < 2; ended++) {
        const pid_t child = wait(&status);
        if (child < 0 || status != 0) {
            kill(children[0], SIGKILL);
            kill(children[1], SIGKILL);
            check(!"one side has failed");
        }
    }
}

int main(int argc, char **argv)
{
    const int fd = memfd_create("stress-queue", MFD_CLOEXEC);
    Shared shared = {.doorbell = eventfd(0, EFD_CLOEXEC), .interrupt = eventfd(0, EFD_CLOEXEC)};

    check(argc == 3);
    shared.commands = (guint32)atoi(argv[2]) / SESSIONS;
    check(shared.commands > 0);
    check(fd >= 0 && shared.doorbell >= 0 && shared.interrupt >= 0 && ftruncate(fd, SIZE) == 0);
    shared.slot = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check(shared.slot != MAP_FAILED);
    /* Before the guest begins: a session that it finds it would leave alone. */
    vgpu_queue_init(&shared.queue, shared.slot, SIZE, shared.interrupt);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (g_str_equal(argv[1], "threads"))
        run_threads(&shared);
    else
        run_processes(&shared);
    return EXIT_SUCCESS;
}
