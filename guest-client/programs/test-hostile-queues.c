/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest program that does to its queue what no program should: each scenario ends with an error
 * for itself, and with a new session that computes. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hostile-commands.h"
#include "hostile-root.h"
#include "options.h"
#include "random.h"
#include "raw-queue.h"
#include "tap.h"
#include "vgpu.h"

#define NOBODY 65534
#define NOP    ((struct vgpu_command){.opcode = VGPU_CMD_NOP})

static uint32_t rounds;
static struct random numbers;

/* A new session computes. */
static void prove(void)
{
    VgpuContext *context = NULL;
    uint32_t sum = 0;
    int code = VGPU_E_UNAVAILABLE;

    for (int i = 0; i < 1000 && code != VGPU_OK; i++) { /* a worker may just be starting */
        code = vgpu_open(&context, RAW_QUEUE_DEVICE);
        if (code != VGPU_E_UNAVAILABLE && code != VGPU_E_TIMEOUT)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    if (code == VGPU_OK)
        code = vgpu_vector_add(context, 40, 2, &sum);
    if (code != VGPU_OK)
        tap_note("%s", vgpu_last_error());
    tap_ok(sum == 42, "a new session computes");
    vgpu_close(context);
}

static void must_open(RawQueue *queue)
{
    if (!raw_queue_open(queue))
        tap_bail_out("no new session");
}

static void store_tail(const RawQueue *queue, uint32_t value)
{
    atomic_store(queue->commands.tail, value);
    raw_queue_ring(queue);
}

/* Jumps, wraps and steps back, from a place that a few commands have led to. */
static void test_command_index(void)
{
    static const uint32_t jumps[] = {
        VGPU_QUEUE_ENTRIES + 1, 1000, 0x7fffffff, 0x80000000, 0xffffff00u, 0xffffffffu};
    const uint32_t known = sizeof(jumps) / sizeof(jumps[0]);
    uint32_t good = 0;

    for (uint32_t i = 0; i < rounds && good == i; i++) {
        const uint32_t jump =
            i < known ? jumps[i] : VGPU_QUEUE_ENTRIES + 1 + random_below(&numbers, 0xfffffeffu);
        RawQueue queue;
        bool well = true;

        must_open(&queue);
        for (uint32_t j = random_below(&numbers, 4) + 1; j > 0; j--)
            well &= raw_queue_call(&queue, NOP) == VGPU_RESULT_OK;
        store_tail(&queue, queue.commands.next + jump);
        const uint32_t why = raw_queue_await_broken(&queue);
        if (!well || why != VGPU_RESULT_BAD_QUEUE)
            tap_note("a jump by 0x%08x: broken 0x%02x", jump, why);
        else
            good++;
        raw_queue_close(&queue);
    }
    tap_equal(good, rounds, "a tail that cannot be breaks the session");
}

static void test_completion_index(void)
{
    uint32_t good = 0, count = rounds / 4 + 1;

    for (uint32_t i = 0; i < count && good == i; i++) {
        RawQueue queue;

        must_open(&queue);
        while (queue.commands.next < VGPU_QUEUE_ENTRIES) {
            struct vgpu_command nop = NOP;

            nop.flags = VGPU_COMMAND_ANSWER;
            raw_queue_put(&queue, nop);
        }
        raw_queue_await_taken(&queue, VGPU_QUEUE_ENTRIES);
        atomic_store(queue.completions.head,
                     VGPU_QUEUE_ENTRIES + 1 + random_below(&numbers, 0xfffffeffu));
        raw_queue_ring(&queue);
        good += raw_queue_await_broken(&queue) == VGPU_RESULT_BAD_QUEUE;
        raw_queue_close(&queue);
    }
    tap_equal(good, count, "so does a head of completions that were never made");
}

/* As fast as two threads can: the worker sees any of them, or none. */
static void test_wild_index(void)
{
    for (uint32_t i = 0; i < rounds; i++) {
        RawQueue queue;

        must_open(&queue);
        for (int j = 0; j < 200; j++)
            store_tail(&queue, random_below(&numbers, j % 2 ? 0 : 2 * VGPU_QUEUE_ENTRIES));
        raw_queue_close(&queue);
    }
}

static void indices(void)
{
    test_command_index();
    test_completion_index();
    test_wild_index();
}

struct scribbler {
    RawQueue *queue;
    struct random random;
    atomic_bool end;
};

/* Rewrites words of commands and of the arena's beginning. */
static void *scribble(void *data)
{
    struct scribbler *scribbler = data;
    const size_t words = VGPU_QUEUE_ENTRIES * sizeof(struct vgpu_command) / 8;

    while (!scribbler->end) {
        const uint32_t place = random_below(&scribbler->random, words);
        const uint64_t value = hostile_word(&scribbler->random);

        atomic_store_explicit(scribbler->queue->commands.entries + place, value,
                              memory_order_relaxed);
        ((volatile uint64_t *)(scribbler->queue->slot + VGPU_QUEUE_ARENA))[place % 64] = value;
    }
    return NULL;
}

/* Commands change while the worker reads them. */
static void rewritten(void)
{
    uint32_t taken = 0;

    for (uint32_t i = 0; i < rounds && taken == i; i++) {
        struct scribbler scribbler = {.random = random_seed(random_next(&numbers))};
        RawQueue queue;
        pthread_t thread;
        bool well = true;

        must_open(&queue);
        scribbler.queue = &queue;
        pthread_create(&thread, NULL, scribble, &scribbler);
        for (uint32_t batch = 0; batch < 20 && well; batch++) {
            for (uint32_t j = 0; j < VGPU_QUEUE_ENTRIES / 2; j++)
                raw_queue_put(&queue, hostile_command(&numbers, queue.arena_size));
            /* Answers are given back unread. */
            atomic_store(queue.completions.head,
                         atomic_load(VGPU_RING_HOST_WORD(queue.slot, completion_tail)));
            raw_queue_ring(&queue);
            well = raw_queue_await_taken(&queue, queue.commands.next);
        }
        scribbler.end = true;
        pthread_join(thread, NULL);
        taken += well;
        raw_queue_close(&queue);
    }
    tap_equal(taken, rounds, "the worker takes them all, or breaks the session");
}

/* Everything in the slot, both sides' pages with their session words among it. */
static void scribbled(void)
{
    uint32_t good = 0;

    for (uint32_t i = 0; i < rounds; i++) {
        RawQueue queue;

        must_open(&queue);
        good += raw_queue_call(&queue, NOP) == VGPU_RESULT_OK;
        for (int j = 0; j < 50; j++) {
            const size_t page = random_below(&numbers, 2) ? VGPU_QUEUE_GUEST : VGPU_QUEUE_HOST;
            const size_t line = random_below(&numbers, 4) * 64;

            atomic_store(vgpu_ring_word(queue.slot, page + line + random_below(&numbers, 2) * 4),
                         random_below(&numbers, random_below(&numbers, 2) ? 0 : 300));
            raw_queue_ring(&queue);
        }
        raw_queue_close(&queue);
    }
    tap_equal(good, rounds, "each session after a scribbled one begins well");
}

static void storm(void)
{
    RawQueue queue;

    must_open(&queue);
    for (uint32_t i = 0; i < rounds; i++)
        raw_queue_ring(&queue);
    tap_equal((uint32_t)raw_queue_call(&queue, NOP), VGPU_RESULT_OK, "answers after %u rings",
              rounds);
    raw_queue_close(&queue);
}

/* Wants answers and never takes one, until it is killed. */
static void undrained(void)
{
    struct vgpu_command nop = NOP;
    RawQueue queue;

    must_open(&queue);
    nop.flags = VGPU_COMMAND_ANSWER;
    while (queue.commands.next < VGPU_QUEUE_ENTRIES)
        raw_queue_put(&queue, nop);
    tap_ok(raw_queue_await_taken(&queue, VGPU_QUEUE_ENTRIES), "answers until the ring is full");
    while (raw_queue_put(&queue, nop))
        ;
    for (uint32_t i = 0; i < rounds; i++)
        raw_queue_ring(&queue);
    tap_equal(atomic_load(VGPU_RING_HOST_WORD(queue.slot, command_head)), VGPU_QUEUE_ENTRIES,
              "and takes nothing more");
    printf("# held\n");
    fflush(stdout);
    for (;;)
        pause();
}

/* The deadline ends the worker. */
static void endless(void)
{
    RawQueue queue;

    must_open(&queue);
    const uint32_t before = raw_queue_generation(&queue);
    tap_ok(hostile_endless(&queue), "a kernel without an end is launched");
    const int status = raw_queue_call(&queue, (struct vgpu_command){.opcode = VGPU_CMD_FINISH});
    tap_equal((uint32_t)status, UINT32_MAX, "there is no answer, but an error");
    for (int i = 0; i < 3000 && raw_queue_generation(&queue) == before; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    tap_ok(raw_queue_generation(&queue) != before, "QUEUE_GENERATION tells");
    tap_equal(atomic_load(VGPU_RING_GUEST_WORD(queue.slot, lost)), 1, "the session is lost");
    raw_queue_close(&queue);
}

/* What is forked must not outlive its worker; whether it does is for the host to see. */
static void forks(void)
{
    RawQueue queue;

    must_open(&queue);
    tap_ok(hostile_forks(&queue), "a kernel that forks is launched");
    tap_equal((uint32_t)raw_queue_call(&queue, (struct vgpu_command){.opcode = VGPU_CMD_FINISH}),
              VGPU_RESULT_OK, "and ends");
    raw_queue_close(&queue);
    endless();
}

static void commands(void)
{
    RawQueue queue, other;

    must_open(&queue);
    must_open(&other);
    hostile_lengths(&queue);
    hostile_handles(&queue, &other);
    hostile_programs(&queue);
    tap_equal((uint32_t)raw_queue_call(&queue, NOP), VGPU_RESULT_OK, "the session goes on");
    raw_queue_close(&queue);
    raw_queue_close(&other);
}

static volatile sig_atomic_t told_to_end;

static void end(int signal)
{
    (void)signal;
    told_to_end = 1;
}

/* Another VM's program, which computes until SIGTERM and must not notice anything. */
static void witness(void)
{
    static uint8_t out[20000], in[20000];
    VgpuContext *context = NULL;
    VgpuBuffer buffer;
    uint32_t count = 0, sum = 0;

    signal(SIGTERM, end);
    int code = vgpu_open(&context, RAW_QUEUE_DEVICE);
    if (code == VGPU_OK)
        code = vgpu_buffer_create(context, sizeof(in), &buffer);
    for (; code == VGPU_OK && !told_to_end; count++) {
        memset(out, (int)count, sizeof(out));
        code = vgpu_buffer_write(context, buffer, 0, out, sizeof(out), NULL);
        if (code == VGPU_OK)
            code = vgpu_buffer_read(context, buffer, 0, in, sizeof(in), NULL);
        if (code == VGPU_OK && memcmp(in, out, sizeof(in)) != 0)
            tap_bail_out("round %u: other bytes than were written", count);
        if (code == VGPU_OK)
            code = vgpu_vector_add(context, count, 7, &sum);
        if (code == VGPU_OK && sum != count + 7)
            tap_bail_out("round %u: %u", count, sum);
    }
    if (code != VGPU_OK)
        tap_note("%s", vgpu_last_error());
    tap_ok(code == VGPU_OK && count > 0, "%u rounds, all right", count);
    vgpu_close(context);
}

static void as_root(void)
{
    hostile_root(&numbers, rounds);
}

static const struct {
    const char *name;
    void (*run)(void);
    uint32_t rounds;
    bool root;
    bool proves;
} scenarios[] = {
    {"indices", indices, 40, false, true},     {"commands", commands, 1, false, true},
    {"rewritten", rewritten, 12, false, true}, {"scribbled", scribbled, 60, false, true},
    {"storm", storm, 100000, false, true},     {"undrained", undrained, 1000, false, false},
    {"endless", endless, 1, false, true},      {"forks", forks, 1, false, true},
    {"root", as_root, 5000, true, true},       {"prove", NULL, 0, false, true},
    {"witness", witness, 0, false, false},
};

/* There is no udev in the test guest. */
static void drop_root(void)
{
    if (geteuid() != 0)
        return;
    chmod(RAW_QUEUE_DEVICE, 0666);
    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        tap_bail_out("cannot become nobody");
}

int main(int argc, char **argv)
{
    uint32_t seed = 1, count = 0;
    const struct option_entry options[] = {
        {.name = "seed", .argument = "N", .help = "of all numbers (default: 1)", .number = &seed},
        {.name = "rounds", .argument = "N", .help = "instead of the scenario's", .number = &count},
        {NULL},
    };
    const size_t known = sizeof(scenarios) / sizeof(scenarios[0]);
    size_t i = 0;

    const int first = options_parse(argc, argv, "[OPTION...] SCENARIO",
                                    "Misuses a queue of /dev/vgpu0 in every way.", options);
    if (first + 1 != argc)
        options_mistake("takes one scenario");
    while (i < known && strcmp(scenarios[i].name, argv[first]) != 0)
        i++;
    if (i == known)
        options_mistake("no scenario '%s'", argv[first]);

    tap_begin(stdout);
    rounds = count > 0 ? count : scenarios[i].rounds;
    numbers = random_seed(seed);
    tap_note("%s: seed %u, %u rounds", argv[first], seed, rounds);
    if (!scenarios[i].root)
        drop_root();
    if (scenarios[i].run)
        scenarios[i].run();
    if (scenarios[i].proves)
        prove();
    return tap_end();
}
