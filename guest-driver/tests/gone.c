/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver is unbound, the device removed, while files are open. */
#include "queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static char pci_folder[256]; /* of the PCI device */

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        tap_note("%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static const char *pci_address(void)
{
    return strrchr(pci_folder, '/') + 1;
}

static void unbind(void)
{
    write_text("/sys/bus/pci/drivers/vgpu/unbind", pci_address());
}

static void bind(void)
{
    write_text("/sys/bus/pci/drivers/vgpu/bind", pci_address());
}

static void remove_device(void)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/remove", pci_folder);
    write_text(path, "1");
}

static void rescan(void)
{
    write_text("/sys/bus/pci/rescan", "1");
}

static sigjmp_buf escape;

static void on_bus_error(int signal)
{
    siglongjmp(escape, signal);
}

/* The signal that touching @word makes; 0: none. */
static int touch(volatile uint32_t *word)
{
    signal(SIGBUS, on_bus_error);
    int caught = sigsetjmp(escape, 1);
    if (caught == 0)
        *word = 1;
    signal(SIGBUS, SIG_DFL);
    return caught;
}

static void *reader(void *data)
{
    Queue *queue = data;
    uint32_t tail;

    return read(queue->fd, &tail, 4) < 0 && errno == ENODEV ? queue : NULL;
}

/* Whether protocol 1.0's registers can be mapped, and a request there gets an answer. */
static bool sysfs_works(void)
{
    char path[300];
    volatile uint32_t *bar;

    snprintf(path, sizeof(path), "%s/resource0", pci_folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    bar = mmap(NULL, VGPU_BAR0_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (bar == MAP_FAILED)
        return false;
    bar[VGPU_REG_REQUEST_LEN / 4] = 16;
    bar[VGPU_REG_DOORBELL / 4] = 1;
    while (bar[VGPU_REG_STATUS / 4] == VGPU_STATUS_BUSY)
        usleep(1000);
    bool answered = bar[VGPU_REG_STATUS / 4] == VGPU_STATUS_ERROR &&
                    bar[VGPU_REG_ERROR_CODE / 4] == VGPU_ERROR_UNAVAILABLE;
    munmap((void *)bar, VGPU_BAR0_SIZE);
    return answered;
}

static void test_going(const char *how, void (*go)(void), void (*come)(void))
{
    struct vgpu_ioc_info info = {.size = sizeof(info)};
    struct pollfd fd = {.events = POLLIN};
    pthread_t thread;
    Queue queue, next;
    void *told;

    if (queue_open(&queue) != 0)
        tap_bail_out("queue_open");
    touch((volatile uint32_t *)(queue.slot + VGPU_QUEUE_ARENA));
    pthread_create(&thread, NULL, reader, &queue);
    usleep(20000); /* mostly it sleeps by now; it is right in either case */
    go();
    pthread_join(thread, &told);
    tap_ok(told != NULL, "%s: read() gives ENODEV", how);
    tap_ok(access(device_path, F_OK) < 0 && errno == ENOENT, "%s: the node has gone", how);
    tap_equal((uint32_t)touch((volatile uint32_t *)(queue.slot + VGPU_QUEUE_ARENA)), SIGBUS,
              "%s: the slot is a SIGBUS", how);
    tap_equal((uint32_t)touch((volatile uint32_t *)queue.slot), SIGBUS,
              "%s: so are pages that were never touched", how);
    tap_equal((uint32_t)touch(queue.doorbell), SIGBUS, "%s: and the doorbell", how);
    tap_ok(ioctl(queue.fd, VGPU_IOC_INFO, &info) < 0 && errno == ENODEV, "%s: ioctl: ENODEV", how);
    fd.fd = queue.fd;
    tap_ok(poll(&fd, 1, 0) == 1 && (fd.revents & POLLHUP), "%s: poll(): POLLHUP", how);
    tap_ok(mmap(NULL, 4096, PROT_READ, MAP_SHARED, queue.fd, 0) == MAP_FAILED && errno == ENODEV,
           "%s: mmap: ENODEV", how);

    come();
    strcpy(device_path, "/dev/vgpu1"); /* the old number is still in use */
    queue_await(&next);
    tap_ok(queue_works(&next), "%s: it is back, with a new number", how);
    queue_close(&next);
    queue_close(&queue);
    go();
    come();
    strcpy(device_path, "/dev/vgpu0");
    queue_await(&next);
    queue_close(&next);
    tap_ok(all_free(), "%s: once more, with nothing open: it has its number again", how);
}

static void go_and_come_in_a_storm(void)
{
    for (int round = 0; round < 10; round++) {
        unbind();
        bind();
    }
}

static int churn(void *data)
{
    static Queue queue; /* survives siglongjmp() */

    (void)data;
    /* What it does is killed by SIGBUS or told ENODEV at any moment; then it begins anew. */
    signal(SIGBUS, on_bus_error);
    for (;;) {
        if (sigsetjmp(escape, 1) != 0)
            queue_close(&queue);
        queue = (Queue){.fd = open("/dev/vgpu0", O_RDWR | O_CLOEXEC)};
        if (queue.fd < 0)
            continue;
        queue.info.size = sizeof(queue.info);
        queue.info.slot_size = 65536;
        void *slot = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, queue.fd, 0);
        if (slot != MAP_FAILED) {
            memset((uint8_t *)slot + VGPU_QUEUE_ARENA, 1, VGPU_QUEUE_ARENA_MIN);
            munmap(slot, 65536);
        }
        close(queue.fd);
    }
    return 0;
}

static void test_storm(void)
{
    int pids[3];

    for (int i = 0; i < 3; i++)
        pids[i] = child_start(churn, NULL);
    go_and_come_in_a_storm();
    for (int i = 0; i < 3; i++) {
        kill(pids[i], SIGKILL);
        child_end(pids[i]);
    }
    unbind();
    bind();
    tap_ok(all_free(), "it goes and comes while programs open and close: all is well");
}

static void find_device(void)
{
    char *path = realpath("/sys/class/vgpu/vgpu0/device", NULL);

    if (path == NULL)
        tap_bail_out("/sys/class/vgpu/vgpu0/device: %s", strerror(errno));
    snprintf(pci_folder, sizeof(pci_folder), "%s", path);
    free(path);
}

void test_gone(void)
{
    find_device();
    tap_ok(sysfs_works(), "protocol 1.0 works beside the driver");
    test_going("unbound", unbind, bind);
    test_going("removed", remove_device, rescan);
    test_storm();
    unbind();
    tap_ok(sysfs_works(), "protocol 1.0 works without it");
    bind();
}

/* What only the host can do: whoever reads our output does it. */
static void unplug(void)
{
    tap_note("please: unplug");
    while (access(pci_folder, F_OK) == 0)
        usleep(10000);
}

static void plug(void)
{
    tap_note("please: plug");
    while (access("/sys/class/vgpu/vgpu0", F_OK) < 0 && access("/sys/class/vgpu/vgpu1", F_OK) < 0)
        usleep(10000);
}

void test_plugged(void)
{
    find_device();
    test_going("unplugged", unplug, plug);
}

void test_suspended(void)
{
    Queue queue;
    uint32_t tail;

    find_device();
    if (queue_open(&queue) != 0 || !queue_works(&queue))
        tap_bail_out("queue_open");
    tap_note("please: wake up");
    write_text("/sys/power/state", "mem"); /* returns when the machine is awake again */
    tap_ok(read(queue.fd, &tail, 4) < 0 && errno == EIO, "suspended: the session is lost");
    tap_equal(atomic_load(VGPU_RING_GUEST_WORD(queue.slot, lost)), 1,
              "suspended: so says the slot");
    queue_close(&queue);
    tap_ok(all_free(), "awake: all is there again");
}
