/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests that are wrong, one kind after the other and then at random. The oracle knows the text
 * and nothing else: where the text leaves it open, more than one answer is right.
 */
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

/* Words of a request's header. */
enum { VERSION, OPCODE, FLAGS, PARAMS, DATA_OFFSET, DATA_LENGTH, RESERVED0, RESERVED1, HEADER };

/* Sets of answers: bit N is error code N, bit 0 DONE. */
#define ANSWER(code) (1u << (code))

struct request {
    uint32_t length; /* what REQUEST_LEN says */
    uint32_t words[256];
};

static struct request good(uint32_t opcode)
{
    struct request request = {.length = 32, .words = {[VERSION] = 0x00010000, [OPCODE] = opcode}};

    if (opcode == 0x0001) {
        request.length = 40;
        request.words[PARAMS] = 2;
        request.words[HEADER] = 30;
        request.words[HEADER + 1] = 12;
    }
    return request;
}

static bool is_broken(const struct request *request)
{
    const uint32_t *w = request->words;
    uint64_t data_end = (uint64_t)w[DATA_OFFSET] + w[DATA_LENGTH];

    return request->length < 32 || w[VERSION] != 0x00010000 || w[FLAGS] != 0 || w[RESERVED0] != 0 ||
           w[RESERVED1] != 0 || 32 + 4 * (uint64_t)w[PARAMS] > request->length ||
           (w[DATA_LENGTH] != 0 && data_end > request->length) ||
           (w[OPCODE] == 0x0001 && w[PARAMS] != 2);
}

/*
 * The text says nothing of an offset without data, of data that lies over header or parameters, of
 * data and parameters that an operation has no use for, and of bytes behind the end.
 */
static bool is_open(const struct request *request)
{
    const uint32_t *w = request->words;

    return w[DATA_OFFSET] != 0 || w[DATA_LENGTH] != 0 || (w[OPCODE] != 0x0001 && w[PARAMS] != 0) ||
           request->length != 32 + 4 * w[PARAMS];
}

static uint32_t oracle(const struct request *request)
{
    const uint32_t opcode = request->words[OPCODE];
    const bool known = opcode == 0x0000 || opcode == 0x0001 || opcode == 0x0005;

    if (request->length == 0)
        return ANSWER(0x09);
    if (request->length > 1024)
        return ANSWER(0x02);
    if (request->length < 32)
        return ANSWER(0x01); /* whatever the bytes behind its end are */
    if (is_broken(request))
        return known ? ANSWER(0x01) : ANSWER(0x01) | ANSWER(0x08);
    return (known ? ANSWER(0x00) : ANSWER(0x08)) | (is_open(request) ? ANSWER(0x01) : 0);
}

static bool is_allowed(struct outcome outcome, uint32_t answers)
{
    if (outcome.status == 2)
        return answers & ANSWER(0x00);
    return outcome.status == 3 && outcome.code > 0 && outcome.code < 32 &&
           answers & ANSWER(outcome.code);
}

/* Submits it, and a good one behind it. False with the reason in @why. */
static bool stands(const struct request *request, uint32_t answers, char why[160])
{
    device_put_words(request->words, 256);
    struct outcome outcome = device_submit(request->length);
    if (!is_allowed(outcome, answers)) {
        snprintf(why, 160, "STATUS %u, ERROR_CODE 0x%02x; right were the codes 0x%x (bits)",
                 outcome.status, outcome.code, answers);
        return false;
    }
    /* The response's own word for it, where there is a response. */
    if (device_get(0x01c) >= 32 && device_get(0x440 + 4) != outcome.code) {
        snprintf(why, 160, "ERROR_CODE 0x%02x, but the response's status is 0x%02x", outcome.code,
                 device_get(0x440 + 4));
        return false;
    }
    return device_add_works(request->length & 0xffff, 4711, why);
}

static void test_lengths(void)
{
    static const uint32_t too_large[] = {1025,       1026,       2048,       4096,      65536,
                                         0x00010020, 0x7fffffff, 0x80000020, 0xffffffff};
    struct request request = good(0x0000);
    unsigned bad = 0;
    char why[160] = "";

    request.length = 0;
    tap(stands(&request, ANSWER(0x09), why), "length 0 is 0x09 %s", why);
    for (request.length = 1; request.length < 32; request.length++)
        bad += !stands(&request, ANSWER(0x01), why);
    tap(bad == 0, "lengths 1 to 31 hold no header: 0x01 %s", why);
    bad = 0;
    for (unsigned i = 0; i < sizeof(too_large) / sizeof(too_large[0]); i++) {
        request.length = too_large[i];
        bad += !stands(&request, ANSWER(0x02), why);
    }
    tap(bad == 0, "lengths over 1024 are 0x02 %s", why);
}

/* What one word of the header makes of a good request. */
static void test_words(void)
{
    static const struct {
        uint32_t opcode, word, value, code;
        const char *name;
    } cases[] = {
        {0, VERSION, 0, 0x01, "version 0"},
        {0, VERSION, 0x00020000, 0x01, "version 2.0"},
        {0, VERSION, 0x00000001, 0x01, "version with its halves swapped"},
        {0, VERSION, 0x00000100, 0x01, "version in the other byte order"},
        {1, VERSION, 0xffffffff, 0x01, "version of all ones"},
        {0, FLAGS, 1, 0x01, "a flag"},
        {1, FLAGS, 0x80000000, 0x01, "the highest flag"},
        {0, RESERVED0, 1, 0x01, "reserved[0]"},
        {1, RESERVED1, 0xffffffff, 0x01, "reserved[1]"},
        {1, PARAMS, 3, 0x01, "a parameter more than the request has"},
        {0, PARAMS, 1, 0x01, "a parameter that NOP's 32 bytes do not hold"},
        {5, PARAMS, 249, 0x01, "parameters for more than the buffer"},
        {1, PARAMS, 0x40000000, 0x01, "parameters whose bytes overflow to 0"},
        {1, PARAMS, 0x40000002, 0x01, "parameters whose bytes overflow to 8"},
        {0, PARAMS, 0x80000000, 0x01, "parameters whose bytes overflow twice"},
        {0, PARAMS, 0xffffffff, 0x01, "parameters of all ones"},
        {1, PARAMS, 0, 0x01, "vector add without parameters"},
        {1, PARAMS, 1, 0x01, "vector add with one parameter"},
        {0, DATA_LENGTH, 33, 0x01, "data longer than the request"},
        {0, DATA_LENGTH, 0xffffffff, 0x01, "data of all ones"},
        {0, OPCODE, 0x0002, 0x08, "the opcode kept for memory allocation"},
        {0, OPCODE, 0x0003, 0x08, "the opcode kept for memory free"},
        {0, OPCODE, 0x0004, 0x08, "the opcode kept for memory copy"},
        {0, OPCODE, 0x0006, 0x08, "opcode 6"},
        {0, OPCODE, 0x00010000, 0x08, "an opcode that is NOP in its lower half"},
        {1, OPCODE, 0x01000001, 0x08, "an opcode that is vector add in its lower half"},
        {0, OPCODE, 0x80000000, 0x08, "the opcode with the highest bit"},
        {0, OPCODE, 0xffffffff, 0x08, "an opcode of all ones"},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct request request = good(cases[i].opcode);
        char why[160] = "";
        request.words[cases[i].word] = cases[i].value;
        tap(stands(&request, ANSWER(cases[i].code), why), "%s: 0x%02x %s", cases[i].name,
            cases[i].code, why);
    }
}

static void test_data(void)
{
    static const struct {
        uint32_t offset, length;
        const char *name;
    } cases[] = {
        {32, 1, "data at the request's end"},
        {0xffffffff, 1, "data whose end overflows to 0"},
        {0xffffffe0, 0x40, "data whose end overflows to 32"},
        {0x80000000, 0x80000000, "data whose halves overflow to 0"},
        {32, 0xffffffff, "data whose end overflows to before its beginning"},
        {1024, 4, "data behind the buffer"},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct request request = good(0x0000);
        char why[160] = "";
        request.words[DATA_OFFSET] = cases[i].offset;
        request.words[DATA_LENGTH] = cases[i].length;
        tap(stands(&request, ANSWER(0x01), why), "%s: 0x01 %s", cases[i].name, why);
    }

    /* All of it at the largest size. */
    struct request request = good(0x0000);
    char why[160] = "";
    request.length = 1024;
    request.words[DATA_OFFSET] = 32;
    request.words[DATA_LENGTH] = 993;
    tap(stands(&request, ANSWER(0x01), why), "a byte of data too many in a full buffer %s", why);
}

static uint32_t state;

/* Numerical Recipes' generator; the upper bits are the random ones. */
static uint32_t draw(uint32_t below)
{
    state = state * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)(state >> 8) * below) >> 24);
}

static uint32_t draw_word(void)
{
    static const uint32_t edges[] = {
        0,     1,          2,          3,          4,          5,          31,        32,
        33,    40,         248,        249,        1023,       1024,       1025,      4096,
        65536, 0x3ffffffe, 0x40000000, 0x7fffffff, 0x80000000, 0xffffffe0, 0xffffffff};
    uint32_t count = sizeof(edges) / sizeof(edges[0]);

    return draw(4) > 0 ? edges[draw(count)] : draw(0x10000) << 16 | draw(0x10000);
}

static struct request draw_request(void)
{
    static const uint32_t opcodes[] = {0x0000, 0x0001, 0x0005};
    struct request request = good(opcodes[draw(3)]);

    if (draw(8) == 0)
        for (unsigned i = 0; i < 256; i++)
            request.words[i] = draw_word();
    for (uint32_t changes = 1 + draw(3); changes > 0; changes--) {
        uint32_t what = draw(HEADER + 3);
        if (what < HEADER)
            request.words[what] = draw_word();
        else if (what == HEADER)
            request.length = draw_word();
        else
            request.length = draw(1100);
    }
    return request;
}

static void test_random(uint32_t seed, unsigned count)
{
    unsigned bad = 0, exact = 0;
    char why[160] = "";

    state = seed;
    for (unsigned i = 0; i < count; i++) {
        struct request request = draw_request();
        uint32_t answers = oracle(&request);
        exact += (answers & (answers - 1)) == 0;
        if (!stands(&request, answers, why) && bad++ < 5) {
            tap_say("request %u of seed %u: %s", i, seed, why);
            tap_say("  length %u, header %x %x %x %x %x %x %x %x", request.length, request.words[0],
                    request.words[1], request.words[2], request.words[3], request.words[4],
                    request.words[5], request.words[6], request.words[7]);
        }
    }
    tap(bad == 0, "%u random requests, each with a good one behind it; %u were wrong", count, bad);
    tap(exact >= count / 2, "the text tells the one right answer to %u of them", exact);
}

void test_malformed(uint32_t seed, unsigned count)
{
    test_lengths();
    test_words();
    test_data();
    test_random(seed, count);
}
