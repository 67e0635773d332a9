/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Made by scripts/protocol-hash --update from the text of the protocol's headers. */
#ifndef VGPU_HASH_H
#define VGPU_HASH_H

/* The device says it in HELLO; vgpud refuses one that was built with another protocol. */
#define VGPU_PROTOCOL_HASH 0xf6dbc99d7f0ffa1eull

#endif
