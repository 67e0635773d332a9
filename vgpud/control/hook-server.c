/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-server.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook-socket.h"
#include "vgpu-hook.h"

/* Bytes read at once, so that one long XML does not keep the main loop from everybody else. */
#define READ_SIZE 65536

struct VgpuHookServer {
    VgpuHookHandler handler;
    gpointer user_data;
    guint timeout_ms;
    int lock_fd; /* the run directory, locked while we serve it */
    char *path;
    GSocket *socket;
    GSource *accepting;  /* NULL while there are enough clients; a timer after a failure */
    GHashTable *clients; /* set of Client, owned */
};

typedef struct {
    VgpuHookServer *server;
    GSocket *socket;
    GSource *readable;
    GSource *deadline;
    pid_t pid;         /* for the log */
    GByteArray *bytes; /* what has come so far: line and XML */
} Client;

static void update_accepting(VgpuHookServer *server);

static void destroy_source(GSource *source)
{
    if (source == NULL)
        return;
    g_source_destroy(source);
    g_source_unref(source);
}

static void client_free(gpointer data)
{
    Client *client = data;

    destroy_source(client->readable);
    destroy_source(client->deadline);
    g_socket_close(client->socket, NULL);
    g_object_unref(client->socket);
    g_byte_array_unref(client->bytes);
    g_free(client);
}

/* One line of valid UTF-8 that fits behind @prefix into a reply. */
static char *reply_line(const char *prefix, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autoptr(GString) line = g_string_new(prefix);

    for (const char *c = valid; *c != '\0'; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);
        if (line->len + (gsize)g_unichar_to_utf8(character, NULL) >= VGPU_HOOK_MAX_TEXT)
            break;
        g_string_append_unichar(line, g_unichar_isprint(character) ? character : ' ');
    }
    g_string_append_c(line, '\n');
    return g_string_free(g_steal_pointer(&line), FALSE);
}

/* Sends the only reply and forgets the client. A reply is far smaller than a socket's buffer, so
 * that one call that does not wait takes it whole. */
static void client_finish(Client *client, const char *reply)
{
    VgpuHookServer *server = client->server;
    g_autoptr(GError) error = NULL;

    if (g_socket_send(client->socket, reply, strlen(reply), NULL, &error) < 0)
        g_debug("hook socket: process %d did not wait for its answer: %s", (int)client->pid,
                error->message);
    g_hash_table_remove(server->clients, client);
    update_accepting(server);
}

/* Ends a client that does not keep to the protocol; @problem is for it and for the log. */
static void client_reject(Client *client, const char *problem)
{
    g_autofree char *reply = reply_line(VGPU_HOOK_REFUSE, problem);

    g_warning("hook socket: refused process %d: %s", (int)client->pid, problem);
    client_finish(client, reply);
}

static gboolean on_deadline(gpointer user_data)
{
    client_reject(user_data, "the request did not come to its end in time");
    return G_SOURCE_REMOVE;
}

static gboolean is_word(const char *text)
{
    return *text != '\0' && text[strspn(text, "abcdefghijklmnopqrstuvwxyz-")] == '\0';
}

/* The two words of the first line, which begins at @line and ends before @end; NULL when it is not
 * one of ours. */
static char **parse_line(const char *line, const char *end)
{
    if (!g_str_has_prefix(line, VGPU_HOOK_GREETING))
        return NULL;
    line += strlen(VGPU_HOOK_GREETING);

    g_autofree char *rest = g_strndup(line, (gsize)(end - line));
    g_auto(GStrv) words = g_strsplit(rest, " ", 3);
    if (strlen(rest) != (gsize)(end - line) || g_strv_length(words) != 2 || !is_word(words[0]) ||
        !is_word(words[1]))
        return NULL;
    return g_steal_pointer(&words);
}

/* Says what is wrong with the bytes so far, so that garbage is not read to its end; NULL when
 * nothing is. */
static const char *find_problem(const GByteArray *bytes)
{
    const char *start = (const char *)bytes->data;
    gsize line_max = MIN(bytes->len, VGPU_HOOK_MAX_LINE);
    gsize greeting = MIN(bytes->len, strlen(VGPU_HOOK_GREETING));
    const char *newline = memchr(start, '\n', line_max);

    if (memcmp(start, VGPU_HOOK_GREETING, greeting) != 0)
        return "this is not a request of vgpud's hook program, version 1";
    if (newline == NULL)
        return bytes->len < VGPU_HOOK_MAX_LINE ? NULL : "the first line is too long";
    if (bytes->len - (gsize)(newline + 1 - start) > VGPU_HOOK_MAX_XML)
        return "the domain XML is too long";
    return NULL;
}

/* The client has sent everything: asks the handler and answers. */
static void client_complete(Client *client)
{
    VgpuHookServer *server = client->server;

    g_byte_array_append(client->bytes, (const guint8 *)"", 1);
    const char *start = (const char *)client->bytes->data;
    const char *newline = memchr(start, '\n', client->bytes->len);
    g_auto(GStrv) words = newline == NULL ? NULL : parse_line(start, newline);
    if (words == NULL) {
        client_reject(client,
                      "the first line is not \"" VGPU_HOOK_GREETING "OPERATION SUB-OPERATION\"");
        return;
    }

    VgpuHookRequest request = {
        .operation = words[0],
        .sub_operation = words[1],
        .xml = newline + 1,
        .xml_length = client->bytes->len - 1 - (gsize)(newline + 1 - start),
    };
    if (strlen(request.xml) != request.xml_length) {
        client_reject(client, "there is a NUL byte in the domain XML");
        return;
    }

    g_autoptr(GError) error = NULL;
    g_autofree char *reply = server->handler(&request, &error, server->user_data)
                                 ? g_strdup(VGPU_HOOK_OK "\n")
                                 : reply_line(VGPU_HOOK_REFUSE, error->message);
    client_finish(client, reply);
}

static gboolean on_readable(GSocket *socket, GIOCondition condition G_GNUC_UNUSED,
                            gpointer user_data)
{
    Client *client = user_data;
    char buffer[READ_SIZE];
    g_autoptr(GError) error = NULL;

    gssize got = g_socket_receive(socket, buffer, sizeof(buffer), NULL, &error);
    if (got < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return G_SOURCE_CONTINUE;
    if (got < 0) {
        client_reject(client, error->message);
        return G_SOURCE_REMOVE;
    }
    if (got == 0) {
        client_complete(client);
        return G_SOURCE_REMOVE;
    }

    g_byte_array_append(client->bytes, (const guint8 *)buffer, (guint)got);
    const char *problem = find_problem(client->bytes);
    if (problem != NULL) {
        client_reject(client, problem);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void client_new(VgpuHookServer *server, GSocket *socket, pid_t pid)
{
    Client *client = g_new0(Client, 1);

    client->server = server;
    client->socket = g_object_ref(socket);
    client->pid = pid;
    client->bytes = g_byte_array_new();

    client->readable = g_socket_create_source(socket, G_IO_IN, NULL);
    g_source_set_callback(client->readable, G_SOURCE_FUNC(on_readable), client, NULL);
    g_source_attach(client->readable, NULL);

    client->deadline = g_timeout_source_new(server->timeout_ms);
    g_source_set_callback(client->deadline, on_deadline, client, NULL);
    g_source_attach(client->deadline, NULL);

    g_hash_table_add(server->clients, client);
}

static gboolean on_pause_over(gpointer user_data)
{
    VgpuHookServer *server = user_data;

    destroy_source(g_steal_pointer(&server->accepting));
    update_accepting(server);
    return G_SOURCE_REMOVE;
}

/* Without descriptors or memory the next try would fail as well: not at once, then. */
static void pause_accepting(VgpuHookServer *server)
{
    destroy_source(server->accepting);
    server->accepting = g_timeout_source_new_seconds(1);
    g_source_set_callback(server->accepting, on_pause_over, server, NULL);
    g_source_attach(server->accepting, NULL);
}

static gboolean on_connection(GSocket *listening, GIOCondition condition G_GNUC_UNUSED,
                              gpointer user_data)
{
    VgpuHookServer *server = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocket) socket = g_socket_accept(listening, NULL, &error);

    if (socket == NULL) {
        if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
            g_warning("hook socket: cannot accept: %s", error->message);
            pause_accepting(server);
        }
        return G_SOURCE_CONTINUE;
    }
    g_socket_set_blocking(socket, FALSE);

    struct ucred peer;
    socklen_t length = sizeof(peer);
    if (getsockopt(g_socket_get_fd(socket), SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ||
        (peer.uid != 0 && peer.uid != geteuid())) {
        g_warning("hook socket: closed a connection of process %d, user %u: only root may ask",
                  (int)peer.pid, (unsigned)peer.uid);
        return G_SOURCE_CONTINUE;
    }
    client_new(server, socket, peer.pid);
    update_accepting(server);
    return G_SOURCE_CONTINUE;
}

/* Listens exactly while there is room for one more client. */
static void update_accepting(VgpuHookServer *server)
{
    gboolean room = g_hash_table_size(server->clients) < VGPU_HOOK_SERVER_MAX_CLIENTS;

    if (!room) {
        destroy_source(g_steal_pointer(&server->accepting));
    } else if (server->accepting == NULL) {
        server->accepting = g_socket_create_source(server->socket, G_IO_IN, NULL);
        g_source_set_callback(server->accepting, G_SOURCE_FUNC(on_connection), server, NULL);
        g_source_attach(server->accepting, NULL);
    }
}

VgpuHookServer *vgpu_hook_server_new(const char *run_dir, guint timeout_ms, VgpuHookHandler handler,
                                     gpointer user_data, GError **error)
{
    g_autofree char *path = g_build_filename(run_dir, VGPU_HOOK_SOCKET, NULL);
    int lock_fd = vgpu_hook_socket_lock(run_dir, error);
    if (lock_fd < 0)
        return NULL;

    GSocket *socket = vgpu_hook_socket_listen(path, error);
    if (socket == NULL) {
        close(lock_fd);
        return NULL;
    }

    VgpuHookServer *server = g_new0(VgpuHookServer, 1);
    server->handler = handler;
    server->user_data = user_data;
    server->timeout_ms = timeout_ms;
    server->lock_fd = lock_fd;
    server->path = g_steal_pointer(&path);
    server->socket = socket;
    server->clients = g_hash_table_new_full(NULL, NULL, client_free, NULL);
    update_accepting(server);
    return server;
}

void vgpu_hook_server_free(VgpuHookServer *server)
{
    if (server == NULL)
        return;
    destroy_source(server->accepting);
    g_hash_table_unref(server->clients);
    g_socket_close(server->socket, NULL);
    g_object_unref(server->socket);
    g_unlink(server->path);
    close(server->lock_fd);
    g_free(server->path);
    g_free(server);
}
