/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Good requests, and what the registers say about them. */
#include <time.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

static uint64_t timestamp(void)
{
    return device_get(0x034) | (uint64_t)device_get(0x038) << 32;
}

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Header only. */
static struct outcome simple(uint32_t opcode)
{
    const uint32_t request[] = {0x00010000, opcode, 0, 0, 0, 0, 0, 0};

    device_put_words(request, 8);
    return device_submit(32);
}

/* A response's words and data lie inside of it. */
static bool response_fits(void)
{
    uint64_t length = device_get(0x01c), words = device_get(0x440 + 8);
    uint64_t offset = device_get(0x440 + 12), data = device_get(0x440 + 16);

    return length >= 32 && length <= 1024 && device_get(0x440) == 0x00010000 &&
           device_get(0x440 + 4) == 0 && 32 + 4 * words <= length &&
           (data == 0 || offset + data <= length) && device_get(0x440 + 24) == 0 &&
           device_get(0x440 + 28) == 0;
}

static void test_operations(void)
{
    char why[160] = "";
    unsigned bad = 0;
    uint32_t a = 1, b = 2;

    tap(simple(0x0000).status == 2 && response_fits(), "NOP");
    tap(simple(0x0005).status == 2 && response_fits(), "device information");

    for (unsigned i = 0; i < 500; i++) {
        bad += !device_add_works(a, b, why);
        a = (a * 1103515245 + 12345) & 0x7fffffff;
        b = (b * 22695477 + 1) & 0x7fffffff;
    }
    tap(bad == 0, "500 vector adds %s", why);

    /* Parameters that stay while the request is of another kind are nobody's. */
    tap(simple(0x0000).status == 2 && device_get(0x440 + 8) == 0, "NOP has no result");
}

static void test_request_id(void)
{
    char why[160] = "";

    device_set(0x030, 0xdeadbeef);
    tap(device_add_works(3, 4, why) && device_get(0x030) == 0xdeadbeef,
        "REQUEST_ID stays over a request %s", why);
    device_set(0x03c, 0x0badcafe);
    tap(device_add_works(5, 6, why) && device_get(0x03c) == 0x0badcafe,
        "SCRATCH stays over a request %s", why);
    tap(device_get(0x018) == 40, "REQUEST_LEN stays over a request");
}

static void test_timestamps(void)
{
    const struct timespec pause = {.tv_nsec = 200000000};
    unsigned bad = 0;
    uint64_t last = timestamp();

    for (unsigned i = 0; i < 100; i++) {
        simple(0x0000);
        uint64_t time = timestamp();
        bad += time < last;
        last = time;
    }
    tap(bad == 0, "timestamps never go back");
    tap(timestamp() == last, "the timestamp stays until the next request");

    uint64_t begin = now_us();
    nanosleep(&pause, NULL);
    simple(0x0000);
    uint64_t passed = timestamp() - last, measured = now_us() - begin;
    /* The VM's clock and the guest's need not tick alike: milliseconds or nanoseconds show. */
    tap(passed >= measured / 4 && passed <= 4 * measured + 1000000,
        "timestamps are microseconds: %llu beside %llu", (unsigned long long)passed,
        (unsigned long long)measured);
}

static void test_interrupt_status(void)
{
    device_set(0x02c, 1);
    device_set(0x028, 1);
    simple(0x0000);
    tap((device_get(0x02c) & 1) == 1, "a completion is pending");
    device_set(0x02c, 0);
    tap((device_get(0x02c) & 1) == 1, "writing 0 leaves it pending");
    device_set(0x02c, 1);
    tap((device_get(0x02c) & 1) == 0, "writing 1 clears it");
    tap(device_get(0x004) == 2, "and leaves STATUS");
    device_set(0x018, 0);
    device_set(0x000, 1);
    device_await();
    tap((device_get(0x02c) & 1) == 1, "an error is a completion, too");
    device_set(0x02c, 1);
    device_set(0x028, 0);
}

/* What becomes of the second doorbell is the device's affair; that both end is not. */
static void test_doorbell_while_busy(void)
{
    unsigned stuck = 0, busy = 0, bad = 0;
    char why[160] = "";

    for (unsigned i = 0; i < 200; i++) {
        const uint32_t request[] = {0x00010000, 0x0001, 0, 2, 0, 0, 0, 0, i, 2 * i};
        device_put_words(request, 10);
        device_set(0x018, 40);
        device_set(0x000, 1);
        busy += device_get(0x004) == 1;
        device_set(0x000, 1);
        device_set(0x018, i % 3 == 0 ? 2000 : 32);
        device_set(0x000, 1);
        stuck += device_await().status == 1;
        bad += !device_add_works(i, 7, why);
    }
    tap(stuck == 0, "a doorbell while BUSY: BUSY ends, 200 times (%u were BUSY)", busy);
    tap(bad == 0, "and the next request is served %s", why);
}

void test_requests(void)
{
    test_operations();
    test_request_id();
    test_timestamps();
    test_interrupt_status();
    test_doorbell_while_busy();
}
