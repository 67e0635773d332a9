/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every program does; and what none may. */
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t register_of(int fd, uint32_t offset)
{
    struct vgpu_ioc_register word = {.offset = offset};

    return ioctl(fd, VGPU_IOC_REGISTER, &word) == 0 ? word.value : 0xffffffff;
}

static void test_info(Queue *queue)
{
    struct vgpu_ioc_register word = {.offset = VGPU_REQUEST_BUFFER};
    char text[16];

    tap_equal(queue->info.queue_version, VGPU_QUEUE_VERSION, "INFO: the protocol");
    tap_ok(queue->info.size == sizeof(queue->info), "INFO: its size");
    tap_ok(queue->info.generation != 0, "INFO: there is a worker");
    tap_equal(queue->info.pool, 'B', "INFO: the pool");
    tap_equal(queue->info.vm_id, 7, "INFO: the VM's number");
    tap_equal(register_of(queue->fd, VGPU_REG_QUEUE_COUNT), queue_count, "REGISTER: queues");
    tap_ok(ioctl(queue->fd, VGPU_IOC_REGISTER, &word) < 0 && errno == EINVAL,
           "REGISTER: not a buffer of protocol 1.0");
    word.offset = 2;
    tap_ok(ioctl(queue->fd, VGPU_IOC_REGISTER, &word) < 0 && errno == EINVAL, "REGISTER: aligned");
    word.offset = 0xfffffffc;
    tap_ok(ioctl(queue->fd, VGPU_IOC_REGISTER, &word) < 0 && errno == EINVAL, "REGISTER: in BAR0");
    tap_ok(ioctl(queue->fd, 0xde7f) < 0 && errno == ENOTTY, "another ioctl: ENOTTY");

    tap_ok(strcmp(attribute("pool"), "B") == 0, "sysfs: pool");
    tap_ok(strcmp(attribute("priority"), "high") == 0, "sysfs: priority");
    tap_ok(strcmp(attribute("vm_id"), "7") == 0, "sysfs: vm_id");
    snprintf(text, sizeof(text), "%u", queue->info.generation);
    tap_ok(strcmp(attribute("generation"), text) == 0, "sysfs: generation");
}

static void test_older_and_newer(Queue *queue)
{
    struct {
        struct vgpu_ioc_info info;
        uint32_t more;
    } newer = {.info.size = sizeof(newer), .more = 5};
    struct vgpu_ioc_info older = {.size = 8, .queue = 77};
    struct vgpu_ioc_info none = {.size = 0};

    tap_ok(ioctl(queue->fd, VGPU_IOC_INFO, &newer) == 0 && newer.info.size == sizeof(newer.info) &&
               newer.more == 5,
           "INFO: a newer program");
    tap_ok(ioctl(queue->fd, VGPU_IOC_INFO, &older) == 0 && older.queue == 77, "INFO: an older one");
    tap_ok(ioctl(queue->fd, VGPU_IOC_INFO, &none) < 0 && errno == EINVAL, "INFO: no size");
    tap_ok(ioctl(queue->fd, VGPU_IOC_INFO, NULL) < 0 && errno == EFAULT, "INFO: nowhere");
}

static void test_waiting(Queue *queue)
{
    struct pollfd fd = {.fd = queue->fd, .events = POLLIN};
    uint32_t tail;

    tap_ok(queue_works(queue), "a command comes back");
    tap_ok(poll(&fd, 1, 0) == 0, "poll(): nothing");
    fcntl(queue->fd, F_SETFL, O_NONBLOCK);
    tap_ok(read(queue->fd, &tail, 4) < 0 && errno == EAGAIN, "O_NONBLOCK: EAGAIN");
    fcntl(queue->fd, F_SETFL, 0);
    tap_ok(read(queue->fd, &tail, 3) < 0 && errno == EINVAL, "read(): at least 4 bytes");

    queue_submit(queue, FAKE_DELAY, 0x1234, 50);
    tap_ok(queue_take(queue) == 0x1234, "read() sleeps until the completion");
    queue_submit(queue, FAKE_DELAY, 0x1235, 50);
    tap_ok(poll(&fd, 1, PATIENCE_MS) == 1 && fd.revents == POLLIN, "poll() sleeps until then");
    tap_ok(queue_take(queue) == 0x1235, "and it is there");
}

static void test_edge(Queue *queue)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int set = epoll_create1(EPOLL_CLOEXEC);
    bool came = true;

    if (epoll_ctl(set, EPOLL_CTL_ADD, queue->fd, &event) < 0)
        tap_bail_out("epoll_ctl: %s", strerror(errno));
    for (uint64_t i = 1; i <= 20 && came; i++) {
        queue_submit(queue, FAKE_DELAY, i, 2);
        came = epoll_wait(set, &event, 1, PATIENCE_MS) == 1 && event.events == EPOLLIN &&
               queue_take(queue) == i;
    }
    tap_ok(came, "epoll, edge-triggered: each completion is told");
    close(set);
}

static void *reader(void *data)
{
    Queue *queue = data;
    uint32_t tail = 0;

    return read(queue->fd, &tail, 4) == 4 && tail == queue->completions.next + 1 ? queue : NULL;
}

static void test_threads(Queue *queue)
{
    pthread_t threads[4];
    void *result;
    bool all = true;

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, reader, queue);
    queue_submit(queue, FAKE_DELAY, 9, 50);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &result);
        all = all && result != NULL;
    }
    tap_ok(all, "four threads in read() are all woken");
    tap_ok(queue_take(queue) == 9, "by the same completion");
}

static void handler(int signal)
{
    (void)signal;
}

static void test_signal(Queue *queue)
{
    const struct sigaction interrupting = {.sa_handler = handler};
    uint32_t tail;

    sigaction(SIGALRM, &interrupting, NULL);
    ualarm(20000, 20000); /* again and again, if it comes before the sleep */
    tap_ok(read(queue->fd, &tail, 4) < 0 && errno == EINTR, "a signal ends read()");
    ualarm(0, 0);
    signal(SIGALRM, SIG_DFL);
}

void test_use(void)
{
    Queue queue;
    int error = queue_open(&queue);

    if (error != 0)
        tap_bail_out("%s: %s", device_path, strerror(error));
    test_info(&queue);
    test_older_and_newer(&queue);
    test_waiting(&queue);
    test_edge(&queue);
    test_threads(&queue);
    test_signal(&queue);
    tap_ok(queue_works(&queue), "after all that it works");
    queue_close(&queue);
}

static bool refused(int fd, size_t size, int flags, uint64_t offset, int error)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);

    if (map == MAP_FAILED)
        return errno == error;
    munmap(map, size);
    return false;
}

static void test_mappings(Queue *queue)
{
    const uint64_t size = queue->info.slot_size;
    int fd = queue->fd;

    tap_ok(refused(fd, 4096, MAP_PRIVATE, 0, EINVAL), "mmap: not MAP_PRIVATE");
    tap_ok(refused(fd, size + 4096, MAP_SHARED, 0, EINVAL), "mmap: not the next slot");
    tap_ok(refused(fd, size, MAP_SHARED, 4096, EINVAL), "mmap: not the next slot's beginning");
    tap_ok(refused(fd, 4096, MAP_SHARED, size, EINVAL), "mmap: nothing behind the slot");
    tap_ok(refused(fd, 8192, MAP_SHARED, VGPU_MMAP_DOORBELL, EINVAL), "mmap: one doorbell");
    tap_ok(refused(fd, 4096, MAP_SHARED, VGPU_MMAP_DOORBELL + 4096, EINVAL), "not another's");
    tap_ok(refused(fd, 4096, MAP_SHARED, 0x7ffffffffffff000, EINVAL), "mmap: no overflow");
    uint8_t *part = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, (off_t)(size - 4096));
    queue->slot[size - 1] = 0x5a;
    tap_ok(part != MAP_FAILED && part[4095] == 0x5a, "mmap: a part");
    tap_ok(mremap(part, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED, "it does not grow");
    munmap(part, 4096);
}

static void test_reading_only(void)
{
    int fd = open(device_path, O_RDONLY | O_CLOEXEC);
    struct vgpu_ioc_info info = {.size = sizeof(info)};
    uint32_t tail;

    tap_ok(fd >= 0 && ioctl(fd, VGPU_IOC_INFO, &info) == 0 && info.queue == VGPU_NO_QUEUE &&
               info.generation != 0 && info.slot_size != 0,
           "O_RDONLY: INFO without a queue");
    tap_equal(register_of(fd, VGPU_REG_VM_ID), 7, "O_RDONLY: REGISTER");
    tap_ok(refused(fd, 4096, MAP_SHARED, 0, EACCES), "O_RDONLY: no mmap");
    tap_ok(read(fd, &tail, 4) < 0 && errno == EINVAL, "O_RDONLY: no read");
    close(fd);
}

static int as_nobody(void *data)
{
    Queue queue;

    (void)data;
    if (setgid(65534) < 0 || setuid(65534) < 0)
        return 2;
    return queue_open(&queue) == 0 && queue_works(&queue) ? 0 : 1;
}

static void test_all_taken(void)
{
    Queue queues[VGPU_QUEUE_MAX], another;

    for (unsigned i = 0; i < queue_count; i++) {
        if (queue_open(&queues[i]) != 0)
            tap_bail_out("queue %u of %u", i, queue_count);
        memset(queues[i].slot + VGPU_QUEUE_ARENA, 0xa5,
               queues[i].info.slot_size - VGPU_QUEUE_ARENA);
    }
    tap_ok(queue_open(&another) == EBUSY, "one too many: EBUSY");
    test_reading_only();
    const uint32_t freed = queues[queue_count / 2].info.queue;
    queue_close(&queues[queue_count / 2]);
    tap_ok(queue_open(&another) == 0 && another.info.queue == freed && queue_works(&another),
           "one that was given back");
    tap_ok(is_empty(&another), "it has nothing of its former owner's");
    queue_close(&another);
    for (unsigned i = 0; i < queue_count; i++) {
        if (i != queue_count / 2)
            queue_close(&queues[i]);
    }
    tap_ok(all_free(), "all are free again");
}

void test_limits(void)
{
    Queue queue;

    if (queue_open(&queue) != 0)
        tap_bail_out("queue_open");
    test_mappings(&queue);
    queue_close(&queue);
    test_all_taken();
    chmod(device_path, 0666);
    tap_equal((uint32_t)child_end(child_start(as_nobody, NULL)), 0, "who is not root computes");
}
