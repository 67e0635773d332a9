/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole program over a socket pair: what it answers, and how it ends. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "process.h"
#include "worker-exit.h"

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void assert_ends(Process *process, VgpuWorkerExit expected)
{
    int status = process_end(process);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static guint count_lines(const Process *process)
{
    g_autofree char *log = process_log(process);
    guint lines = 0;

    for (const char *c = log; *c != '\0'; c++)
        lines += *c == '\n';
    return lines;
}

static void assert_logged(const Process *process, const char *text)
{
    g_autofree char *log = process_log(process);

    if (strstr(log, text) == NULL)
        fail_msg("\"%s\" is not in the log: %s", text, log);
}

static void test_serves(void **state)
{
    (void)state;
    Process process;
    Answer answer;

    assert_int_equal(process_start_and_wait(&process, OPTIONS("--backend=null")), VGPU_PAGE_READY);
    assert_int_equal(process_call(&process, VGPU_OP_VECTOR_ADD, 2, 40, 2, &answer), 0);
    assert_int_equal(answer.response.result_count, 1);
    assert_int_equal(answer.response.results[0], 42);
    assert_int_equal(process_call(&process, VGPU_OP_DEVICE_INFO, 0, 0, 0, &answer), 0);
    assert_int_equal(answer.response.result_count, VGPU_INFO_COUNT);
    assert_memory_equal(answer.response.data, "null: CPU", answer.response.data_length);
    assert_int_equal(process_call(&process, VGPU_OP_MEM_ALLOC, 0, 0, 0, &answer),
                     VGPU_ERROR_UNSUPPORTED);
    assert_int_equal(process_call(&process, VGPU_OP_VECTOR_ADD, 1, 1, 0, &answer),
                     VGPU_ERROR_INVALID_REQUEST);
    /* One byte is no request, but it is answered like one. */
    process_send(&process, "", 1);
    assert_true(process_receive(&process, &answer));
    assert_int_equal(answer.header.error, VGPU_ERROR_INVALID_REQUEST);
    assert_int_equal(answer.header.sequence, process.sequence);
    assert_ends(&process, VGPU_WORKER_EXIT_CLOSED);
    process_clear(&process);
}

static void test_page(void **state)
{
    (void)state;
    Process process;
    Answer answer;
    gint64 before_us = g_get_real_time();

    process_start_and_wait(&process, OPTIONS("--backend=fault", "--device=delay=2ms"));
    process_call(&process, VGPU_OP_VECTOR_ADD, 2, 1, 2, &answer);
    assert_true(answer.response.exec_time_us >= 2000);
    process_call(&process, VGPU_OP_MEM_FREE, 0, 0, 0, &answer);

    const VgpuPage *page = process.page;
    g_autofree char *name = vgpu_page_get_text(page->device_name);
    assert_string_equal(name, "fault: delay=2ms");
    assert_int_equal(page->requests, 3);
    assert_int_equal(page->errors[VGPU_ERROR_NONE], 0);
    assert_int_equal(page->errors[VGPU_ERROR_UNSUPPORTED], 1);
    assert_int_equal(page->bytes_in, 32 + 40 + 32);
    assert_int_equal(page->bytes_out, 32 + 36 + 32);
    assert_true(page->device_ns >= 2000000);
    assert_true(page->service_ns > page->device_ns);
    assert_true(page->last_us >= before_us && page->last_us <= g_get_real_time());
    assert_ends(&process, VGPU_WORKER_EXIT_CLOSED);
    process_clear(&process);
}

static void test_deadline(void **state)
{
    (void)state;
    Process process;
    Answer answer;
    gint64 before_us = g_get_monotonic_time();

    process_start_and_wait(&process,
                           OPTIONS("--backend=fault", "--device=hang", "--timeout-ms=100"));
    assert_int_equal(process_call(&process, VGPU_OP_VECTOR_ADD, 2, 1, 2, &answer),
                     VGPU_ERROR_TIMEOUT);
    assert_true(g_get_monotonic_time() - before_us >= 100000);
    assert_true(answer.response.exec_time_us >= 100000);
    assert_false(process_receive(&process, &answer)); /* exactly one answer, then the end */
    assert_int_equal(process.page->errors[VGPU_ERROR_TIMEOUT], 1);
    assert_ends(&process, VGPU_WORKER_EXIT_DEADLINE);
    assert_logged(&process, "request 4711 has not ended within 100 ms");
    process_clear(&process);
}

/* vgpud has another configuration by now. */
static void test_other_deadline(void **state)
{
    (void)state;
    Process process;
    Answer answer;

    process_start_and_wait(&process,
                           OPTIONS("--backend=fault", "--device=hang", "--timeout-ms=3600000"));
    atomic_store(&process.page->timeout_ms, 100);
    assert_int_equal(process_call(&process, VGPU_OP_VECTOR_ADD, 2, 1, 2, &answer),
                     VGPU_ERROR_TIMEOUT);
    assert_ends(&process, VGPU_WORKER_EXIT_DEADLINE);
    process_clear(&process);
}

/* The deadline falls on the very end of the work: there is one answer, whoever was first. */
static void test_deadline_race(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        Process process;
        Answer answer;

        process_start_and_wait(&process,
                               OPTIONS("--backend=fault", "--device=delay=5ms", "--timeout-ms=5"));
        for (guint n = 0;; n++) {
            enum vgpu_error error = process_call(&process, VGPU_OP_VECTOR_ADD, 2, n, 1, &answer);
            if (error == VGPU_ERROR_TIMEOUT || n == 20)
                break;
            assert_int_equal(error, VGPU_ERROR_NONE);
            assert_int_equal(answer.response.results[0], n + 1);
        }
        gboolean late = answer.header.error == VGPU_ERROR_TIMEOUT;
        if (late)
            assert_false(process_receive(&process, &answer));
        assert_ends(&process, late ? VGPU_WORKER_EXIT_DEADLINE : VGPU_WORKER_EXIT_CLOSED);
        process_clear(&process);
    }
}

static void test_crash(void **state)
{
    (void)state;
    Process process;
    Answer answer;

    process_start_and_wait(&process, OPTIONS("--backend=fault", "--device=crash,after=1"));
    assert_int_equal(process_call(&process, VGPU_OP_VECTOR_ADD, 2, 1, 2, &answer), 0);
    process_send_request(&process, VGPU_OP_VECTOR_ADD, 2, 1, 2);
    assert_false(process_receive(&process, &answer));
    int status = process_end(&process);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    process_clear(&process);
}

static void test_failures(void **state)
{
    (void)state;
    Process process;
    Answer answer;

    process_start_and_wait(&process, OPTIONS("--backend=fault", "--device=fail,every=2"));
    for (int i = 0; i < 200; i++)
        assert_int_equal(process_call(&process, VGPU_OP_VECTOR_ADD, 2, 1, 2, &answer),
                         i % 2 == 0 ? VGPU_ERROR_NONE : VGPU_ERROR_EXECUTION_FAILED);
    assert_int_equal(answer.response.result_count, 0);
    assert_int_equal(process.page->errors[VGPU_ERROR_EXECUTION_FAILED], 100);
    assert_ends(&process, VGPU_WORKER_EXIT_CLOSED);
    assert_logged(&process, "this failure was asked for (100 so far)");
    assert_true(count_lines(&process) <= 5);
    process_clear(&process);
}

/* A lost device does not come back to the process that had it: the request is answered, and the
 * worker ends for another one to open it. */
static void test_lost(void **state)
{
    (void)state;
    Process process;
    Answer answer;

    process_start_and_wait(&process, OPTIONS("--backend=fault", "--device=lost,after=1"));
    assert_int_equal(process_call(&process, VGPU_OP_VECTOR_ADD, 2, 1, 2, &answer), 0);
    assert_int_equal(process_call(&process, VGPU_OP_VECTOR_ADD, 2, 1, 2, &answer),
                     VGPU_ERROR_EXECUTION_FAILED);
    assert_false(process_receive(&process, &answer));
    assert_ends(&process, VGPU_WORKER_EXIT_LOST);
    assert_logged(&process, "the device is lost");
    process_clear(&process);
}

/* Without a device the worker lives on: the guest learns of it request by request. */
static void test_no_device(void **state)
{
    (void)state;
    static const char *const devices[][2] = {
        {"--device=open-fail", "was asked for"},
        {"--device=nonsense", "\"nonsense\" is not understood"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(devices); i++) {
        Process process;
        Answer answer;

        assert_int_equal(
            process_start_and_wait(&process, OPTIONS("--backend=fault", devices[i][0])),
            VGPU_PAGE_FAILED);
        assert_int_equal(process_call(&process, VGPU_OP_VECTOR_ADD, 2, 1, 2, &answer),
                         VGPU_ERROR_EXECUTION_FAILED);
        assert_int_equal(process_call(&process, VGPU_OP_DEVICE_INFO, 0, 0, 0, &answer),
                         VGPU_ERROR_EXECUTION_FAILED);
        assert_int_equal(process_call(&process, VGPU_OP_NOP, 0, 0, 0, &answer), VGPU_ERROR_NONE);
        g_autofree char *failure = vgpu_page_get_text(process.page->failure);
        assert_non_null(strstr(failure, devices[i][1]));
        assert_ends(&process, VGPU_WORKER_EXIT_CLOSED);
        process_clear(&process);
    }
}

static void test_open_hangs(void **state)
{
    (void)state;
    Process process;
    Answer answer;

    process_start(&process,
                  OPTIONS("--backend=fault", "--device=open-hang", "--open-timeout-ms=100"));
    assert_false(process_receive(&process, &answer));
    assert_ends(&process, VGPU_WORKER_EXIT_OPEN);
    assert_int_equal(process.page->state, VGPU_PAGE_FAILED);
    g_autofree char *failure = vgpu_page_get_text(process.page->failure);
    assert_string_equal(failure, "opening the device took longer than 100 ms");
    process_clear(&process);
}

static void test_rate(void **state)
{
    (void)state;
    Process process;
    Answer answer;
    guint served = 0;

    process_start(&process, OPTIONS("--backend=null"));
    vgpu_page_set_limits(process.page, &(VgpuLimits){{1, 3}}, FALSE);
    for (int i = 0; i < 40; i++)
        process_send_request(&process, VGPU_OP_NOP, 0, 0, 0);
    gint64 start_us = g_get_monotonic_time();
    for (int i = 0; i < 40; i++) {
        assert_true(process_receive(&process, &answer));
        assert_int_equal(answer.header.sequence, i + 1);
        assert_true(answer.header.error == VGPU_ERROR_NONE ||
                    answer.header.error == VGPU_ERROR_RATE_LIMITED);
        served += answer.header.error == VGPU_ERROR_NONE;
    }
    gint64 seconds = (g_get_monotonic_time() - start_us) / G_USEC_PER_SEC;
    assert_in_range(served, 3, 4 + seconds);
    assert_int_equal(process.page->errors[VGPU_ERROR_RATE_LIMITED], 40 - served);

    /* A change holds for the very next request. */
    vgpu_page_set_limits(process.page, &(VgpuLimits){{0}}, FALSE);
    for (int i = 0; i < 40; i++) {
        process_send_request(&process, VGPU_OP_NOP, 0, 0, 0);
        assert_true(process_receive(&process, &answer));
        assert_int_equal(answer.header.error, VGPU_ERROR_NONE);
    }
    assert_ends(&process, VGPU_WORKER_EXIT_CLOSED);
    process_clear(&process);
}

/* A valid request with some bytes changed, and any length: all are answered, the log stays short.
 */
static void test_malformed_requests(void **state)
{
    (void)state;
    enum { ROUNDS = 1000, BATCH = 100 };
    const struct vgpu_request valid = {.opcode = VGPU_OP_VECTOR_ADD, .param_count = 2};
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    Process process;
    Answer answer;

    process_start_and_wait(&process, OPTIONS("--backend=null"));
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BATCH; i++) {
            guint8 bytes[VGPU_BUFFER_SIZE] = {0};

            vgpu_request_encode(&valid, bytes, sizeof(bytes));
            for (int changes = g_rand_int_range(random, 0, 4); changes > 0; changes--)
                bytes[g_rand_int_range(random, 0, 40)] = (guint8)g_rand_int(random);
            process_send(&process, bytes,
                         i % 2 == 0 ? 40 : (gsize)g_rand_int_range(random, 1, 1025));
        }
        for (int i = BATCH; i > 0; i--) {
            assert_true(process_receive(&process, &answer));
            assert_true(answer.header.sequence == process.sequence - (guint64)i + 1);
        }
    }
    assert_int_equal(process.page->requests, ROUNDS * BATCH + 1);
    assert_true(process.page->errors[VGPU_ERROR_INVALID_REQUEST] > ROUNDS);
    assert_true(process.page->errors[VGPU_ERROR_UNSUPPORTED] > ROUNDS);
    assert_int_equal(process_call(&process, VGPU_OP_VECTOR_ADD, 2, 1, 2, &answer), 0);
    assert_ends(&process, VGPU_WORKER_EXIT_CLOSED);
    assert_true(count_lines(&process) <= 20);
    process_clear(&process);
}

/* What no device sends: the worker does not guess, it ends. */
static void test_malformed_packets(void **state)
{
    (void)state;
    static const struct {
        struct vgpu_channel_header header;
        gsize length;
    } cases[] = {
        {{.type = VGPU_CHANNEL_REQUEST, .length = 0}, 24},
        {{.type = VGPU_CHANNEL_REQUEST, .length = 41}, 24 + 40},
        {{.type = VGPU_CHANNEL_REQUEST, .length = 1025}, 24 + 1025},
        {{.type = VGPU_CHANNEL_REQUEST, .length = 40, .error = 1}, 24 + 40},
        {{.type = VGPU_CHANNEL_RESPONSE, .length = 40}, 24 + 40},
        {{.type = 3, .length = 40}, 24 + 40},
        {{.type = VGPU_CHANNEL_REQUEST}, 1},
        {{.type = VGPU_CHANNEL_REQUEST, .length = 40}, 8000},
        {{.type = VGPU_CHANNEL_REQUEST, .length = 1024}, 8000}, /* its beginning would fit */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint8 packet[8000] = {0};
        Process process;
        Answer answer;

        process_start_and_wait(&process, OPTIONS("--backend=null"));
        vgpu_channel_encode(&cases[i].header, packet);
        assert_int_equal(send(process.channel, packet, cases[i].length, 0), cases[i].length);
        assert_false(process_receive(&process, &answer));
        assert_ends(&process, VGPU_WORKER_EXIT_PACKET);
        assert_logged(&process, "vgpu-worker[test-vm]: error: QEMU sent a malformed packet");
        process_clear(&process);
    }
}

static void test_bad_options(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"--timeout-ms=0", "--timeout-ms is required and lies between 1 and 3600000, not 0"},
        {"--timeout-ms=3600001", "--timeout-ms is required"},
        {"--timeout-ms=x", "x"},
        {"--vm-id=-1", "--vm-id is required"},
        {"--vm-id=4294967296", "--vm-id is required"},
        {"--burst=1", "Unknown option --burst=1"},
        {"--groups=4,x", "--groups takes numbers"},
        {"--groups=0", "--groups takes numbers"},
        {"--cache-dir=x", "--cache-dir takes an absolute path"},
        {"--channel-fd=2", "--channel-fd is required"},
        {"--channel-fd=999", "--channel-fd is not a seqpacket socket"},
        {"--page-fd=999", "page"},
        {"--queues=65", "--queues is required and lies between 0 and 64"},
        {"--queues=1", "--shm-fd is required"},
        {"extra", "\"extra\" is not understood"},
        {"--colour", "--colour"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Process process;
        Answer answer;

        process_start(&process, OPTIONS("--backend=null", cases[i][0]));
        assert_false(process_receive(&process, &answer));
        assert_ends(&process, VGPU_WORKER_EXIT_FAILURE);
        assert_logged(&process, cases[i][1]);
        process_clear(&process);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serves),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_other_deadline),
        cmocka_unit_test(test_deadline_race),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_no_device),
        cmocka_unit_test(test_open_hangs),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_malformed_requests),
        cmocka_unit_test(test_malformed_packets),
        cmocka_unit_test(test_bad_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
