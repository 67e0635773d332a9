/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Malformed requests of every kind: the right error code, and a good request works right after. */
#include <string.h>

#include "options.h"
#include "random.h"
#include "test-support.h"
#include "vgpu-bytes.h"

/* Offsets of the request's fields, from the contract. The good vector add is 40 bytes long. */
enum { VERSION = 0, OPCODE = 4, FLAGS = 8, COUNT = 12, OFFSET = 16, LENGTH = 20 };
enum { RESERVED0 = 24, RESERVED1 = 28, ADD = 40, BUFFER = 1024 };

/* The error codes, from the contract. */
enum { NONE = 0x00, INVALID = 0x01, TOO_LARGE = 0x02, UNSUPPORTED = 0x08, BAD_LENGTH = 0x09 };

/* A good vector add with some words changed, submitted as @length bytes. */
static const struct {
    const char *name;
    uint32_t length, error, changes;
    uint32_t change[2][2]; /* offset, value */
} cases[] = {
    {"nothing wrong", ADD, NONE, 0},
    {"the whole buffer", BUFFER, NONE, 0},
    {"length 0", 0, BAD_LENGTH, 0},
    {"length 1025", 1025, TOO_LARGE, 0},
    {"length 0x10000", 0x10000, TOO_LARGE, 0},
    {"length 0x80000000", 0x80000000, TOO_LARGE, 0},
    {"length 0xffffffff", 0xffffffff, TOO_LARGE, 0},
    {"length 39, parameters cut off", 39, INVALID, 0},
    {"length 32, parameters missing", 32, INVALID, 0},
    {"version 0", ADD, INVALID, 1, {{VERSION, 0}}},
    {"version 1.1", ADD, INVALID, 1, {{VERSION, 0x00010001}}},
    {"version 2.0", ADD, INVALID, 1, {{VERSION, 0x00020000}}},
    {"version 0xffffffff", ADD, INVALID, 1, {{VERSION, 0xffffffff}}},
    {"flags 1", ADD, INVALID, 1, {{FLAGS, 1}}},
    {"flags 0x80000000", ADD, INVALID, 1, {{FLAGS, 0x80000000}}},
    {"reserved[0] 1", ADD, INVALID, 1, {{RESERVED0, 1}}},
    {"reserved[1] 0xffffffff", ADD, INVALID, 1, {{RESERVED1, 0xffffffff}}},
    {"3 parameters in 40 bytes", ADD, INVALID, 1, {{COUNT, 3}}},
    {"249 parameters in 1024 bytes", BUFFER, INVALID, 1, {{COUNT, 249}}},
    {"0x3fffffff parameters: 4 * count is -4", BUFFER, INVALID, 1, {{COUNT, 0x3fffffff}}},
    {"0x40000000 parameters: 4 * count wraps to 0", ADD, INVALID, 1, {{COUNT, 0x40000000}}},
    {"0x40000002 parameters: 4 * count wraps to 8", ADD, INVALID, 1, {{COUNT, 0x40000002}}},
    {"0x80000000 parameters", ADD, INVALID, 1, {{COUNT, 0x80000000}}},
    {"0xffffffff parameters", BUFFER, INVALID, 1, {{COUNT, 0xffffffff}}},
    {"data past the end", 44, INVALID, 2, {{OFFSET, 40}, {LENGTH, 5}}},
    {"data from the end on", 44, INVALID, 2, {{OFFSET, 44}, {LENGTH, 1}}},
    {"data over the parameters", 44, INVALID, 2, {{OFFSET, 39}, {LENGTH, 4}}},
    {"data over the header", 44, INVALID, 2, {{OFFSET, 0}, {LENGTH, 4}}},
    {"data in the buffer, but behind the request", ADD, INVALID, 2, {{OFFSET, 512}, {LENGTH, 4}}},
    {"data offset 0xffffffff", BUFFER, INVALID, 2, {{OFFSET, 0xffffffff}, {LENGTH, 1}}},
    {"data length 0xffffffff", BUFFER, INVALID, 2, {{OFFSET, 40}, {LENGTH, 0xffffffff}}},
    {"data offset + length wraps to 4", BUFFER, INVALID, 2, {{OFFSET, 0xfffffffc}, {LENGTH, 8}}},
    {"data offset + length wraps to 40", BUFFER, INVALID, 2, {{OFFSET, 41}, {LENGTH, 0xffffffff}}},
    {"data offset past the end, without data", ADD, INVALID, 1, {{OFFSET, 41}}},
    {"vector add without parameters", ADD, INVALID, 1, {{COUNT, 0}}},
    {"vector add of 1 parameter", ADD, INVALID, 1, {{COUNT, 1}}},
    {"vector add of 3 parameters", 44, INVALID, 1, {{COUNT, 3}}},
    {"vector add of 248 parameters", BUFFER, INVALID, 1, {{COUNT, 248}}},
    {"opcode 2, memory allocation", ADD, UNSUPPORTED, 1, {{OPCODE, 2}}},
    {"opcode 3, memory free", ADD, UNSUPPORTED, 1, {{OPCODE, 3}}},
    {"opcode 4, memory copy", ADD, UNSUPPORTED, 1, {{OPCODE, 4}}},
    {"opcode 6", ADD, UNSUPPORTED, 1, {{OPCODE, 6}}},
    {"opcode 0x10001", ADD, UNSUPPORTED, 1, {{OPCODE, 0x10001}}},
    {"opcode 0x80000000", ADD, UNSUPPORTED, 1, {{OPCODE, 0x80000000}}},
    {"opcode 0xffffffff", ADD, UNSUPPORTED, 1, {{OPCODE, 0xffffffff}}},
    {"unknown opcode in a broken header", ADD, INVALID, 2, {{OPCODE, 6}, {FLAGS, 1}}},
};

/* The response to an error is a bare header that repeats the code. */
static bool error_header(VgpuPci *pci, uint32_t error)
{
    VgpuPciResponse response;

    if (vgpu_pci_read_response(pci, &response) != 0) {
        tap_note("%s", pci->error);
        return false;
    }
    if (response.message.status == error && response.length == VGPU_HEADER_SIZE)
        return true;
    tap_note("a response of %zu bytes with status 0x%x", response.length, response.message.status);
    return false;
}

/* Submits and checks everything that the device says about how it ended. */
static bool ends_with(VgpuPci *pci, const uint8_t *bytes, uint32_t length, uint32_t error)
{
    int result = test_send(pci, bytes, BUFFER, length);

    if (result < 0 || (uint32_t)result != error) {
        tap_note("got %s, expected 0x%02x", result == 0 ? "success" : pci->error, error);
        return false;
    }
    return error == NONE || error_header(pci, error);
}

static void test_table(VgpuPci *pci)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[BUFFER] = {0};

        test_put_add(bytes, 7, 8);
        for (uint32_t c = 0; c < cases[i].changes; c++)
            vgpu_put32(bytes + cases[i].change[c][0], cases[i].change[c][1]);
        bool right = ends_with(pci, bytes, cases[i].length, cases[i].error);
        tap_ok(test_good_request(pci) && right, "0x%02x: %s; then a good request", cases[i].error,
               cases[i].name);
    }
}

static void test_short_lengths(VgpuPci *pci)
{
    uint8_t bytes[BUFFER] = {0};
    bool right = true;

    test_put_add(bytes, 7, 8);
    for (uint32_t length = 1; length < VGPU_HEADER_SIZE; length++)
        right = right && ends_with(pci, bytes, length, INVALID) && test_good_request(pci);
    tap_ok(right, "0x01: each length from 1 to 31");
}

/* Numbers at which a bounds check is wrong if it is wrong anywhere. */
static uint32_t tricky(struct random *random)
{
    static const uint32_t numbers[] = {
        0,    1,    2,          3,          31,         32,         33,         36,         39,
        40,   41,   44,         248,        249,        255,        256,        1020,       1023,
        1024, 1025, 0x3ffffff8, 0x40000000, 0x40000002, 0x7fffffff, 0x80000000, 0xfffffffc, ~0u};

    return random_below(random, 4) == 0
               ? random_next(random)
               : numbers[random_below(random, sizeof(numbers) / sizeof(numbers[0]))];
}

/* Makes a request that is good, nearly good, or noise. Returns its length. */
static uint32_t make_request(struct random *random, uint8_t *bytes)
{
    const uint32_t mutations = random_below(random, 4);

    for (uint32_t i = 0; i < BUFFER; i++)
        bytes[i] = (uint8_t)random_next(random);
    if (random_below(random, 16) == 0)
        return random_below(random, BUFFER + 2);

    uint32_t opcode = random_below(random, 3);
    const uint32_t header[] = {VGPU_PROTOCOL_VERSION, opcode, 0, opcode == 1 ? 2 : opcode, 0, 0};
    memset(bytes, 0, VGPU_HEADER_SIZE);
    for (uint32_t i = 0; i < sizeof(header) / sizeof(header[0]); i++)
        vgpu_put32(bytes + 4 * i, header[i]);
    for (uint32_t i = 0; i < mutations; i++)
        vgpu_put32(bytes + 4 * random_below(random, VGPU_HEADER_SIZE / 4), tricky(random));
    return random_below(random, 4) == 0 ? tricky(random) : random_below(random, 2) ? ADD : BUFFER;
}

/* What protocol 1.0 answers. */
static uint32_t expected_error(const uint8_t *bytes, uint32_t length)
{
    struct vgpu_request request;

    enum vgpu_error error = vgpu_request_decode(bytes, length, &request);
    if (error != VGPU_ERROR_NONE)
        return error;
    switch (request.opcode) {
    case VGPU_OP_NOP:
    case VGPU_OP_DEVICE_INFO:
        return NONE;
    case VGPU_OP_VECTOR_ADD:
        return request.param_count == 2 ? NONE : INVALID;
    default:
        return UNSUPPORTED;
    }
}

/* The command that sends the same request again. */
static void note_request(const uint8_t *bytes, uint32_t length)
{
    char hex[2 * BUFFER + 1];

    for (uint32_t i = 0; i < BUFFER; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", bytes[i]);
    tap_note("vgpu-call --length %u raw %s", length, hex);
}

static void test_random(VgpuPci *pci, uint32_t count, uint32_t seed)
{
    struct random random = random_seed(seed);
    uint32_t done, answered[VGPU_ERROR_COUNT] = {0};
    bool right = true;

    for (done = 0; right && done < count; done++) {
        uint8_t bytes[BUFFER];
        uint32_t length = make_request(&random, bytes);
        uint32_t error = expected_error(bytes, length);

        right = ends_with(pci, bytes, length, error);
        if (!right)
            note_request(bytes, length);
        if (right && error != NONE && done % 16 == 0)
            right = test_good_request(pci);
        answered[error]++;
    }
    tap_ok(right, "%u random requests with seed %u", count, seed);
    if (!right)
        tap_note("number %u, counted from 1, was wrong", done);
    for (uint32_t error = 0; error < VGPU_ERROR_COUNT; error++) {
        if (answered[error] > 0)
            tap_note("0x%02x %s: %u", error, vgpu_error_name(error), answered[error]);
    }
    tap_ok(test_good_request(pci), "a good request after them");
}

int main(int argc, char **argv)
{
    const char *device = NULL;
    uint32_t count = 5000, seed = 1;
    const struct option_entry options[] = {
        OPTION_DEVICE(&device),
        {.name = "count",
         .argument = "N",
         .help = "random requests (default: 5000)",
         .number = &count},
        {.name = "seed",
         .argument = "N",
         .help = "which random requests (default: 1)",
         .number = &seed},
        {NULL},
    };
    VgpuPci pci;

    if (options_parse(argc, argv, "[OPTION...]",
                      "Tests the answers to malformed requests: a table of them, then random ones.",
                      options) < argc)
        options_mistake("takes no operands");
    test_open(&pci, device);
    test_need_mediator(&pci);
    test_table(&pci);
    test_short_lengths(&pci);
    test_random(&pci, count, seed);
    vgpu_pci_close(&pci);
    return tap_end();
}
