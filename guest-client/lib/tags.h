/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A command's tag: an answer's index with its turn, or what a command without answer was. */
#ifndef TAGS_H
#define TAGS_H

#define TAG_UNANSWERED 0x80000000u
#define TAG_OPCODE     0x0000ffffu

#endif
