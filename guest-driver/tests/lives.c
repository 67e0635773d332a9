/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that fork, and that die in every way. */
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

static void open_and_compute(void *data)
{
    static Queue queue; /* its mappings live as long as the process */

    (void)data;
    /* One is under way when the process dies. */
    if (queue_open(&queue) != 0 || !queue_works(&queue))
        _exit(1);
    queue_submit(&queue, FAKE_DELAY, 1, 3600000);
}

/* Whether the worker comes to know of no session but one. */
static bool sessions_end(void)
{
    Queue queue;
    uint64_t sessions = 0;

    if (queue_open(&queue) != 0)
        return false;
    for (int look = 0; look < PATIENCE_MS / 10 && sessions != 1; look++) {
        queue_submit(&queue, FAKE_COUNT, 0, 0);
        sessions = queue_take(&queue);
        usleep(1000);
    }
    queue_close(&queue);
    return sessions == 1;
}

static void test_signals(void)
{
    static const int signals[] = {SIGKILL, SIGSEGV, SIGTERM, SIGABRT};
    int pids[VGPU_QUEUE_MAX];

    for (size_t s = 0; s < sizeof(signals) / sizeof(*signals); s++) {
        for (unsigned i = 0; i < queue_count; i++)
            pids[i] = child_start_and_await(open_and_compute, NULL);
        bool died = true;
        for (unsigned i = 0; i < queue_count; i++) {
            kill(pids[i], signals[s]);
            died = child_end(pids[i]) == 128 + signals[s] && died;
        }
        /* Before anybody else has their queues. */
        tap_ok(died && sessions_end(), "all owners die by signal %d: the worker is told",
               signals[s]);
        tap_ok(all_free(), "all owners die by signal %d: all queues are free", signals[s]);
    }
}

static int touch_slot(void *data)
{
    Queue *queue = data;

    return *(volatile uint8_t *)queue->slot;
}

static int use_and_close(void *data)
{
    Queue *queue = data;
    uint32_t tail;

    /* The descriptor is the child's, too; the memory is not. */
    fcntl(queue->fd, F_SETFL, O_NONBLOCK);
    bool again = read(queue->fd, &tail, 4) < 0 && errno == EAGAIN;
    fcntl(queue->fd, F_SETFL, 0);
    close(queue->fd);
    return again ? 0 : 1;
}

static void test_fork(void)
{
    Queue queue;

    if (queue_open(&queue) != 0)
        tap_bail_out("queue_open");
    tap_equal((uint32_t)child_end(child_start(touch_slot, &queue)), 128 + SIGSEGV,
              "fork(): the slot is not inherited");
    tap_ok(madvise(queue.slot, queue.info.slot_size, MADV_DOFORK) < 0, "nor can that be changed");
    tap_equal((uint32_t)child_end(child_start(use_and_close, &queue)), 0,
              "a child uses the file and closes it");
    tap_ok(queue_works(&queue), "its end does not end its parent's session");
    queue_close(&queue);
}

static int inheritor[2];

static int hold(void *data)
{
    char byte;

    (void)data;
    close(inheritor[1]);
    return read(inheritor[0], &byte, 1) == 0 ? 0 : 1;
}

static void test_inherited(void)
{
    Queue queue, others[VGPU_QUEUE_MAX], another;
    unsigned got = 0;

    if (pipe(inheritor) < 0 || queue_open(&queue) != 0)
        tap_bail_out("queue_open");
    int pid = child_start(hold, NULL);
    queue_close(&queue);
    while (got < queue_count && queue_open(&others[got]) == 0)
        got++;
    tap_equal(got, queue_count - 1, "a child that has the file still holds its queue");
    close(inheritor[1]);
    tap_ok(child_end(pid) == 0, "the child ends");
    tap_ok(queue_open(&another) == 0, "and then the queue is free");
    queue_close(&another);
    while (got > 0)
        queue_close(&others[--got]);
    close(inheritor[0]);
}

static void test_mapping_outlives(void)
{
    struct vgpu_completion completion;
    Queue queue;

    if (queue_open(&queue) != 0)
        tap_bail_out("queue_open");
    int copy = dup(queue.fd);
    close(queue.fd);
    queue.fd = copy;
    tap_ok(queue_works(&queue), "dup(): the copy will do");
    close(queue.fd);
    queue.fd = -1;
    queue_submit(&queue, VGPU_CMD_NOP, 5, 0);
    while (vgpu_ring_available(&queue.completions) == 0)
        usleep(1000);
    vgpu_ring_take(&queue.completions, &completion);
    tap_ok(completion.result == 5, "no descriptor, but a mapping: the session goes on");
    queue_close(&queue);
    tap_ok(all_free(), "without either the queue is free");
}

/* Opens, computes and closes until it is killed, wherever it is just then. */
static int churn(void *data)
{
    Queue queue;

    (void)data;
    for (;;) {
        int error = queue_open(&queue);

        if (error != 0 && error != EBUSY)
            return 1;
        if (error == 0) {
            if (!queue_works(&queue))
                return 2;
            queue_close(&queue);
        }
    }
}

static void test_churn(void)
{
    int pids[12];
    bool killed = true;

    srand(1);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < 12; i++)
            pids[i] = child_start(churn, NULL);
        for (size_t i = 0; i < 12; i++) {
            usleep((useconds_t)(rand() % 50000));
            kill(pids[i], SIGKILL);
            killed = child_end(pids[i]) == 128 + SIGKILL && killed;
        }
    }
    tap_ok(killed, "sixty processes open and close until they are killed");
    tap_ok(all_free(), "and all queues are free");
}

/* The first boot leaves all queues with an owner and goes down; the second one begins anew. The
 * host's generation tells which it is. */
void test_rebooted(void)
{
    Queue queues[VGPU_QUEUE_MAX];

    for (unsigned i = 0; i < queue_count; i++) {
        queue_await(&queues[i]);
        if (queues[i].info.generation > 1)
            tap_ok(is_empty(&queues[i]), "queue %u has nothing of the former system's", i);
        memset(queues[i].slot + VGPU_QUEUE_ARENA, 0xa5,
               queues[i].info.slot_size - VGPU_QUEUE_ARENA);
    }
    if (queues[0].info.generation == 1) {
        queue_submit(&queues[0], FAKE_DIE, 0, 0);
        if (queue_take(&queues[0]) != UINT64_MAX)
            tap_bail_out("the worker does not die");
        for (unsigned i = 0; i < queue_count; i++)
            queue_close(&queues[i]);
        for (unsigned i = 0; i < queue_count; i++) {
            queue_await(&queues[i]);
            memset(queues[i].slot + VGPU_QUEUE_ARENA, 0xa5,
                   queues[i].info.slot_size - VGPU_QUEUE_ARENA);
        }
        reboot(RB_AUTOBOOT);
    }
    for (unsigned i = 0; i < queue_count; i++)
        queue_close(&queues[i]);
    tap_ok(all_free(), "rebooted: all is there again");
}

void test_lives(void)
{
    test_signals();
    test_fork();
    test_inherited();
    test_mapping_outlives();
    test_churn();
}
