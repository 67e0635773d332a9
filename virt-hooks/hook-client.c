/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <glib/gstdio.h>

#include "vgpu-hook.h"

char *hook_client_one_line(const char *text, gssize length)
{
    g_autofree char *valid = g_utf8_make_valid(text, length);
    GString *line = g_string_new(NULL);

    for (const char *c = g_strstrip(valid); *c != '\0'; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);
        g_string_append_unichar(line, g_unichar_isprint(character) ? character : ' ');
    }
    return g_string_free(line, FALSE);
}

/* Milliseconds until @deadline, a monotonic time in microseconds; 0 when it has passed. */
static int remaining_ms(gint64 deadline)
{
    gint64 left = deadline - g_get_monotonic_time();

    return left <= 0 ? 0 : (int)((left + 999) / 1000);
}

/* Waits until @fd is ready for @events. FALSE with errno ETIMEDOUT when @deadline comes first. */
static gboolean wait_for(int fd, short events, gint64 deadline)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    for (;;) {
        int left = remaining_ms(deadline);
        int ready = left > 0 ? poll(&poll_fd, 1, left) : 0;

        if (ready > 0)
            return TRUE;
        if (ready == 0 || errno != EINTR) {
            errno = ready == 0 ? ETIMEDOUT : errno;
            return FALSE;
        }
    }
}

/* Returns a non-blocking socket, or -1 with errno. */
static int connect_to(const char *path, gint64 deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }

    /* Blocking, with a limit: poll cannot tell when a full queue of a UNIX socket has room. */
    int left = MAX(remaining_ms(deadline), 1);
    struct timeval limit = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
        return fd;
    int problem = errno == EAGAIN ? ETIMEDOUT : errno;
    g_close(fd, NULL);
    errno = problem;
    return -1;
}

/* FALSE with errno. vgpud may answer and close before it has read all: then that is TRUE. */
static gboolean send_all(int fd, const char *bytes, gsize length, gint64 deadline)
{
    while (length > 0) {
        if (!wait_for(fd, POLLOUT, deadline))
            return FALSE;
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes += sent;
            length -= (gsize)sent;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return TRUE;
        } else if (errno != EAGAIN && errno != EINTR) {
            return FALSE;
        }
    }
    return TRUE;
}

/* Reads up to the first newline, which is dropped; @reply ends with NUL. FALSE with errno. */
static gboolean receive_line(int fd, char reply[VGPU_HOOK_MAX_TEXT], gint64 deadline)
{
    gsize length = 0;

    while (length < VGPU_HOOK_MAX_TEXT) {
        if (!wait_for(fd, POLLIN, deadline))
            return FALSE;
        ssize_t count = recv(fd, reply + length, VGPU_HOOK_MAX_TEXT - length, 0);
        if (count == 0 || (count < 0 && errno == ECONNRESET)) {
            errno = ECONNRESET;
            return FALSE;
        }
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            return FALSE;
        length += count > 0 ? (gsize)count : 0;
        char *newline = memchr(reply, '\n', length);
        if (newline != NULL) {
            *newline = '\0';
            return TRUE;
        }
    }
    errno = EMSGSIZE;
    return FALSE;
}

/* FALSE with errno. */
static gboolean exchange(const char *socket_path, const char *head, const char *xml, gsize length,
                         gint64 deadline, char reply[VGPU_HOOK_MAX_TEXT])
{
    int fd = connect_to(socket_path, deadline);
    if (fd < 0)
        return FALSE;

    gboolean done =
        send_all(fd, head, strlen(head), deadline) && send_all(fd, xml, length, deadline);
    if (done) {
        shutdown(fd, SHUT_WR);
        done = receive_line(fd, reply, deadline);
    }
    int problem = errno;
    g_close(fd, NULL);
    errno = problem;
    return done;
}

/* What an errno of exchange() means to the administrator. */
static char *explain(const char *socket_path, int problem, guint timeout_ms)
{
    switch (problem) {
    case ENOENT:
    case ECONNREFUSED:
        return g_strdup_printf("vgpud is not running (no one listens at %s)", socket_path);
    case ETIMEDOUT:
        return g_strdup_printf("vgpud has not answered within %g s at %s", timeout_ms / 1000.0,
                               socket_path);
    case ECONNRESET:
        return g_strdup_printf("vgpud has closed %s without an answer", socket_path);
    default:
        return g_strdup_printf("cannot ask vgpud at %s: %s", socket_path, g_strerror(problem));
    }
}

enum hook_answer hook_client_ask(const char *socket_path, const char *operation,
                                 const char *sub_operation, const char *xml, gsize length,
                                 guint timeout_ms, char **text)
{
    gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    g_autofree char *head = g_strdup_printf(VGPU_HOOK_GREETING "%s %s\n", operation, sub_operation);
    char reply[VGPU_HOOK_MAX_TEXT];

    *text = NULL;
    if (strlen(head) > VGPU_HOOK_MAX_LINE) {
        *text = g_strdup("the words of libvirt's call are too long");
        return HOOK_ANSWER_NO_REPLY;
    }
    if (!exchange(socket_path, head, xml, length, deadline, reply)) {
        *text = explain(socket_path, errno, timeout_ms);
        return HOOK_ANSWER_NO_REPLY;
    }
    if (strcmp(reply, VGPU_HOOK_OK) == 0)
        return HOOK_ANSWER_OK;
    if (g_str_has_prefix(reply, VGPU_HOOK_REFUSE)) {
        *text = hook_client_one_line(reply + strlen(VGPU_HOOK_REFUSE), -1);
        return HOOK_ANSWER_REFUSED;
    }
    *text = g_strdup_printf("vgpud's answer at %s is not understood: does a vgpud of another "
                            "version run?",
                            socket_path);
    return HOOK_ANSWER_NO_REPLY;
}
