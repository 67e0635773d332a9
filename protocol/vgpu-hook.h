/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the libvirt hook program asks vgpud, over a UNIX stream socket that only root can open.
 *
 *   hook:  "vgpu-hook 1 OPERATION SUB-OPERATION\n", then the domain XML as libvirt gave it, then
 *          shutdown(SHUT_WR)
 *   vgpud: "ok\n", or "refuse TEXT\n" with one line of UTF-8 for the administrator; then it closes
 *
 * OPERATION and SUB-OPERATION are libvirt's words (prepare begin, started begin, release end, ...).
 */
#ifndef VGPU_HOOK_H
#define VGPU_HOOK_H

#define VGPU_HOOK_SOCKET   "hook.sock" /* in vgpud's run directory, /run/vgpud by default */
#define VGPU_HOOK_GREETING "vgpu-hook 1 "
#define VGPU_HOOK_OK       "ok"
#define VGPU_HOOK_REFUSE   "refuse "

#define VGPU_HOOK_MAX_LINE 256 /* bytes of the first line, newline included */
#define VGPU_HOOK_MAX_XML                                                                          \
    (16u << 20)                 /* bytes: libvirt's own limit on a string in its RPC is 4 MiB;     \
                                   this leaves room and bounds memory */
#define VGPU_HOOK_MAX_TEXT 1024 /* bytes of vgpud's reply, newline included */

#endif
