/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hook socket: where the libvirt hook program asks whether a domain may start.
 *
 * protocol/vgpu-hook.h describes the bytes. Everything happens on the main loop; a request costs no
 * thread, and a client that is slow, too long or talks nonsense costs nobody else anything. libvirt
 * waits for the answer while it holds the domain, so the handler must neither call libvirt nor wait
 * for somebody who does.
 */
#pragma once

#include <gio/gio.h>

/* How long a client may take from connecting to the last byte of its XML. A hook program on the
 * same host needs milliseconds; this only ends those that hang. */
#define VGPU_HOOK_SERVER_TIMEOUT_MS 10000u

/* Connections read at the same time; later ones wait in the socket's backlog. Bounds memory, and is
 * far above the number of domains that libvirt starts at once. */
#define VGPU_HOOK_SERVER_MAX_CLIENTS 64u

/* What a hook program asked. All borrowed for the time of the call; only framing was checked. */
typedef struct {
    const char *operation;     /* libvirt's word, [a-z-]+: "prepare", "started", "release", ... */
    const char *sub_operation; /* likewise: "begin", "end", ... */
    const char *xml;           /* as libvirt gave it: hostile until parsed; ends with a NUL */
    gsize xml_length;          /* bytes, without that NUL; no other is in them */
} VgpuHookRequest;

/*
 * Returns TRUE to let libvirt go on, FALSE with @error set to refuse. The message reaches the
 * administrator as one line; for an operation that must not fail (release, ...) the hook program
 * ignores it.
 */
typedef gboolean (*VgpuHookHandler)(const VgpuHookRequest *request, GError **error,
                                    gpointer user_data);

typedef struct VgpuHookServer VgpuHookServer;

/*
 * vgpu_hook_server_new:
 * Listens on @run_dir/hook.sock, mode 0600, on the default main context; @run_dir must
 * exist. Only root, and the user vgpud runs as, is listened to. @timeout_ms is how long a client
 * may take; VGPU_HOOK_SERVER_TIMEOUT_MS outside tests.
 *
 * As long as the server lives it holds a lock on @run_dir. So a socket that a dead vgpud left is
 * replaced, and a second vgpud on the same @run_dir fails here, before it has touched anything:
 * G_IO_ERROR_ADDRESS_IN_USE. Returns NULL with @error set on failure.
 */
VgpuHookServer *vgpu_hook_server_new(const char *run_dir, guint timeout_ms, VgpuHookHandler handler,
                                     gpointer user_data, GError **error);

/* Closes all connections unanswered and removes the socket. Not from within the handler. */
void vgpu_hook_server_free(VgpuHookServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuHookServer, vgpu_hook_server_free)
