/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One question to vgpud over its hook socket, protocol/vgpu-hook.h, within a bounded time. */
#ifndef HOOK_CLIENT_H
#define HOOK_CLIENT_H

#include <glib.h>

enum hook_answer {
    HOOK_ANSWER_OK,
    HOOK_ANSWER_REFUSED,  /* text: why, as vgpud says */
    HOOK_ANSWER_NO_REPLY, /* text: what is wrong with vgpud */
};

/*
 * Asks with libvirt's words @operation and @sub_operation and @length bytes of domain XML, and
 * waits at most @timeout_ms milliseconds for all of it. @text becomes one line of printable UTF-8,
 * owned by the caller, or NULL for HOOK_ANSWER_OK.
 */
enum hook_answer hook_client_ask(const char *socket_path, const char *operation,
                                 const char *sub_operation, const char *xml, gsize length,
                                 guint timeout_ms, char **text);

/* @text as one line of printable UTF-8. Owned by the caller. */
char *hook_client_one_line(const char *text, gssize length);

#endif
