/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Workers that go, come, keep silent; and owners that break their queue. */
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static bool is_lost(Queue *queue)
{
    return atomic_load(VGPU_RING_GUEST_WORD(queue->slot, lost)) != 0;
}

static void *poller(void *data)
{
    Queue *queue = data;
    struct pollfd fd = {.fd = queue->fd, .events = POLLIN};

    return poll(&fd, 1, PATIENCE_MS) == 1 && (fd.revents & (POLLERR | POLLHUP)) != 0 ? queue : NULL;
}

static void test_death(void)
{
    pthread_t thread;
    Queue queue, other;
    uint32_t tail;
    void *told;

    if (queue_open(&queue) != 0 || queue_open(&other) != 0)
        tap_bail_out("queue_open");
    pthread_create(&thread, NULL, poller, &other);
    queue_submit(&queue, FAKE_DIE, 0, 300);
    tap_ok(read(queue.fd, &tail, 4) < 0 && errno == EIO, "the worker dies: read() gives EIO");
    tap_ok(is_lost(&queue) && is_lost(&other), "all sessions are lost");
    pthread_join(thread, &told);
    tap_ok(told != NULL, "poll() of another gives POLLERR and POLLHUP");
    /* The new worker may be there by now. */
    Queue next;
    int error = queue_open(&next);
    tap_ok(error == ENODEV || error == 0, "without a worker: ENODEV");
    if (error != 0)
        queue_await(&next);
    tap_ok(next.info.generation != queue.info.generation, "the new worker has another generation");
    tap_ok(queue_works(&next), "a new session works");
    tap_ok(is_lost(&queue) && read(queue.fd, &tail, 4) < 0 && errno == EIO, "the old stay lost");
    queue_close(&next);
    queue_close(&queue);
    queue_close(&other);
    tap_ok(all_free(), "all can be had from the new worker");
}

/* For so long nobody comes to be served; far longer than what is waited for. */
#define SILENCE_MS 1500

static void silence(void)
{
    Queue queue;

    if (queue_open(&queue) != 0)
        tap_bail_out("queue_open");
    queue_submit(&queue, FAKE_MUTE, 0, SILENCE_MS);
    if (queue_take(&queue) != 0)
        tap_bail_out("the worker was not silenced");
    queue_close(&queue);
}

static void handler(int signal)
{
    (void)signal;
}

static void test_silence(void)
{
    const struct sigaction interrupting = {.sa_handler = handler};
    Queue queue;

    silence();
    int error = queue_open(&queue);
    tap_ok(error == 0 && queue_works(&queue), "open() waits for a slow worker");
    queue_close(&queue);

    silence();
    sigaction(SIGALRM, &interrupting, NULL);
    ualarm(100000, 100000);
    tap_ok(queue_open(&queue) == EINTR, "a signal ends open()");
    ualarm(0, 0);
    signal(SIGALRM, SIG_DFL);
    tap_ok(all_free(), "its queue is free");
}

static void test_broken(void)
{
    struct pollfd fd = {.events = POLLIN};
    Queue queue;
    uint32_t tail;

    if (queue_open(&queue) != 0)
        tap_bail_out("queue_open");
    atomic_store(VGPU_RING_GUEST_WORD(queue.slot, command_tail), 100000);
    *queue.doorbell = 1;
    tap_ok(read(queue.fd, &tail, 4) < 0 && errno == EIO, "a broken session: read() gives EIO");
    fd.fd = queue.fd;
    tap_ok(poll(&fd, 1, 0) == 1 && (fd.revents & POLLHUP), "poll(): POLLHUP");
    tap_equal(atomic_load(VGPU_RING_HOST_WORD(queue.slot, broken)), VGPU_RESULT_BAD_QUEUE,
              "the host says why");
    queue_close(&queue);
    tap_ok(all_free(), "the next owner has nothing of it");
}

/* What belongs to the driver in shared memory is not believed. */
static void test_forged(void)
{
    Queue queue;

    if (queue_open(&queue) != 0)
        tap_bail_out("queue_open");
    memset(queue.slot, 0xff, queue.info.slot_size);
    *queue.doorbell = 1;
    queue_close(&queue);
    tap_ok(all_free(), "an owner writes nonsense all over its slot: the next one is well");
}

/* What an owner may write to let its end look as if the worker had seen it. */
static void forge_end(Queue *queue)
{
    atomic_store(VGPU_RING_HOST_WORD(queue->slot, session), 0);
}

static void forge_next(Queue *queue)
{
    const uint32_t session = atomic_load(VGPU_RING_GUEST_WORD(queue->slot, session));

    atomic_store(VGPU_RING_HOST_WORD(queue->slot, session), session + 1);
}

static void forge_nothing(Queue *queue)
{
    (void)queue;
}

/* The owner leaves while the worker is busy with a read of its; and nothing of what that brings
 * comes before the eyes of the next one. */
static void test_busy(const char *how, void (*forge)(Queue *queue))
{
    Queue queues[VGPU_QUEUE_MAX], next;

    for (unsigned i = 0; i < queue_count; i++) {
        if (queue_open(&queues[i]) != 0)
            tap_bail_out("queue %u of %u", i, queue_count);
    }
    queue_submit(&queues[0], FAKE_READ, 0, SILENCE_MS);
    while (*(volatile uint8_t *)(queues[0].slot + VGPU_QUEUE_ARENA) == 0)
        usleep(1000); /* a command that has not begun is dropped with its session */
    forge(&queues[0]);
    queue_close(&queues[0]);
    tap_ok(queue_open(&next) == 0 && is_empty(&next), "%s leaves a busy worker: nothing is left",
           how);
    tap_ok(queue_works(&next) && is_empty(&next), "%s leaves a busy worker: nothing comes", how);
    queue_close(&next);
    for (unsigned i = 1; i < queue_count; i++)
        queue_close(&queues[i]);
}

/* An owner ends its session itself, and says something else where the worker says so. */
static void test_ended_by_owner(void)
{
    Queue queue;

    if (queue_open(&queue) != 0)
        tap_bail_out("queue_open");
    atomic_store(VGPU_RING_GUEST_WORD(queue.slot, session), 0);
    *queue.doorbell = 1;
    while (atomic_load(VGPU_RING_HOST_WORD(queue.slot, session)) != 0)
        usleep(1000);
    atomic_store(VGPU_RING_HOST_WORD(queue.slot, session), 77);
    queue_close(&queue);
    tap_ok(all_free(), "an owner forges its own end: its queue is free nevertheless");
}

void test_worker(void)
{
    test_death();
    test_silence();
    test_broken();
    test_forged();
    test_ended_by_owner();
    test_busy("an owner", forge_nothing);
    test_busy("one that forges its end", forge_end);
    test_busy("one that forges the next session", forge_next);
}
