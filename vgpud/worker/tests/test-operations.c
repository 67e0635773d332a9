/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "operations.h"
#include "tally.h"
#include "vgpu-bytes.h"

/* Serves one request as the worker does; returns the status. */
static enum vgpu_error serve(VgpuBackend *backend, const struct vgpu_request *wanted,
                             struct vgpu_response *response, GError **error)
{
    guint8 bytes[VGPU_BUFFER_SIZE];
    struct vgpu_request request;
    const VgpuOperation *operation;
    guint64 device_ns = 0;
    gsize length = vgpu_request_encode(wanted, bytes, sizeof(bytes));
    enum vgpu_error status = vgpu_operation_check(bytes, length, &request, &operation);

    assert_true(length > 0);
    *response = (struct vgpu_response){0};
    return status != VGPU_ERROR_NONE
               ? status
               : vgpu_operation_run(operation, backend, &request, response, &device_ns, error);
}

/* Every opcode that there may be, with and without a device. */
static void test_opcodes(void **state)
{
    (void)state;
    static const struct {
        guint32 opcode, param_count;
        enum vgpu_error status, without_device;
    } cases[] = {
        {VGPU_OP_NOP, 0, VGPU_ERROR_NONE, VGPU_ERROR_NONE},
        {VGPU_OP_NOP, 248, VGPU_ERROR_NONE, VGPU_ERROR_NONE},
        {VGPU_OP_VECTOR_ADD, 2, VGPU_ERROR_NONE, VGPU_ERROR_EXECUTION_FAILED},
        {VGPU_OP_VECTOR_ADD, 0, VGPU_ERROR_INVALID_REQUEST, VGPU_ERROR_INVALID_REQUEST},
        {VGPU_OP_VECTOR_ADD, 1, VGPU_ERROR_INVALID_REQUEST, VGPU_ERROR_INVALID_REQUEST},
        {VGPU_OP_VECTOR_ADD, 3, VGPU_ERROR_INVALID_REQUEST, VGPU_ERROR_INVALID_REQUEST},
        {VGPU_OP_MEM_ALLOC, 0, VGPU_ERROR_UNSUPPORTED, VGPU_ERROR_UNSUPPORTED},
        {VGPU_OP_MEM_FREE, 2, VGPU_ERROR_UNSUPPORTED, VGPU_ERROR_UNSUPPORTED},
        {VGPU_OP_MEM_COPY, 0, VGPU_ERROR_UNSUPPORTED, VGPU_ERROR_UNSUPPORTED},
        {VGPU_OP_DEVICE_INFO, 0, VGPU_ERROR_NONE, VGPU_ERROR_EXECUTION_FAILED},
        {6, 0, VGPU_ERROR_UNSUPPORTED, VGPU_ERROR_UNSUPPORTED},
        {0x10001, 2, VGPU_ERROR_UNSUPPORTED, VGPU_ERROR_UNSUPPORTED},
        {0xffffffff, 0, VGPU_ERROR_UNSUPPORTED, VGPU_ERROR_UNSUPPORTED},
    };
    g_autoptr(VgpuBackend) backend = vgpu_backend_open("null", "", NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const struct vgpu_request request = {.opcode = cases[i].opcode,
                                             .param_count = cases[i].param_count};
        g_autoptr(GError) error = NULL;
        struct vgpu_response response;

        assert_int_equal(serve(backend, &request, &response, NULL), cases[i].status);
        assert_int_equal(serve(NULL, &request, &response, &error), cases[i].without_device);
        assert_int_equal(error != NULL, cases[i].without_device == VGPU_ERROR_EXECUTION_FAILED);
        assert_int_equal(response.result_count, 0);
    }
}

static void test_codec_errors_come_through(void **state)
{
    (void)state;
    guint8 bytes[VGPU_BUFFER_SIZE + 1] = {0};
    struct vgpu_request request;
    const VgpuOperation *operation;

    assert_int_equal(vgpu_operation_check(bytes, 0, &request, &operation),
                     VGPU_ERROR_INVALID_LENGTH);
    assert_int_equal(vgpu_operation_check(bytes, sizeof(bytes), &request, &operation),
                     VGPU_ERROR_REQUEST_TOO_LARGE);
    assert_int_equal(vgpu_operation_check(bytes, 32, &request, &operation),
                     VGPU_ERROR_INVALID_REQUEST);
}

static void test_vector_add(void **state)
{
    (void)state;
    g_autoptr(VgpuBackend) backend = vgpu_backend_open("null", "", NULL);
    g_autoptr(VgpuBackend) broken = vgpu_backend_open("fault", "fail", NULL);
    g_autoptr(GError) error = NULL;
    const struct vgpu_request request = {
        .opcode = VGPU_OP_VECTOR_ADD, .param_count = 2, .params = {0xfffffff0, 0x20}};
    struct vgpu_response response;

    assert_int_equal(serve(backend, &request, &response, NULL), VGPU_ERROR_NONE);
    assert_int_equal(response.result_count, 1);
    assert_int_equal(response.results[0], 0x10);
    assert_int_equal(serve(broken, &request, &response, &error), VGPU_ERROR_EXECUTION_FAILED);
    assert_int_equal(response.result_count, 0);
    assert_non_null(error);
}

static void test_device_info(void **state)
{
    (void)state;
    static const struct {
        const char *letter;
        guint32 length; /* of the name in the response */
    } cases[] = {{"x", 128}, {"\xc3\xa4", 128}, {"\xe2\x82\xac", 126}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) name = g_string_new(NULL);
        while (name->len < 200)
            g_string_append(name, cases[i].letter);
        VgpuBackend backend = {.info = {.name = name->str,
                                        .compute_units = 132,
                                        .clock_mhz = 1980,
                                        .memory_mib = 81559,
                                        .kind = VGPU_BACKEND_OPENCL}};
        const struct vgpu_request request = {.opcode = VGPU_OP_DEVICE_INFO};
        struct vgpu_response response;

        assert_int_equal(serve(&backend, &request, &response, NULL), VGPU_ERROR_NONE);
        assert_int_equal(response.result_count, VGPU_INFO_COUNT);
        assert_int_equal(response.results[VGPU_INFO_COMPUTE_UNITS], 132);
        assert_int_equal(response.results[VGPU_INFO_CLOCK_MHZ], 1980);
        assert_int_equal(response.results[VGPU_INFO_MEMORY_MIB], 81559);
        assert_int_equal(response.results[VGPU_INFO_BACKEND], VGPU_BACKEND_OPENCL);
        assert_int_equal(response.data_length, cases[i].length);
        assert_true(g_utf8_validate((const char *)response.data, response.data_length, NULL));
    }
}

static void test_exec_time_saturates(void **state)
{
    (void)state;
    assert_int_equal(vgpu_operation_exec_time_us(999), 0);
    assert_int_equal(vgpu_operation_exec_time_us(1500), 1);
    assert_int_equal(vgpu_operation_exec_time_us(G_MAXUINT64), 0xffffffff);
}

static guint logged;

static GLogWriterOutput count_line(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
                                   gpointer data)
{
    (void)level;
    (void)fields;
    (void)n_fields;
    (void)data;
    logged++;
    return G_LOG_WRITER_HANDLED;
}

/* A million errors of one kind are seven lines; another kind is told at once. */
static void test_tally(void **state)
{
    (void)state;
    VgpuTally tally = {0};

    logged = 0;
    for (guint i = 0; i < 1000000; i++)
        vgpu_tally_add(&tally, VGPU_ERROR_INVALID_REQUEST, i, NULL);
    assert_int_equal(logged, 7);
    vgpu_tally_add(&tally, VGPU_ERROR_EXECUTION_FAILED, 1, "why");
    assert_int_equal(logged, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opcodes),
        cmocka_unit_test(test_codec_errors_come_through),
        cmocka_unit_test(test_vector_add),
        cmocka_unit_test(test_device_info),
        cmocka_unit_test(test_exec_time_saturates),
        cmocka_unit_test(test_tally),
    };

    g_log_set_writer_func(count_line, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
