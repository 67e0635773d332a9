/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "build-log.h"

static void check(const char *text, const char *expected)
{
    /* Of just that size, so that a byte beyond it is found. */
    const gsize length = strlen(text);
    g_autofree guint8 *copy = g_memdup2(text, length);
    const gsize left = vgpu_build_log_strip_folders(copy, length);

    assert_int_equal(left, strlen(expected));
    if (left > 0)
        assert_memory_equal(copy, expected, left);
}

static void test_paths(void **state G_GNUC_UNUSED)
{
    check("/var/cache/vgpud/0e-7/PoCL/tempfile_a.cl:1:5: error: x", "tempfile_a.cl:1:5: error: x");
    check("warning: /a/b.cl:1:1\nerror: /a/c.cl:2:2", "warning: b.cl:1:1\nerror: c.cl:2:2");
    check("In file included from /usr/share/pocl/include/_kernel.h:7:",
          "In file included from _kernel.h:7:");
    check("'/etc/shadow' file not found", "'shadow' file not found");
    check("-I/usr/include/x", "-I/usr/include/x"); /* the guest's own option */
    check("/a/b/", "");
    check("in /a/b/ there", "in  there");
    check("/caf\xc3\xa9/x", "x");
}

static void test_other_text(void **state G_GNUC_UNUSED)
{
    static const char *const texts[] = {
        "",         "/",         "//",    "// a/b/c", "/* a/b/c */", "x = a/b/c", "(a)/b/c",
        "a[1]/b/c", "1 / 2 / 3", "/file", "and/or",   "./here/it",   "/*x*/y/z"};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        check(texts[i], texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_other_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
