/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both buffers, byte by byte, with every size of access. */
#include <string.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

enum { REQUEST = 0x040, RESPONSE = 0x440, SIZE = 1024 };

static const unsigned sizes[] = {1, 2, 4, 8};

static uint8_t pattern(unsigned index, unsigned round)
{
    return (uint8_t)(index * 7 + (index >> 8) * 3 + round * 101 + 1);
}

/* How many of the buffer's bytes are not those of @expected, read @size bytes at a time. */
static unsigned differences(unsigned buffer, const uint8_t *expected, unsigned size)
{
    unsigned bad = 0;

    for (unsigned at = 0; at < SIZE; at += size) {
        uint64_t value = device_read(buffer + at, size);
        for (unsigned i = 0; i < size; i++)
            bad += (uint8_t)(value >> 8 * i) != expected[at + i];
    }
    return bad;
}

static void fill(unsigned buffer, const uint8_t *bytes, unsigned size)
{
    for (unsigned at = 0; at < SIZE; at += size) {
        uint64_t value = 0;
        for (unsigned i = 0; i < size; i++)
            value |= (uint64_t)bytes[at + i] << 8 * i;
        device_write(buffer + at, size, value);
    }
}

static void test_request_buffer(void)
{
    uint8_t bytes[SIZE];

    for (unsigned w = 0; w < 4; w++) {
        for (unsigned i = 0; i < SIZE; i++)
            bytes[i] = pattern(i, w);
        fill(REQUEST, bytes, sizes[w]);
        for (unsigned r = 0; r < 4; r++)
            tap(differences(REQUEST, bytes, sizes[r]) == 0,
                "request buffer: written by %u, read by %u", sizes[w], sizes[r]);
    }

    /* Each byte on its own: its neighbours stay. */
    unsigned bad = 0;
    for (unsigned at = 0; at < SIZE; at++) {
        bytes[at] ^= 0xff;
        device_write(REQUEST + at, 1, bytes[at]);
        unsigned word = at & ~7u;
        uint64_t value = device_read(REQUEST + word, 8);
        bad += memcmp(&value, bytes + word, 8) != 0; /* the guest is little-endian, as the wire */
    }
    tap(bad == 0, "request buffer: one byte changes, its neighbours stay");
    device_set(0x03c, 0x5ca7c4ed);
    tap(differences(REQUEST, bytes, 4) == 0 && device_get(0x03c) == 0x5ca7c4ed,
        "SCRATCH and the request buffer do not overlap");
}

static void test_response_buffer(void)
{
    uint8_t before[SIZE];
    char why[160] = "";

    tap(device_add_works(1000, 337, why), "an answer in the response buffer %s", why);
    for (unsigned at = 0; at < SIZE; at++)
        before[at] = (uint8_t)device_read(RESPONSE + at, 1);
    for (unsigned r = 1; r < 4; r++)
        tap(differences(RESPONSE, before, sizes[r]) == 0, "response buffer: read by %u", sizes[r]);

    uint8_t ones[SIZE];
    memset(ones, 0xff, sizeof(ones));
    for (unsigned w = 0; w < 4; w++) {
        fill(RESPONSE, ones, sizes[w]);
        tap(differences(RESPONSE, before, 4) == 0, "response buffer ignores writes of %u",
            sizes[w]);
    }
    /* With protocol 2 there is its version. */
    tap((device_get(0x024) & 0x10) != 0 || device_get(0x840) == 0,
        "0x840, right behind it, is no part of it");
}

void test_buffers(void)
{
    test_request_buffer();
    test_response_buffer();
}
