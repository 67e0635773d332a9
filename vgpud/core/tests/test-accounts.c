/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "accounts.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)

static void test_sums(void **state)
{
    (void)state;
    VgpuPage web = {0}, db = {0};
    VgpuAccounts web_seen = {{0}}, db_seen = {{0}}, total = {{0}};

    web.requests = 10;
    web.errors[VGPU_ERROR_TIMEOUT] = 2;
    web.waits[3] = 5;
    db.requests = 7;
    vgpu_accounts_look(&web_seen, &web, SECOND, &total);
    vgpu_accounts_look(&db_seen, &db, SECOND, &total);
    vgpu_accounts_look(&web_seen, &web, SECOND, &total); /* a look alone adds nothing */
    assert_int_equal(web_seen.count[VGPU_ACCOUNT_REQUESTS], 10);
    assert_int_equal(total.count[VGPU_ACCOUNT_REQUESTS], 17);
    assert_int_equal(total.count[VGPU_ACCOUNT_ERRORS + VGPU_ERROR_TIMEOUT], 2);
    assert_int_equal(total.count[VGPU_ACCOUNT_WAITS + 3], 5);
    web.requests = 11;
    vgpu_accounts_look(&web_seen, &web, SECOND, &total);
    assert_int_equal(total.count[VGPU_ACCOUNT_REQUESTS], 18);
    vgpu_accounts_look(&web_seen, &web, SECOND, NULL);
}

static void test_nothing_runs_backwards(void **state)
{
    (void)state;
    VgpuPage page = {0};
    VgpuAccounts seen = {{0}}, total = {{0}};

    page.bytes_in = 1000;
    vgpu_accounts_look(&seen, &page, SECOND, &total);
    page.bytes_in = 10;
    vgpu_accounts_look(&seen, &page, SECOND, &total);
    assert_int_equal(seen.count[VGPU_ACCOUNT_BYTES_IN], 1000);
    assert_int_equal(total.count[VGPU_ACCOUNT_BYTES_IN], 1000);
    page.bytes_in = 1001; /* it was 1000 before: what is told twice counts once */
    vgpu_accounts_look(&seen, &page, SECOND, &total);
    assert_int_equal(total.count[VGPU_ACCOUNT_BYTES_IN], 1001);
}

/* A jump counts only as far as the time allows, so an honest neighbour's part can still be seen. */
static void test_a_jump_is_cut(void **state)
{
    (void)state;
    VgpuPage bad = {0}, good = {0};
    VgpuAccounts bad_seen = {{0}}, good_seen = {{0}}, total = {{0}};

    good.device_ns = 5;
    vgpu_accounts_look(&good_seen, &good, SECOND, &total);
    bad.device_ns = G_MAXUINT64;
    vgpu_accounts_look(&bad_seen, &bad, SECOND, &total);
    assert_int_equal(total.count[VGPU_ACCOUNT_DEVICE_NS], 5 + 100 * SECOND);
    vgpu_accounts_look(&bad_seen, &bad, 0, &total);
    assert_int_equal(total.count[VGPU_ACCOUNT_DEVICE_NS], 5 + 100 * SECOND);
    good.device_ns = 9;
    vgpu_accounts_look(&good_seen, &good, SECOND, &total);
    assert_int_equal(total.count[VGPU_ACCOUNT_DEVICE_NS], 9 + 100 * SECOND);
}

static void test_no_overflow(void **state)
{
    (void)state;
    VgpuPage page = {0};
    VgpuAccounts total = {{0}};

    page.requests = G_MAXUINT64;
    for (int i = 0; i < 3; i++) {
        VgpuAccounts seen = {{0}};

        vgpu_accounts_look(&seen, &page, G_MAXUINT64, &total);
        assert_int_equal(seen.count[VGPU_ACCOUNT_REQUESTS], G_MAXINT64);
        assert_int_equal(total.count[VGPU_ACCOUNT_REQUESTS], G_MAXINT64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_nothing_runs_backwards),
        cmocka_unit_test(test_a_jump_is_cut),
        cmocka_unit_test(test_no_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
