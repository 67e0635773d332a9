/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of protocol 1.0 as a stranger would write it: from the contract's text alone, with its
 * numbers as they stand there. Nothing of the project is included, so that a mistake which device,
 * worker and client library share is still seen.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a request came to: STATUS when it was no longer BUSY, and ERROR_CODE. */
struct outcome {
    uint32_t status; /* 1: it stayed BUSY for as long as a guest may be asked to wait */
    uint32_t code;   /* 0 unless STATUS is ERROR */
};

/* Finds 1af4:1111 and maps its BAR0. NULL, or what went wrong. */
const char *device_open(void);

/* The number in a file of the device's folder in sysfs ("vendor"); all ones when there is none. */
uint64_t device_attribute(const char *name);

/* Bytes of BAR0. */
uint64_t device_bar_size(void);

/* One access of 1, 2, 4 or 8 bytes at an aligned offset. */
uint64_t device_read(unsigned offset, unsigned size);
void device_write(unsigned offset, unsigned size, uint64_t value);

uint32_t device_get(unsigned offset);
void device_set(unsigned offset, uint32_t value);

/* Puts words into the request buffer, from its start. */
void device_put_words(const uint32_t *words, unsigned count);

/* REQUEST_LEN, doorbell, and the end of it. */
struct outcome device_submit(uint32_t length);

/* The end of what has been submitted. */
struct outcome device_await(void);

/* Vector add, checked from head to tail. False with the reason in @why. */
bool device_add_works(uint32_t a, uint32_t b, char why[160]);
