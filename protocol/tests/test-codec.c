/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vgpu-bytes.h"
#include "vgpu-hash.h"
#include "vgpu-codec.h"

/* A well-formed vector add, 40 bytes, and the offsets of its fields. */
enum { VERSION = 0, OPCODE = 4, FLAGS = 8, PARAM_COUNT = 12, DATA_OFFSET = 16, DATA_LENGTH = 20 };
enum { RESERVED0 = 24, RESERVED1 = 28, PARAMS = 32, ADD_LENGTH = 40 };

static size_t put_add(uint8_t *bytes)
{
    const struct vgpu_request add = {
        .opcode = VGPU_OP_VECTOR_ADD, .param_count = 2, .params = {7, 0xfffffffe}};
    return vgpu_request_encode(&add, bytes, VGPU_BUFFER_SIZE);
}

static enum vgpu_error decode_with(uint32_t field, uint32_t value, size_t length)
{
    uint8_t bytes[VGPU_BUFFER_SIZE] = {0};
    struct vgpu_request request;

    put_add(bytes);
    vgpu_put32(bytes + field, value);
    return vgpu_request_decode(bytes, length, &request);
}

static void test_request_bytes(void **state)
{
    (void)state;
    /* Written out by hand from the contract, not with the encoder. */
    static const uint8_t expected[ADD_LENGTH] = {
        0x00, 0x00, 0x01, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0,    0,    0,    0,
        0,    0,    0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff,
    };
    uint8_t bytes[VGPU_BUFFER_SIZE];
    struct vgpu_request request;

    assert_int_equal(put_add(bytes), ADD_LENGTH);
    assert_memory_equal(bytes, expected, ADD_LENGTH);
    assert_int_equal(vgpu_request_decode(expected, sizeof(expected), &request), VGPU_ERROR_NONE);
    assert_int_equal(request.opcode, VGPU_OP_VECTOR_ADD);
    assert_int_equal(request.param_count, 2);
    assert_int_equal(request.params[0], 7);
    assert_int_equal(request.params[1], 0xfffffffe);
    assert_null(request.data);
}

static void test_request_lengths(void **state)
{
    (void)state;
    uint8_t bytes[VGPU_BUFFER_SIZE + 1] = {0};
    struct vgpu_request request;

    put_add(bytes);
    assert_int_equal(vgpu_request_decode(bytes, 0, &request), VGPU_ERROR_INVALID_LENGTH);
    assert_int_equal(vgpu_request_decode(bytes, sizeof(bytes), &request),
                     VGPU_ERROR_REQUEST_TOO_LARGE);
    for (size_t length = 1; length < ADD_LENGTH; length++)
        assert_int_equal(vgpu_request_decode(bytes, length, &request), VGPU_ERROR_INVALID_REQUEST);
    /* A guest may submit the whole buffer. */
    for (size_t length = ADD_LENGTH; length <= VGPU_BUFFER_SIZE; length++)
        assert_int_equal(vgpu_request_decode(bytes, length, &request), VGPU_ERROR_NONE);
}

static void test_request_fields(void **state)
{
    (void)state;
    const enum vgpu_error invalid = VGPU_ERROR_INVALID_REQUEST;

    assert_int_equal(decode_with(VERSION, 0x00010001, ADD_LENGTH), invalid);
    assert_int_equal(decode_with(VERSION, 0, ADD_LENGTH), invalid);
    assert_int_equal(decode_with(FLAGS, 1, ADD_LENGTH), invalid);
    assert_int_equal(decode_with(FLAGS, 0x80000000, ADD_LENGTH), invalid);
    assert_int_equal(decode_with(RESERVED0, 1, ADD_LENGTH), invalid);
    assert_int_equal(decode_with(RESERVED1, 0xffffffff, ADD_LENGTH), invalid);
    assert_int_equal(decode_with(PARAM_COUNT, 3, ADD_LENGTH), invalid);
    assert_int_equal(decode_with(PARAM_COUNT, 249, VGPU_BUFFER_SIZE), invalid);
    assert_int_equal(decode_with(PARAM_COUNT, 248, VGPU_BUFFER_SIZE), VGPU_ERROR_NONE);
    /* 4 * count wraps to 4, and to 0, in 32 bits. */
    assert_int_equal(decode_with(PARAM_COUNT, 0x40000001, ADD_LENGTH), invalid);
    assert_int_equal(decode_with(PARAM_COUNT, 0x40000000, ADD_LENGTH), invalid);
    assert_int_equal(decode_with(PARAM_COUNT, 0xffffffff, VGPU_BUFFER_SIZE), invalid);
    /* An unknown opcode is not the codec's business. */
    assert_int_equal(decode_with(OPCODE, 0xdeadbeef, ADD_LENGTH), VGPU_ERROR_NONE);
}

static void test_request_data(void **state)
{
    (void)state;
    static const struct {
        uint32_t offset, length;
        size_t size;
        enum vgpu_error error;
    } cases[] = {
        {40, 4, 44, VGPU_ERROR_NONE},
        {43, 1, 44, VGPU_ERROR_NONE},
        {40, 5, 44, VGPU_ERROR_INVALID_REQUEST},            /* past the end */
        {44, 1, 44, VGPU_ERROR_INVALID_REQUEST},            /* begins at the end */
        {39, 4, 44, VGPU_ERROR_INVALID_REQUEST},            /* over the parameters */
        {0, 4, 44, VGPU_ERROR_INVALID_REQUEST},             /* over the header */
        {40, 0xffffffff, 1024, VGPU_ERROR_INVALID_REQUEST}, /* offset + length wraps */
        {0xffffffff, 1, 1024, VGPU_ERROR_INVALID_REQUEST},
        {0xfffffffc, 8, 1024, VGPU_ERROR_INVALID_REQUEST},
        {0, 0, 40, VGPU_ERROR_NONE}, /* no data: any offset inside */
        {40, 0, 40, VGPU_ERROR_NONE},
        {41, 0, 40, VGPU_ERROR_INVALID_REQUEST},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[VGPU_BUFFER_SIZE] = {0};
        struct vgpu_request request;

        put_add(bytes);
        vgpu_put32(bytes + DATA_OFFSET, cases[i].offset);
        vgpu_put32(bytes + DATA_LENGTH, cases[i].length);
        assert_int_equal(vgpu_request_decode(bytes, cases[i].size, &request), cases[i].error);
        if (cases[i].error == VGPU_ERROR_NONE && cases[i].length > 0)
            assert_ptr_equal(request.data, bytes + cases[i].offset);
    }
}

static void test_response_round_trip(void **state)
{
    (void)state;
    static const uint8_t data[] = "PoCL";
    const struct vgpu_response sent = {.status = VGPU_ERROR_NONE,
                                       .result_count = 3,
                                       .results = {1, 2, 3},
                                       .data = data,
                                       .data_length = 4,
                                       .exec_time_us = 99};
    uint8_t bytes[VGPU_BUFFER_SIZE];
    struct vgpu_response got;

    size_t length = vgpu_response_encode(&sent, bytes, sizeof(bytes));
    assert_int_equal(length, 32 + 12 + 4);
    assert_true(vgpu_response_decode(bytes, length, &got));
    assert_int_equal(got.result_count, 3);
    assert_int_equal(got.results[2], 3);
    assert_int_equal(got.exec_time_us, 99);
    assert_int_equal(got.data_length, 4);
    assert_memory_equal(got.data, data, 4);
    for (size_t shorter = 0; shorter < length; shorter++)
        assert_false(vgpu_response_decode(bytes, shorter, &got));
    assert_int_equal(vgpu_response_encode(&sent, bytes, length - 1), 0);
}

static void test_encode_bounds(void **state)
{
    (void)state;
    uint8_t bytes[2 * VGPU_BUFFER_SIZE];
    uint8_t data[VGPU_BUFFER_SIZE] = {0};
    struct vgpu_request request = {.param_count = VGPU_MAX_WORDS + 1};

    assert_int_equal(vgpu_request_encode(&request, bytes, sizeof(bytes)), 0);
    request.param_count = VGPU_MAX_WORDS;
    assert_int_equal(vgpu_request_encode(&request, bytes, sizeof(bytes)), VGPU_BUFFER_SIZE);
    request.data = data;
    request.data_length = 1;
    assert_int_equal(vgpu_request_encode(&request, bytes, sizeof(bytes)), 0);
    request.param_count = 0;
    request.data_length = 0xffffffff;
    assert_int_equal(vgpu_request_encode(&request, bytes, sizeof(bytes)), 0);
}

static size_t put_state(uint8_t *bytes)
{
    const struct vgpu_link_message state = {
        .type = VGPU_LINK_STATE,
        .state = {.pool = 'B', .priority = VGPU_PRIORITY_HIGH, .vm_id = 7, .timeout_ms = 6000}};
    return vgpu_link_encode(&state, bytes, VGPU_LINK_MAX_MESSAGE);
}

static void test_link_frames(void **state)
{
    (void)state;
    uint8_t bytes[VGPU_LINK_MAX_MESSAGE];
    struct vgpu_link_message message;

    size_t length = put_state(bytes);
    assert_int_equal(length, 48);
    for (size_t part = 0; part < 16; part++)
        assert_int_equal(vgpu_link_frame_length(bytes, part), 0);
    assert_int_equal(vgpu_link_frame_length(bytes, 16), 48);
    assert_true(vgpu_link_decode(bytes, length, &message));
    assert_int_equal(message.state.pool, 'B');
    assert_int_equal(message.state.vm_id, 7);
    assert_int_equal(message.state.timeout_ms, 6000);
    assert_false(vgpu_link_decode(bytes, length - 1, &message));

    vgpu_put32(bytes + 8, VGPU_LINK_MAX_PAYLOAD + 1);
    assert_int_equal(vgpu_link_frame_length(bytes, 16), -1);
    vgpu_put32(bytes + 8, 0xffffffff);
    assert_int_equal(vgpu_link_frame_length(bytes, 16), -1);
    bytes[0] ^= 1;
    assert_int_equal(vgpu_link_frame_length(bytes, 4), -1);
}

static void test_link_values(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        uint32_t value;
        bool valid;
    } cases[] = {
        {16, 'A', true},
        {16, 'a', false},
        {16, '[', false},
        {16, 'A' | 0x100, false},
        {20, 2, true},
        {20, 3, false},
        {28, 11, true},
        {28, 12, false},
        {32, 1, true},
        {32, 0, false},
        {32, VGPU_LINK_MAX_TIMEOUT_MS + 1, false},
        {36, 1, false},
        {4, 99, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[VGPU_LINK_MAX_MESSAGE];
        struct vgpu_link_message message;
        size_t length = put_state(bytes);

        vgpu_put32(bytes + cases[i].offset, cases[i].value);
        assert_int_equal(vgpu_link_decode(bytes, length, &message), cases[i].valid);
    }
}

static void test_link_hello_of_another_version(void **state)
{
    (void)state;
    const struct vgpu_link_message hello = {
        .type = VGPU_LINK_HELLO, .hello = {.link_version = VGPU_LINK_VERSION + 1, .pool = '!'}};
    uint8_t bytes[VGPU_LINK_MAX_MESSAGE];
    struct vgpu_link_message got;

    /* It is read far enough to be refused with a clear text, whatever else it holds. */
    size_t length = vgpu_link_encode(&hello, bytes, sizeof(bytes));
    assert_true(vgpu_link_decode(bytes, length, &got));
    assert_int_equal(got.hello.link_version, VGPU_LINK_VERSION + 1);
    vgpu_put32(bytes + 16, VGPU_LINK_VERSION);
    assert_true(vgpu_link_decode(bytes, length, &got)); /* now it is another protocol's */
    assert_true(got.hello.protocol_hash == 0);
    vgpu_put64(bytes + 56, VGPU_PROTOCOL_HASH);
    assert_false(vgpu_link_decode(bytes, length, &got));

    /* Version 1 was shorter. */
    vgpu_put32(bytes + 8, 32);
    vgpu_put32(bytes + 16, 1);
    assert_true(vgpu_link_decode(bytes, 48, &got));
    assert_int_equal(got.hello.link_version, 1);
    vgpu_put32(bytes + 16, VGPU_LINK_VERSION);
    assert_false(vgpu_link_decode(bytes, 48, &got));
    vgpu_put32(bytes + 8, 3);
    assert_false(vgpu_link_decode(bytes, 19, &got));
}

static void test_link_queues(void **state)
{
    (void)state;
    static const struct {
        uint32_t capabilities, queues;
        uint64_t shm_size;
        bool valid;
    } cases[] = {
        {0, 0, 0, true},
        {VGPU_CAP_QUEUES, 8, 64 << 20, true},
        {VGPU_CAP_QUEUES, 1, 65536, true},
        {VGPU_CAP_QUEUES, 64, VGPU_SHM_SIZE_MAX, true},
        {VGPU_CAP_QUEUES, 0, 64 << 20, false},
        {VGPU_CAP_QUEUES, 0, 0, false},
        {0, 8, 64 << 20, false},
        {0, 0, 64 << 20, false},
        {VGPU_CAP_QUEUES, 65, 64 << 20, false},
        {VGPU_CAP_QUEUES, 0xffffffff, 64 << 20, false},
        {VGPU_CAP_QUEUES, 8, (64 << 20) + 4096, false}, /* no power of two */
        {VGPU_CAP_QUEUES, 1, 32768, false},             /* no room for one slot */
        {VGPU_CAP_QUEUES, 3, 131072, false},            /* nor for three */
        {VGPU_CAP_QUEUES, 8, 2 * VGPU_SHM_SIZE_MAX, false},
        {VGPU_CAP_QUEUES, 8, 0, false},
    };
    uint8_t bytes[VGPU_LINK_MAX_MESSAGE];
    struct vgpu_link_message got;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct vgpu_link_message hello = {.type = VGPU_LINK_HELLO,
                                                .hello = {.link_version = VGPU_LINK_VERSION,
                                                          .capabilities = cases[i].capabilities,
                                                          .pool = 'A',
                                                          .queues = cases[i].queues,
                                                          .shm_size = cases[i].shm_size,
                                                          .protocol_hash = VGPU_PROTOCOL_HASH}};
        size_t length = vgpu_link_encode(&hello, bytes, sizeof(bytes));

        assert_int_equal(vgpu_link_decode(bytes, length, &got), cases[i].valid);
        if (cases[i].valid)
            assert_memory_equal(&got.hello, &hello.hello, sizeof(got.hello));
    }

    struct vgpu_link_message queue = {.type = VGPU_LINK_QUEUE, .queue = {.index = 63}};
    size_t length = vgpu_link_encode(&queue, bytes, sizeof(bytes));
    assert_int_equal(length, 24);
    assert_true(vgpu_link_decode(bytes, length, &got));
    assert_int_equal(got.queue.index, 63);
    vgpu_put32(bytes + 16, 64);
    assert_false(vgpu_link_decode(bytes, length, &got));
    vgpu_put32(bytes + 16, 0);
    vgpu_put32(bytes + 20, 1);
    assert_false(vgpu_link_decode(bytes, length, &got));
}

static void test_link_refuse_is_safe_to_log(void **state)
{
    (void)state;
    const struct vgpu_link_message refuse = {.type = VGPU_LINK_REFUSE,
                                             .refuse = {.length = 6, .text = "a\n\x1b[0m"}};
    uint8_t bytes[VGPU_LINK_MAX_MESSAGE];
    struct vgpu_link_message got;

    size_t length = vgpu_link_encode(&refuse, bytes, sizeof(bytes));
    assert_true(vgpu_link_decode(bytes, length, &got));
    assert_string_equal(got.refuse.text, "a??[0m");
}

static void test_channel(void **state)
{
    (void)state;
    const struct vgpu_channel_header sent = {.type = VGPU_CHANNEL_RESPONSE,
                                             .length = 4,
                                             .sequence = 0x0123456789abcdefull,
                                             .error = VGPU_ERROR_TIMEOUT};
    uint8_t bytes[sizeof(sent) + 4] = {0};
    struct vgpu_channel_header got;

    vgpu_channel_encode(&sent, bytes);
    assert_true(vgpu_channel_decode(bytes, sizeof(bytes), &got));
    assert_true(got.sequence == sent.sequence);
    assert_int_equal(got.error, VGPU_ERROR_TIMEOUT);
    assert_false(vgpu_channel_decode(bytes, sizeof(bytes) - 1, &got));
    assert_false(vgpu_channel_decode(bytes, sizeof(sent) - 1, &got));
    vgpu_put32(bytes, VGPU_CHANNEL_REQUEST); /* a request has no error code */
    assert_false(vgpu_channel_decode(bytes, sizeof(bytes), &got));
    vgpu_put32(bytes, 5);
    assert_false(vgpu_channel_decode(bytes, sizeof(bytes), &got));

    const struct vgpu_channel_header ready = {.type = VGPU_CHANNEL_READY};
    vgpu_channel_encode(&ready, bytes);
    assert_true(vgpu_channel_decode(bytes, sizeof(ready), &got));
    for (size_t i = 4; i < sizeof(ready); i++) { /* all else is 0 */
        bytes[i] = 1;
        assert_false(vgpu_channel_decode(bytes, sizeof(ready), &got));
        bytes[i] = 0;
    }

    const struct vgpu_channel_header waits = {.type = VGPU_CHANNEL_WAITS, .sequence = 42};
    vgpu_channel_encode(&waits, bytes);
    assert_true(vgpu_channel_decode(bytes, sizeof(waits), &got));
    assert_true(got.sequence == 42);
    for (size_t i = 4; i < sizeof(waits); i++) {
        const uint8_t was = bytes[i];

        bytes[i] = 1;
        assert_int_equal(vgpu_channel_decode(bytes, sizeof(waits), &got), i >= 8 && i < 16);
        bytes[i] = was;
    }
}

static void test_names(void **state)
{
    (void)state;
    for (uint32_t error = 0; error < VGPU_ERROR_COUNT; error++)
        assert_string_not_equal(vgpu_error_name(error), "unknown");
    assert_string_equal(vgpu_error_name(VGPU_ERROR_COUNT), "unknown");
    assert_string_equal(vgpu_opcode_name(VGPU_OP_DEVICE_INFO), "device-info");
    assert_string_equal(vgpu_opcode_name(6), "unknown");
    assert_string_equal(vgpu_priority_name(VGPU_PRIORITY_HIGH), "high");
    assert_string_equal(vgpu_status_name(0xffffffff), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_bytes),
        cmocka_unit_test(test_request_lengths),
        cmocka_unit_test(test_request_fields),
        cmocka_unit_test(test_request_data),
        cmocka_unit_test(test_response_round_trip),
        cmocka_unit_test(test_encode_bounds),
        cmocka_unit_test(test_link_frames),
        cmocka_unit_test(test_link_values),
        cmocka_unit_test(test_link_hello_of_another_version),
        cmocka_unit_test(test_link_queues),
        cmocka_unit_test(test_link_refuse_is_safe_to_log),
        cmocka_unit_test(test_channel),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
