/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

char device_path[32] = "/dev/vgpu0";
unsigned queue_count;

int queue_open(Queue *queue)
{
    *queue = (Queue){.fd = open(device_path, O_RDWR | O_CLOEXEC), .info.size = sizeof(queue->info)};
    if (queue->fd < 0)
        return errno;
    if (ioctl(queue->fd, VGPU_IOC_INFO, &queue->info) < 0)
        tap_bail_out("VGPU_IOC_INFO: %s", strerror(errno));
    void *slot =
        mmap(NULL, queue->info.slot_size, PROT_READ | PROT_WRITE, MAP_SHARED, queue->fd, 0);
    void *doorbell = mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, queue->fd, VGPU_MMAP_DOORBELL);
    if (slot == MAP_FAILED || doorbell == MAP_FAILED)
        tap_bail_out("mmap: %s", strerror(errno));
    queue->slot = slot;
    queue->doorbell = doorbell;
    queue->commands = vgpu_ring_produce_commands(slot);
    queue->completions = vgpu_ring_consume_completions(slot);
    return 0;
}

void queue_await(Queue *queue)
{
    int error;

    while ((error = queue_open(queue)) == ENODEV)
        usleep(10000);
    if (error != 0)
        tap_bail_out("%s: %s", device_path, strerror(error));
}

void queue_close(Queue *queue)
{
    if (queue->slot != NULL) {
        munmap(queue->slot, queue->info.slot_size);
        munmap((void *)queue->doorbell, 4096);
    }
    if (queue->fd >= 0)
        close(queue->fd);
    *queue = (Queue){.fd = -1};
}

void queue_submit(Queue *queue, uint16_t opcode, uint64_t handle, uint64_t milliseconds)
{
    const struct vgpu_command command = {
        .opcode = opcode, .flags = VGPU_COMMAND_ANSWER, .handle = handle, .arg[0] = milliseconds};

    if (vgpu_ring_room(&queue->commands, 1) < 1)
        tap_bail_out("no room for a command");
    vgpu_ring_put(&queue->commands, &command);
    if (vgpu_ring_publish(&queue->commands))
        *queue->doorbell = 1;
}

uint64_t queue_take(Queue *queue)
{
    struct vgpu_completion completion;
    uint32_t tail;

    while (vgpu_ring_available(&queue->completions) == 0) {
        if (read(queue->fd, &tail, sizeof(tail)) != sizeof(tail))
            return UINT64_MAX;
    }
    if (vgpu_ring_available(&queue->completions) < 0)
        return UINT64_MAX;
    vgpu_ring_take(&queue->completions, &completion);
    vgpu_ring_return(&queue->completions, queue->completions.next);
    return completion.status == VGPU_RESULT_OK ? completion.result : UINT64_MAX;
}

bool queue_works(Queue *queue)
{
    static uint64_t handle = 1;

    queue_submit(queue, VGPU_CMD_NOP, ++handle, 0);
    return queue_take(queue) == handle;
}

int child_start(int (*body)(void *data), void *data)
{
    fflush(NULL);
    int pid = fork();

    if (pid < 0)
        tap_bail_out("fork: %s", strerror(errno));
    if (pid == 0)
        _exit(body(data));
    return pid;
}

int child_end(int pid)
{
    int status;

    if (waitpid(pid, &status, 0) != pid)
        tap_bail_out("waitpid: %s", strerror(errno));
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int child_start_and_await(void (*body)(void *data), void *data)
{
    int ends[2];
    char byte;

    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) < 0)
        tap_bail_out("pipe2: %s", strerror(errno));
    int pid = fork();
    if (pid == 0) {
        body(data);
        close(ends[1]);
        close(ends[0]);
        for (;;)
            pause();
    }
    close(ends[1]);
    if (pid < 0 || read(ends[0], &byte, 1) != 0)
        tap_bail_out("a child did not come so far");
    close(ends[0]);
    return pid;
}

bool all_free(void)
{
    Queue queues[VGPU_QUEUE_MAX];
    unsigned got = 0;
    int error = 0;

    while (got < queue_count && (error = queue_open(&queues[got])) == 0)
        got++;
    bool work = true;
    for (unsigned i = 0; i < got; i++) {
        work = queue_works(&queues[i]) && work;
        queue_close(&queues[i]);
    }
    if (got < queue_count)
        tap_note("only %u of %u queues: %s", got, queue_count, strerror(error));
    return work && got == queue_count;
}

bool is_empty(const Queue *queue)
{
    for (uint64_t i = VGPU_QUEUE_ARENA; i < queue->info.slot_size; i++) {
        if (queue->slot[i] != 0)
            return false;
    }
    return true;
}

const char *attribute(const char *name)
{
    static char text[64];
    char path[96];

    snprintf(path, sizeof(path), "/sys/class/vgpu/%s/%s", strrchr(device_path, '/') + 1, name);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    if (file != NULL)
        fclose(file);
    text[strcspn(text, "\n")] = '\0';
    return text;
}
