/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvgpu's one context in the hands of many threads, each with calls of its own kind, while
 * another one opens it anew. Also run with ThreadSanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "vgpu.h"

#define ROUNDS 300

static VgpuContext *gpu;
static atomic_int reopened;

/* What may come of a call while the context is opened anew. */
static int bearable(int code)
{
    return code == VGPU_OK || code == VGPU_E_LOST ||
           (atomic_load(&reopened) > 0 && code == VGPU_E_HANDLE);
}

/* Reads whose bytes arrive while others wait. */
static int read_async(unsigned int i)
{
    uint8_t pattern = (uint8_t)i, bytes[5000] = {0};
    VgpuBuffer buffer;
    VgpuTicket ticket;

    int code = vgpu_buffer_create(gpu, sizeof(bytes), &buffer);
    if (code == VGPU_OK)
        code = vgpu_buffer_fill(gpu, buffer, 0, sizeof(bytes), &pattern, 1, NULL);
    if (code == VGPU_OK)
        code = vgpu_buffer_read_async(gpu, buffer, 0, bytes, sizeof(bytes), NULL, &ticket);
    if (code != VGPU_OK)
        return code;
    do {
        code = i % 2 == 0 ? vgpu_wait(gpu, ticket, 1) : vgpu_test(gpu, ticket);
    } while (code == VGPU_E_AGAIN);
    if (code == VGPU_OK && (bytes[0] != pattern || bytes[sizeof(bytes) - 1] != pattern))
        return -1;
    return code == VGPU_OK ? vgpu_release(gpu, buffer) : code;
}

static int drop(unsigned int i)
{
    VgpuTicket ticket;

    (void)i;
    int code = vgpu_nop_async(gpu, &ticket);
    if (code == VGPU_OK)
        vgpu_drop(gpu, ticket);
    return code == VGPU_OK ? vgpu_barrier(gpu) : code;
}

/* Many commands without an answer: the ring is full. */
static int write_much(unsigned int i)
{
    uint8_t bytes[64];
    VgpuBuffer buffer;

    memset(bytes, (int)i, sizeof(bytes));
    int code = vgpu_buffer_create(gpu, sizeof(bytes), &buffer);
    for (int j = 0; j < 30 && code == VGPU_OK; j++)
        code = vgpu_buffer_write(gpu, buffer, 0, bytes, sizeof(bytes), NULL);
    return code == VGPU_OK ? vgpu_release(gpu, buffer) : code;
}

static int add(unsigned int i)
{
    uint32_t sum;

    int code = vgpu_vector_add(gpu, i, 7, &sum);
    return code == VGPU_OK && sum != i + 7 ? -2 : code;
}

static int ask(unsigned int i)
{
    const VgpuDeviceInfo *info;

    vgpu_set_spin(gpu, i % 3 == 0 ? VGPU_SPIN_ADAPTIVE : (long)(i % 3 - 1) * 20);
    if (atomic_load(&reopened) < 0) { /* else it may go away any time */
        int code = vgpu_device_info(gpu, &info);
        if (code != VGPU_OK)
            return code;
        if (info->compute_units != 7)
            return -3;
    }
    return vgpu_nop(gpu);
}

static int (*const kinds[])(unsigned int i) = {read_async, drop, write_much, add, ask, add};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct caller {
    pthread_t thread;
    size_t kind;
    int code;
};

static void *call(void *data)
{
    struct caller *caller = data;

    for (unsigned int i = 0; i < ROUNDS; i++) {
        int code = kinds[caller->kind](i);

        if (!bearable(code)) {
            caller->code = code;
            print_message("call %zu: %s\n", caller->kind, vgpu_last_error());
            return NULL;
        }
    }
    return NULL;
}

static void run(int anew)
{
    struct caller callers[2 * KINDS] = {0};

    atomic_store(&reopened, anew > 0 ? 0 : -1);
    assert_int_equal(vgpu_open(&gpu, NULL), VGPU_OK);
    for (size_t i = 0; i < 2 * KINDS; i++) {
        callers[i].kind = i % KINDS;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < anew; i++) {
        atomic_store(&reopened, i + 1);
        assert_int_equal(vgpu_reopen(gpu), VGPU_OK);
    }
    for (size_t i = 0; i < 2 * KINDS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].code, 0);
    }
    assert_int_equal(vgpu_finish(gpu) & ~VGPU_E_HANDLE, VGPU_OK);
    vgpu_close(gpu);
}

static void test_all_kinds(void **state)
{
    (void)state;
    run(0);
}

static void test_opened_anew(void **state)
{
    (void)state;
    run(20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds),
        cmocka_unit_test(test_opened_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
