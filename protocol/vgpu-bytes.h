/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Little-endian words at any address. By shifts: right on any byte order and alignment, and
 * compilers turn them into one load or store.
 */
#ifndef VGPU_BYTES_H
#define VGPU_BYTES_H

#include <stdint.h>

static inline uint32_t vgpu_get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t vgpu_get64(const uint8_t *p)
{
    return (uint64_t)vgpu_get32(p) | (uint64_t)vgpu_get32(p + 4) << 32;
}

static inline void vgpu_put32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
    p[3] = (uint8_t)(value >> 24);
}

static inline void vgpu_put64(uint8_t *p, uint64_t value)
{
    vgpu_put32(p, (uint32_t)value);
    vgpu_put32(p + 4, (uint32_t)(value >> 32));
}

#endif
