/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asynchronous calls in a program that has a poll() loop of its own: a read of 8 MiB comes in while
 * a timer runs. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <vgpu.h>

#define LENGTH (8u << 20)

/* Serves the timer until the ticket is done. */
static int loop(VgpuContext *gpu, VgpuTicket ticket, int timer, unsigned int *ticks)
{
    struct pollfd fds[] = {{.fd = vgpu_fd(gpu), .events = POLLIN}, {.fd = timer, .events = POLLIN}};

    for (;;) {
        uint64_t count;
        int code = vgpu_test(gpu, ticket); /* first look, then poll() */

        if (code != VGPU_E_AGAIN)
            return code;
        if (poll(fds, 2, -1) > 0 && fds[1].revents & POLLIN &&
            read(timer, &count, sizeof(count)) == sizeof(count))
            *ticks += (unsigned int)count;
    }
}

int main(void)
{
    const struct itimerspec every_ms = {{0, 1000000}, {0, 1000000}};
    const uint32_t pattern = 0x01020304;
    unsigned int ticks = 0;
    VgpuContext *gpu;
    VgpuBuffer buffer;
    VgpuTicket ticket = 0;

    uint32_t *words = calloc(1, LENGTH);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (words == NULL || timer < 0)
        return 1;
    timerfd_settime(timer, 0, &every_ms, NULL);

    int code = vgpu_open(&gpu, NULL);
    if (code == VGPU_OK)
        code = vgpu_buffer_create(gpu, LENGTH, &buffer);
    if (code == VGPU_OK)
        code = vgpu_buffer_fill(gpu, buffer, 0, LENGTH, &pattern, sizeof(pattern), NULL);
    if (code == VGPU_OK)
        code = vgpu_buffer_read_async(gpu, buffer, 0, words, LENGTH, NULL, &ticket);
    if (code == VGPU_OK)
        code = loop(gpu, ticket, timer, &ticks);
    if (code != VGPU_OK)
        fprintf(stderr, "%s\n", vgpu_last_error());
    vgpu_close(gpu);

    for (size_t i = 0; i < LENGTH / sizeof(*words) && code == VGPU_OK; i++)
        code = words[i] != pattern;
    if (code == VGPU_OK)
        printf("read %u MiB; the timer went on\n", LENGTH >> 20);
    free(words);
    close(timer);
    return code != VGPU_OK;
}
