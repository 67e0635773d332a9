/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The 16 registers by name. */
#ifndef REGISTERS_H
#define REGISTERS_H

#include <stddef.h>
#include <stdint.h>

#define REGISTER_COUNT 16

enum register_access { REGISTER_RO, REGISTER_RW, REGISTER_RW1C };

struct register_entry {
    const char *name;
    uint32_t offset;
    enum register_access access;
};

extern const struct register_entry registers[REGISTER_COUNT];

/* Writes into @text what @value means in the register at @offset; "" if it is just a number. */
void register_meaning(uint32_t offset, uint32_t value, char *text, size_t size);

#endif
