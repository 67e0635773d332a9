/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "example-model.h"
#include "metrics.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)

static int set_up(void **state)
{
    *state = example_model_new();
    return 0;
}

static int tear_down(void **state)
{
    example_model_free(*state);
    return 0;
}

static char *read_text(const ExampleModel *example, guint later_s)
{
    return vgpu_metrics_text(&example->model,
                             (guint64)g_get_monotonic_time() * 1000 + later_s * SECOND);
}

static void assert_line(const char *text, const char *line)
{
    g_autofree char *whole = g_strconcat("\n", line, "\n", NULL);

    if (strstr(text, whole) == NULL)
        fail_msg("'%s' is not a line of:\n%s", line, text);
}

#define WEB "vm=\"web\",uuid=\"" EXAMPLE_UUID "\""

static void test_counters(void **state)
{
    ExampleModel *example = *state;
    g_autofree char *text = read_text(example, 1);

    assert_line(text, "# TYPE vgpud_vm_requests_total counter");
    assert_line(text, "vgpud_vm_requests_total{" WEB "} 1000");
    assert_line(text, "vgpud_vm_errors_total{" WEB ",error=\"timeout\"} 2");
    assert_line(text, "vgpud_vm_device_seconds_total{" WEB "} 0.005000000");
    assert_line(text, "vgpud_vm_received_bytes_total{" WEB "} 40000");
    assert_line(text, "vgpud_vm_worker_faults_total{" WEB "} 2");
    assert_line(text, "vgpud_vm_faults_total{" WEB ",kind=\"deadline\"} 2");
    assert_line(text, "vgpud_vm_faults_total{" WEB ",kind=\"invalid-requests\"} 0");
    assert_line(text, "vgpud_vm_quarantines_total{" WEB "} 0");
    assert_line(text, "vgpud_vm_info{" WEB ",pool=\"A\",member=\"gpu0\",priority=\"high\","
                      "state=\"serving\"} 1");
    assert_line(text, "vgpud_pool_requests_total{pool=\"A\"} 1000");
    assert_line(text, "vgpud_pool_requests_total{pool=\"B\"} 0");
    assert_line(text, "vgpud_pool_vms{pool=\"A\"} 1");
    assert_line(text, "vgpud_libvirt_connected 1");
    assert_true(g_str_has_suffix(text, "\n"));
}

static void test_draining(void **state)
{
    ExampleModel *example = *state;
    const VgpuPool *pool = vgpu_pools_get(example->pools, 'A');
    VgpuMember *first = pool->members->pdata[0], *second = pool->members->pdata[1];

    first->draining = second->draining = TRUE;
    second->drain_reason = g_strdup("it failed");
    g_autofree char *text = read_text(example, 1);
    assert_line(text, "vgpud_member_draining{pool=\"A\",member=\"gpu0\",by=\"operator\"} 1");
    assert_line(text, "vgpud_member_draining{pool=\"A\",member=\"gpu0\",by=\"breaker\"} 0");
    assert_line(text, "vgpud_member_draining{pool=\"A\",member=\"gpu1\",by=\"operator\"} 0");
    assert_line(text, "vgpud_member_draining{pool=\"A\",member=\"gpu1\",by=\"breaker\"} 1");
    assert_line(text, "vgpud_member_draining{pool=\"B\",member=\"none\",by=\"operator\"} 0");
}

static void test_histogram(void **state)
{
    ExampleModel *example = *state;
    VgpuPage *page = example->serving->page;

    atomic_store(&page->waits[0], 1);
    atomic_store(&page->waits[3], 2);
    atomic_store(&page->waits[VGPU_PAGE_WAITS - 1], 4);
    atomic_store(&page->wait_ns, 1500000001);
    g_autofree char *text = read_text(example, 1);
    assert_line(text, "# TYPE vgpud_vm_wait_seconds histogram");
    assert_line(text, "vgpud_vm_wait_seconds_bucket{" WEB ",le=\"1e-06\"} 1");
    assert_line(text, "vgpud_vm_wait_seconds_bucket{" WEB ",le=\"4e-06\"} 1");
    assert_line(text, "vgpud_vm_wait_seconds_bucket{" WEB ",le=\"8e-06\"} 3");
    assert_line(text, "vgpud_vm_wait_seconds_bucket{" WEB ",le=\"8.388608\"} 3");
    assert_line(text, "vgpud_vm_wait_seconds_bucket{" WEB ",le=\"+Inf\"} 7");
    assert_line(text, "vgpud_vm_wait_seconds_count{" WEB "} 7");
    assert_line(text, "vgpud_vm_wait_seconds_sum{" WEB "} 1.500000001");
    assert_line(text, "vgpud_pool_wait_seconds_count{pool=\"A\"} 7");
}

/* What is held counts only while there is a worker that holds it. */
static void test_held(void **state)
{
    ExampleModel *example = *state;

    atomic_store(&example->serving->page->used[VGPU_QUOTA_MEMORY], 4096);
    g_autofree char *text = read_text(example, 1);
    assert_line(text, "vgpud_vm_memory_bytes{" WEB "} 4096");
    example->serving->worker_pid = 0;
    g_autofree char *without = read_text(example, 1);
    assert_line(without, "vgpud_vm_memory_bytes{" WEB "} 0");
}

/* Names are people's; nothing in them ends a label or a line. */
static void test_names_are_escaped(void **state)
{
    ExampleModel *example = *state;

    g_free(example->serving->name);
    example->serving->name = g_strdup("a\"b\\c\nd\xff");
    g_autofree char *text = read_text(example, 1);
    assert_line(text,
                "vgpud_vm_requests_total{vm=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\",uuid=\"" EXAMPLE_UUID
                "\"} 1000");
}

/* A page that jumps: its pool's sum still shows what others add, and nothing falls. */
static void test_hostile_page(void **state)
{
    ExampleModel *example = *state;
    VgpuPage *page = example->serving->page;

    memset((char *)page + sizeof(page->version), 0xff, sizeof(*page) - sizeof(page->version));
    g_autofree char *text = read_text(example, 1);
    assert_true(g_utf8_validate(text, -1, NULL));
    const guint64 first =
        vgpu_sessions_accounts(example->sessions, 'A', 0)->count[VGPU_ACCOUNT_BYTES_IN];
    assert_in_range(first, 1, 1000 * VGPU_ACCOUNTS_PER_NS * SECOND);
    memset((char *)page + sizeof(page->version), 0, sizeof(*page) - sizeof(page->version));
    g_autofree char *again = read_text(example, 2);
    assert_non_null(again);
    assert_int_equal(
        vgpu_sessions_accounts(example->sessions, 'A', 0)->count[VGPU_ACCOUNT_BYTES_IN], first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_histogram, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_draining, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_are_escaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_page, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
