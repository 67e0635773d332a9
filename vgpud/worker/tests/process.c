/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

gboolean process_sandboxed(void)
{
    return geteuid() == 0;
}

/* Where the worker finds what it shares: beyond what a test has open itself. */
#define SHARE_FD  400
#define QUEUE_FDS 401
#define LEASE_FDS 600

static const int *lent; /* by process_lend() */

void process_lend(const int fds[4])
{
    lent = fds;
}

void share_init(Share *share, guint queues)
{
    *share = (Share){.queues = queues, .fd = memfd_create("vgpu-shm", MFD_CLOEXEC)};
    assert_int_equal(ftruncate(share->fd, (off_t)(queues * PROCESS_SLOT)), 0);
    share->memory =
        mmap(NULL, queues * PROCESS_SLOT, PROT_READ | PROT_WRITE, MAP_SHARED, share->fd, 0);
    assert_true(share->memory != MAP_FAILED);
    for (guint i = 0; i < queues; i++) {
        share->doorbell[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        share->completion[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
}

void share_clear(Share *share)
{
    munmap(share->memory, share->queues * PROCESS_SLOT);
    close(share->fd);
    for (guint i = 0; i < share->queues; i++) {
        close(share->doorbell[i]);
        close(share->completion[i]);
    }
}

static void add_share(GPtrArray *words, const Share *share)
{
    g_ptr_array_add(words, g_strdup_printf("--queues=%u", share->queues));
    g_ptr_array_add(words,
                    g_strdup_printf("--shm-size=%" G_GUINT64_FORMAT, share->queues * PROCESS_SLOT));
    g_ptr_array_add(words, g_strdup_printf("--shm-fd=%d", SHARE_FD));
    g_ptr_array_add(words, g_strdup_printf("--queue-fds=%d", QUEUE_FDS));
}

static void inherit_share(const Share *share)
{
    dup2(share->fd, SHARE_FD);
    for (guint i = 0; i < share->queues; i++) {
        dup2(share->doorbell[i], QUEUE_FDS + 2 * (int)i);
        dup2(share->completion[i], QUEUE_FDS + 2 * (int)i + 1);
    }
}

static GPtrArray *command_line(int channel, int page, const Share *share,
                               const char *const *options)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(words, g_strdup(g_getenv("VGPU_WORKER")));
    g_ptr_array_add(words, g_strdup("--name=test-vm"));
    g_ptr_array_add(words, g_strdup("--vm-id=7"));
    g_ptr_array_add(words, g_strdup_printf("--channel-fd=%d", channel));
    g_ptr_array_add(words, g_strdup_printf("--page-fd=%d", page));
    if (process_sandboxed()) {
        g_ptr_array_add(words, g_strdup_printf("--uid=%d", PROCESS_UID));
        g_ptr_array_add(words, g_strdup_printf("--gid=%d", PROCESS_UID));
    } else {
        g_ptr_array_add(words, g_strdup("--no-sandbox"));
    }
    if (share != NULL)
        add_share(words, share);
    if (lent != NULL)
        g_ptr_array_add(words, g_strdup_printf("--lease-fd=%d", LEASE_FDS));
    if (lent != NULL && lent[3] >= 0)
        g_ptr_array_add(words, g_strdup_printf("--trace-fd=%d", LEASE_FDS + 3));
    for (; *options != NULL; options++)
        g_ptr_array_add(words, g_strdup(*options));
    g_ptr_array_add(words, NULL);
    return words;
}

static void start(Process *process, const Share *share, const char *const *options)
{
    const struct timeval patience = {.tv_sec = 60};
    int ends[2], page_fd;

    *process = (Process){.share = share};
    process->page = vgpu_page_create(&page_fd, NULL);
    assert_non_null(process->page);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    process->channel = ends[0];
    process->log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);

    g_autoptr(GPtrArray) words = command_line(ends[1], page_fd, share, options);
    process->pid = fork();
    if (process->pid == 0) {
        /* Without close-on-exec in the child only: these are what a worker inherits. */
        int channel = dup(ends[1]), page = dup(page_fd);

        dup2(channel, ends[1]);
        dup2(page, page_fd);
        dup2(process->log_fd, STDERR_FILENO);
        if (share != NULL)
            inherit_share(share);
        for (int i = 0; lent != NULL && i < 4 && lent[i] >= 0; i++)
            dup2(lent[i], LEASE_FDS + i);
        execv(words->pdata[0], (char **)words->pdata);
        _exit(127);
    }
    lent = NULL;
    close(ends[1]);
    close(page_fd);
}

void process_start(Process *process, const char *const *options)
{
    start(process, NULL, options);
}

void process_start_with_queues(Process *process, const Share *share, const char *const *options)
{
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    struct vgpu_channel_header header;

    start(process, share, options);
    ssize_t length = recv(process->channel, packet, sizeof(packet), 0);
    assert_true(length > 0 && vgpu_channel_decode(packet, (size_t)length, &header));
    assert_int_equal(header.type, VGPU_CHANNEL_READY);
}

static VgpuPageState wait_for_state(Process *process)
{
    Answer answer;

    /* The first answer comes when the device has been opened, or could not be. */
    assert_int_equal(process_call(process, VGPU_OP_NOP, 0, 0, 0, &answer), VGPU_ERROR_NONE);
    return atomic_load(&process->page->state);
}

VgpuPageState process_start_and_wait(Process *process, const char *const *options)
{
    process_start(process, options);
    return wait_for_state(process);
}

void process_send(Process *process, const void *bytes, gsize length)
{
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    const struct vgpu_channel_header header = {.type = VGPU_CHANNEL_REQUEST,
                                               .length = (guint32)length,
                                               .sequence = ++process->sequence,
                                               .request_id = 4711};

    assert_true(length <= VGPU_BUFFER_SIZE);
    vgpu_channel_encode(&header, packet);
    memcpy(packet + sizeof(header), bytes, length);
    assert_int_equal(send(process->channel, packet, sizeof(header) + length, MSG_NOSIGNAL),
                     sizeof(header) + length);
}

void process_send_request(Process *process, guint32 opcode, guint32 param_count, guint32 a,
                          guint32 b)
{
    const struct vgpu_request request = {
        .opcode = opcode, .param_count = param_count, .params = {a, b}};
    guint8 bytes[VGPU_BUFFER_SIZE];

    process_send(process, bytes, vgpu_request_encode(&request, bytes, sizeof(bytes)));
}

gboolean process_receive(Process *process, Answer *answer)
{
    ssize_t length;

    do {
        length = recv(process->channel, answer->bytes, sizeof(answer->bytes), MSG_TRUNC);
        if (length == 0)
            return FALSE;
        assert_true(length > 0);
        assert_true(vgpu_channel_decode(answer->bytes, (size_t)length, &answer->header));
    } while (answer->header.type == VGPU_CHANNEL_WAITS);
    assert_int_equal(answer->header.type, VGPU_CHANNEL_RESPONSE);
    assert_true(vgpu_response_decode(answer->bytes + sizeof(answer->header), answer->header.length,
                                     &answer->response));
    assert_int_equal(answer->response.status, answer->header.error);
    return TRUE;
}

enum vgpu_error process_call(Process *process, guint32 opcode, guint32 param_count, guint32 a,
                             guint32 b, Answer *answer)
{
    process_send_request(process, opcode, param_count, a, b);
    assert_true(process_receive(process, answer));
    assert_true(answer->header.sequence == process->sequence);
    return answer->header.error;
}

int process_end(Process *process)
{
    int status = -1;

    close(process->channel);
    assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
    return status;
}

char *process_log(const Process *process)
{
    off_t length = lseek(process->log_fd, 0, SEEK_END);
    char *text = g_malloc0((gsize)length + 1);

    assert_int_equal(pread(process->log_fd, text, (size_t)length, 0), length);
    return text;
}

void process_clear(Process *process)
{
    vgpu_page_unmap(process->page);
    close(process->log_fd);
}
