/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The groups of tests; each reports by tap(). */
#pragma once

#include <stdint.h>

/* @pool, @priority, @vm_id: what the registers must show; NULL: not known. */
void test_registers(const char *pool, const char *priority, const char *vm_id);
void test_buffers(void);
void test_requests(void);

/* @count random requests from @seed, each followed by a good one. */
void test_malformed(uint32_t seed, unsigned count);
