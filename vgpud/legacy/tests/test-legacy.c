/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bridge over real directories and real workers (null and fault backends). The test plays the
 * guests. Needs root, as the worker's sandbox does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "legacy.h"

#define GUARD_MS 60000 /* a test that waits this long has failed */

typedef struct {
    char *folder;
    char *base;
    VgpuSettings *settings;
    VgpuDispatcher *dispatcher;
    VgpuSessions *sessions;
    VgpuLegacy *legacy;
    guint places_free;
    VgpuCustodies *custodies;
    char *quarantined; /* UUID, as the handler was told last */
    VgpuQuarantine kept;
} Fixture;

static void on_place_free(gpointer data)
{
    ((Fixture *)data)->places_free++;
}

static void on_recall(VgpuSession *session, gpointer data)
{
    const Fixture *fixture = data;

    if (g_strcmp0(fixture->quarantined, session->uuid) == 0)
        vgpu_quarantine_copy(&session->quarantine, &fixture->kept);
}

static void on_note(const VgpuSession *session, gpointer data)
{
    Fixture *fixture = data;

    g_free(fixture->quarantined);
    fixture->quarantined = g_strdup(session->uuid);
    vgpu_quarantine_copy(&fixture->kept, &session->quarantine);
}

static void on_blame(const VgpuSession *session G_GNUC_UNUSED, const char *device_key,
                     gpointer data G_GNUC_UNUSED)
{
    assert_true(g_str_has_prefix(device_key, "fault:"));
}

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->folder = g_dir_make_tmp("vgpu-legacy-XXXXXX", NULL);
    g_chmod(fixture->folder, 0711); /* the workers pass through it */
    fixture->base = g_build_filename(fixture->folder, "srv", NULL);
    g_mkdir(fixture->base, 0755);
    fixture->dispatcher = vgpu_dispatcher_new(NULL);
    fixture->sessions = vgpu_sessions_new();
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;

    g_clear_pointer(&fixture->legacy, vgpu_legacy_free);
    vgpu_sessions_free(fixture->sessions);
    g_clear_pointer(&fixture->custodies, vgpu_custodies_free);
    vgpu_quarantine_clear(&fixture->kept);
    vgpu_dispatcher_free(fixture->dispatcher);
    g_clear_pointer(&fixture->settings, vgpu_settings_free);
    g_autoptr(GSubprocess) rm =
        g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, NULL, "rm", "-rf", fixture->folder, NULL);
    g_subprocess_wait(rm, NULL, NULL);
    g_free(fixture->quarantined);
    g_free(fixture->base);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

static void add_pool(Fixture *fixture, char letter, const char *backend, const char *device,
                     const char *more)
{
    g_autofree char *text = g_strdup_printf(
        "[pool]\nname=%c\n%s[member only]\nbackend=%s\ndevice=%s\n", letter, more, backend, device);

    if (fixture->settings->pools == NULL)
        fixture->settings->pools = vgpu_pools_new();
    assert_true(vgpu_pools_add(fixture->settings->pools, text, strlen(text), "test", NULL));
}

/* Pool A with @backend and @device; @more are settings. The bridge is not there yet. */
static void configure(Fixture *fixture, const char *backend, const char *device, const char *more)
{
    static const VgpuCustodyHandlers custody_handlers = {on_recall, on_note, on_blame};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdup_printf(
        "[vgpud]\nrun-dir=%s\ncache-dir=%s\nworker=%s\n%s[legacy]\ndirectory=%s\n", fixture->folder,
        fixture->folder, g_getenv("VGPU_WORKER"), more, fixture->base);

    fixture->settings = vgpu_settings_parse(text, strlen(text), "test", &error);
    assert_non_null(fixture->settings);
    fixture->custodies = vgpu_custodies_new(fixture->settings, &custody_handlers, fixture);
    add_pool(fixture, 'A', backend, device, "");
}

static void begin(Fixture *fixture)
{
    static const VgpuLegacyHandlers handlers = {on_place_free};
    g_autoptr(GError) error = NULL;

    fixture->legacy = vgpu_legacy_new(fixture->settings, fixture->sessions, fixture->dispatcher,
                                      fixture->custodies, &handlers, fixture, &error);
    assert_non_null(fixture->legacy);
}

static char *path_of(const Fixture *fixture, const char *vm, const char *name)
{
    return g_build_filename(fixture->base, vm, name, NULL);
}

static void make_vm(const Fixture *fixture, const char *vm)
{
    g_autofree char *path = g_build_filename(fixture->base, vm, NULL);

    assert_int_equal(g_mkdir(path, 0777), 0);
}

/* As a guest does it: not by a rename. */
static void request(const Fixture *fixture, const char *vm, const char *text)
{
    g_autofree char *path = path_of(fixture, vm, "request.txt");
    FILE *file = g_fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* The response, once it is there. */
static char *read_response(const Fixture *fixture, const char *vm)
{
    g_autofree char *path = path_of(fixture, vm, "response.txt");
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

static gboolean on_guard(gpointer data G_GNUC_UNUSED)
{
    g_error("nothing happened for %d ms", GUARD_MS);
    return G_SOURCE_REMOVE;
}

/* Nothing tells us of another's file: looks whenever anything has happened, and often. */
static gboolean on_tick(gpointer data G_GNUC_UNUSED)
{
    return G_SOURCE_CONTINUE;
}

#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        guint guard = g_timeout_add(GUARD_MS, on_guard, NULL);                                     \
        guint tick = g_timeout_add(5, on_tick, NULL);                                              \
        while (!(condition))                                                                       \
            g_main_context_iteration(NULL, TRUE);                                                  \
        g_source_remove(guard);                                                                    \
        g_source_remove(tick);                                                                     \
    } while (0)

static void expect(const Fixture *fixture, const char *vm, const char *expected)
{
    g_autofree char *text = NULL;

    WAIT_UNTIL((text = read_response(fixture, vm)) != NULL);
    assert_string_equal(text, expected);
}

static void ask(const Fixture *fixture, const char *vm, const char *text, const char *expected)
{
    request(fixture, vm, text);
    /* The answer of before goes when the request is taken. */
    g_autofree char *path = path_of(fixture, vm, "request.txt");
    WAIT_UNTIL(!g_file_test(path, G_FILE_TEST_EXISTS));
    expect(fixture, vm, expected);
}

static VgpuSession *session_of(const Fixture *fixture, const char *vm)
{
    g_autoptr(GPtrArray) all = vgpu_sessions_list(fixture->sessions);
    g_autofree char *name = g_strdup_printf("legacy:%s", vm);

    for (guint i = 0; i < all->len; i++)
        if (strcmp(((VgpuSession *)all->pdata[i])->name, name) == 0)
            return all->pdata[i];
    return NULL;
}

static guint64 answered(const Fixture *fixture, const char *vm)
{
    return atomic_load(&session_of(fixture, vm)->page->requests);
}

static void test_serves(void **state)
{
    Fixture *fixture = *state;

    configure(fixture, "null", "", "");
    make_vm(fixture, "web");
    begin(fixture);
    assert_null(session_of(fixture, "web"));
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
    ask(fixture, "web", "A:2:3:-20:-22\n", "-42\n");

    const VgpuSession *session = session_of(fixture, "web");
    assert_int_equal(session->state, VGPU_SESSION_SERVING);
    assert_int_equal(session->vm_id, VGPU_VM_ID_MAX + 1);
    assert_int_equal(session->priority, VGPU_PRIORITY_HIGH);
    assert_int_equal(session->member->used, 1);
    assert_int_equal(answered(fixture, "web"), 2);
}

static void test_directories_come_and_go(void **state)
{
    Fixture *fixture = *state;

    configure(fixture, "null", "", "");
    begin(fixture);
    make_vm(fixture, "one");
    make_vm(fixture, "two");
    ask(fixture, "one", "A:1:1:1:2\n", "3\n");
    ask(fixture, "two", "A:1:2:3:4\n", "7\n");
    assert_int_not_equal(session_of(fixture, "one")->vm_id, session_of(fixture, "two")->vm_id);

    g_autoptr(VgpuSession) one = vgpu_session_ref(session_of(fixture, "one"));
    g_autofree char *from = g_build_filename(fixture->base, "one", NULL);
    g_autofree char *to = g_build_filename(fixture->base, "three", NULL);
    assert_int_equal(g_rename(from, to), 0);
    WAIT_UNTIL(one->state == VGPU_SESSION_ENDED);
    assert_null(session_of(fixture, "one"));
    ask(fixture, "three", "A:1:1:5:6\n", "11\n");
    assert_string_not_equal(session_of(fixture, "three")->uuid, one->uuid);
}

static void test_partial_writes(void **state)
{
    Fixture *fixture = *state;

    configure(fixture, "null", "", "");
    make_vm(fixture, "web");
    make_vm(fixture, "db");
    begin(fixture);
    request(fixture, "web", "A:1:3:2");
    /* When another's is answered, this one has long been looked at. */
    ask(fixture, "db", "A:1:4:1:1\n", "2\n");
    ask(fixture, "db", "A:1:4:1:2\n", "3\n");
    assert_null(read_response(fixture, "web"));
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
    assert_int_equal(answered(fixture, "web"), 1);
}

static void test_errors(void **state)
{
    Fixture *fixture = *state;

    configure(fixture, "null", "", "");
    make_vm(fixture, "web");
    begin(fixture);
    ask(fixture, "web", "give me 42\n", "ERROR 0x01 invalid-request\n");
    ask(fixture, "web", "Q:1:3:20:22\n", "ERROR 0x06 invalid-pool\n");
    assert_null(session_of(fixture, "web")); /* it had no request yet that is one */
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
    ask(fixture, "web", "Q:1:3:20:22\n", "ERROR 0x06 invalid-pool\n");
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
}

/* When it was answered. */
static gint64 answered_ns(const Fixture *fixture, const char *vm)
{
    g_autofree char *path = path_of(fixture, vm, "response.txt");
    struct stat info;

    assert_int_equal(stat(path, &info), 0);
    return (gint64)info.st_ctim.tv_sec * 1000000000 + info.st_ctim.tv_nsec;
}

static void test_order_of_what_is_there_at_the_start(void **state)
{
    Fixture *fixture = *state;
    static const struct {
        const char *vm, *text;
    } requests[] = {
        {"a-low", "A:0:1:1:1\n"},  {"b-low", "B:0:2:2:2\n"},    {"c-medium", "A:1:3:3:3\n"},
        {"d-high", "B:2:4:4:4\n"}, {"e-medium", "A:1:5:5:5\n"},
    };
    static const char *const expected[] = {"d-high", "c-medium", "e-medium", "a-low", "b-low"};

    /* Each takes long enough for the file system's clock to tell them apart. */
    configure(fixture, "fault", "delay=30ms", "");
    add_pool(fixture, 'B', "fault", "delay=30ms", "");
    for (guint i = 0; i < G_N_ELEMENTS(requests); i++) {
        make_vm(fixture, requests[i].vm);
        request(fixture, requests[i].vm, requests[i].text);
        g_usleep(10000); /* and for it to tell when they were written */
    }
    begin(fixture);
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autofree char *text = NULL;
        WAIT_UNTIL((text = read_response(fixture, expected[i])) != NULL);
        for (guint later = i + 1; later < G_N_ELEMENTS(expected); later++)
            assert_null(read_response(fixture, expected[later]));
        if (i > 0)
            assert_true(answered_ns(fixture, expected[i - 1]) < answered_ns(fixture, expected[i]));
    }
}

static void test_no_request_runs_twice(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *response = path_of(fixture, "web", "response.txt");

    configure(fixture, "null", "", "");
    make_vm(fixture, "web");
    request(fixture, "web", "A:1:3:20:22\n");
    begin(fixture);
    expect(fixture, "web", "42\n");
    g_clear_pointer(&fixture->legacy, vgpu_legacy_free);
    g_unlink(response);
    begin(fixture);
    /* When the new one is answered, the old one would have been. */
    make_vm(fixture, "db");
    ask(fixture, "db", "A:1:4:1:1\n", "2\n");
    assert_null(session_of(fixture, "web"));
    assert_null(read_response(fixture, "web"));
}

static void test_rewritten_while_it_runs(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *path = path_of(fixture, "web", "request.txt");

    configure(fixture, "fault", "delay=300ms", "");
    make_vm(fixture, "web");
    begin(fixture);
    request(fixture, "web", "A:1:3:1:1\n");
    WAIT_UNTIL(!g_file_test(path, G_FILE_TEST_EXISTS));
    request(fixture, "web", "A:1:3:20:22\n");
    /* The answer to the first is never shown for the second's. */
    expect(fixture, "web", "42\n");
    assert_int_equal(answered(fixture, "web"), 2);
}

static void test_deadline(void **state)
{
    Fixture *fixture = *state;

    /* Long enough for a worker to start in. */
    configure(fixture, "fault", "hang,after=1", "request-timeout-ms=1000\n");
    make_vm(fixture, "web");
    begin(fixture);
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
    ask(fixture, "web", "A:1:3:20:22\n", "ERROR 0x04 timeout\n");
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
    assert_int_equal(session_of(fixture, "web")->faults.total, 1);
}

/* In epoll_wait() or epoll_pwait(), as it is called on this machine, for ever. */
static gboolean is_asleep(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/syscall", (int)pid);
    g_autofree char *text = NULL;
    unsigned long number, fd, events, count, timeout;

    return g_file_get_contents(path, &text, NULL, NULL) &&
           sscanf(text, "%lu %lx %lx %lx %lx", &number, &fd, &events, &count, &timeout) == 5 &&
           (guint32)timeout == G_MAXUINT32;
}

static void test_a_worker_that_is_stopped(void **state)
{
    Fixture *fixture = *state;

    configure(fixture, "null", "", "request-timeout-ms=1000\n");
    make_vm(fixture, "web");
    make_vm(fixture, "db");
    begin(fixture);
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
    /* Else it still has its device, and it would end since others wait for that. */
    WAIT_UNTIL(is_asleep(session_of(fixture, "web")->worker_pid));
    kill(session_of(fixture, "web")->worker_pid, SIGSTOP);
    request(fixture, "web", "A:2:3:20:22\n");
    ask(fixture, "db", "A:1:4:1:1\n", "2\n");
    expect(fixture, "web", "ERROR 0x04 timeout\n");
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
}

/* Only its own requests wait for a device that does not open. */
static void test_a_device_that_does_not_open(void **state)
{
    Fixture *fixture = *state;

    /* Far longer than what does not wait for it takes. */
    configure(fixture, "null", "", "request-timeout-ms=3000\n");
    add_pool(fixture, 'B', "fault", "open-hang", "");
    make_vm(fixture, "web");
    make_vm(fixture, "db");
    begin(fixture);
    ask(fixture, "web", "B:2:3:20:22\n", "ERROR 0x04 timeout\n");
    const pid_t worker = session_of(fixture, "web")->worker_pid;
    request(fixture, "web", "B:2:3:20:22\n"); /* waits outside of the order */
    g_autofree char *path = path_of(fixture, "web", "request.txt");
    WAIT_UNTIL(!g_file_test(path, G_FILE_TEST_EXISTS));
    ask(fixture, "db", "A:0:4:1:1\n", "2\n");
    assert_null(read_response(fixture, "web"));
    expect(fixture, "web", "ERROR 0x04 timeout\n");
    assert_int_equal(session_of(fixture, "web")->worker_pid, worker);
    /* One that ends makes way for another. */
    request(fixture, "web", "A:2:3:20:22\n");
    kill(worker, SIGKILL);
    WAIT_UNTIL(session_of(fixture, "web")->worker_pid != worker);
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
}

static void test_past_the_fault_budget(void **state)
{
    Fixture *fixture = *state;

    configure(fixture, "fault", "crash", "fault-budget=1\nquarantine-s=3600\n");
    add_pool(fixture, 'B', "null", "", "");
    make_vm(fixture, "web");
    make_vm(fixture, "db");
    begin(fixture);
    ask(fixture, "web", "A:1:3:20:22\n", "ERROR 0x05 execution-failed\n");
    ask(fixture, "web", "A:1:3:20:22\n", "ERROR 0x05 execution-failed\n");
    WAIT_UNTIL(session_of(fixture, "web")->state == VGPU_SESSION_QUARANTINED);
    ask(fixture, "web", "A:1:3:20:22\n", "ERROR 0x0b quarantined\n");
    assert_true(fixture->kept.until_us > g_get_monotonic_time());
    ask(fixture, "db", "B:1:4:1:1\n", "2\n");

    /* A vgpud that is started again knows. */
    g_clear_pointer(&fixture->legacy, vgpu_legacy_free);
    begin(fixture);
    ask(fixture, "web", "B:1:3:20:22\n", "ERROR 0x0b quarantined\n");
    ask(fixture, "db", "B:1:4:1:1\n", "2\n");
    vgpu_custody_release(vgpu_custodies_find(fixture->custodies, session_of(fixture, "web")));
    ask(fixture, "web", "B:1:3:20:22\n", "42\n");
}

static void test_malformed_requests(void **state)
{
    Fixture *fixture = *state;

    configure(fixture, "null", "", "error-budget=2\n");
    make_vm(fixture, "web");
    begin(fixture);
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
    for (int i = 0; i < 3; i++) {
        assert_int_not_equal(session_of(fixture, "web")->state, VGPU_SESSION_QUARANTINED);
        ask(fixture, "web", "nonsense\n", "ERROR 0x01 invalid-request\n");
    }
    ask(fixture, "web", "A:1:3:20:22\n", "ERROR 0x0b quarantined\n");
    assert_string_equal(fixture->kept.reason, "more than 2 invalid requests in 60 s");
    assert_int_equal(session_of(fixture, "web")->worker_pid, 0);
}

/* While it waits for an answer, which it gets. */
static void test_quarantined_by_hand(void **state)
{
    Fixture *fixture = *state;

    configure(fixture, "fault", "hang", "request-timeout-ms=60000\n");
    make_vm(fixture, "web");
    begin(fixture);
    request(fixture, "web", "A:1:3:20:22\n");
    WAIT_UNTIL(session_of(fixture, "web") != NULL &&
               session_of(fixture, "web")->state == VGPU_SESSION_SERVING);
    VgpuCustody *custody = vgpu_custodies_find(fixture->custodies, session_of(fixture, "web"));
    vgpu_custody_order(custody, 0);
    expect(fixture, "web", "ERROR 0x0b quarantined\n");
    assert_int_equal(session_of(fixture, "web")->worker_pid, 0);
    assert_int_equal(fixture->kept.until_us, VGPU_QUARANTINE_FOREVER);
    ask(fixture, "web", "A:1:3:20:22\n", "ERROR 0x0b quarantined\n");
    vgpu_custody_release(custody);
    assert_int_equal(session_of(fixture, "web")->state, VGPU_SESSION_RESERVED);
    assert_int_equal(fixture->kept.until_us, 0);
}

static void test_a_full_pool_and_an_idle_worker(void **state)
{
    Fixture *fixture = *state;

    configure(fixture, "null", "", "");
    add_pool(fixture, 'B', "null", "", "");
    ((VgpuMember *)vgpu_pools_get(fixture->settings->pools, 'A')->members->pdata[0])->slots = 1;
    make_vm(fixture, "web");
    make_vm(fixture, "db");
    begin(fixture);
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
    ask(fixture, "db", "A:1:4:1:1\n", "ERROR 0x07 queue-full\n");
    assert_int_equal(fixture->places_free, 0);
    fixture->settings->legacy_idle_s = 1;
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
    WAIT_UNTIL(session_of(fixture, "web")->state == VGPU_SESSION_RESERVED);
    assert_int_equal(fixture->places_free, 1);
    assert_int_equal(session_of(fixture, "web")->worker_pid, 0);
    assert_int_equal(session_of(fixture, "web")->faults.total, 0);
    ask(fixture, "db", "A:1:4:1:1\n", "2\n");
    /* And to another pool. */
    ask(fixture, "web", "B:1:3:20:22\n", "42\n");
    assert_int_equal(session_of(fixture, "web")->pool, 'B');
}

static void test_moving_has_a_limit(void **state)
{
    Fixture *fixture = *state;
    gboolean is_limited = FALSE;

    configure(fixture, "null", "", "");
    add_pool(fixture, 'B', "null", "", "");
    make_vm(fixture, "web");
    begin(fixture);
    /* However slowly they come: more than one in a second is too many in the end. */
    for (guint i = 0; !is_limited && i < 1000; i++) {
        g_autofree char *response = path_of(fixture, "web", "response.txt");
        g_autofree char *text = NULL;
        g_unlink(response);
        request(fixture, "web", i % 2 == 0 ? "A:1:3:1:1\n" : "B:1:3:1:1\n");
        WAIT_UNTIL((text = read_response(fixture, "web")) != NULL);
        is_limited = g_str_equal(text, "ERROR 0x0a rate-limited\n");
    }
    assert_true(is_limited);
}

static void test_a_rate_limit(void **state)
{
    Fixture *fixture = *state;

    configure(fixture, "null", "", "");
    add_pool(fixture, 'B', "null", "", "requests-per-second=1\nburst=1\n");
    make_vm(fixture, "web");
    begin(fixture);
    ask(fixture, "web", "B:1:3:1:1\n", "2\n");
    for (guint i = 0; i < 1000; i++) {
        g_autofree char *response = path_of(fixture, "web", "response.txt");
        g_autofree char *text = NULL;
        g_unlink(response);
        request(fixture, "web", "B:1:3:1:1\n");
        WAIT_UNTIL((text = read_response(fixture, "web")) != NULL);
        if (g_str_equal(text, "ERROR 0x0a rate-limited\n"))
            return;
    }
    fail();
}

/* A guest that writes without end is looked at seldom, and others are served. */
static void test_a_storm(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *web = g_build_filename(fixture->base, "web", NULL);

    configure(fixture, "null", "", "");
    make_vm(fixture, "web");
    make_vm(fixture, "db");
    begin(fixture);
    g_autoptr(GSubprocess) storm = g_subprocess_new(
        G_SUBPROCESS_FLAGS_NONE, NULL, "sh", "-c",
        "cd \"$1\" && while echo >request.txt && echo x >y; do :; done", "storm", web, NULL);
    for (guint i = 0; i < 20; i++)
        ask(fixture, "db", "A:1:4:1:1\n", "2\n");
    g_subprocess_force_exit(storm);
    g_subprocess_wait(storm, NULL, NULL);
    ask(fixture, "web", "A:1:3:20:22\n", "42\n");
}

static void test_the_end_answers_what_was_taken(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *first = path_of(fixture, "web", "request.txt");
    g_autofree char *second = path_of(fixture, "db", "request.txt");

    configure(fixture, "fault", "hang", "request-timeout-ms=60000\n");
    make_vm(fixture, "web");
    make_vm(fixture, "db");
    begin(fixture);
    request(fixture, "web", "A:1:3:20:22\n");
    request(fixture, "db", "A:1:4:20:22\n");
    WAIT_UNTIL(!g_file_test(first, G_FILE_TEST_EXISTS) && !g_file_test(second, G_FILE_TEST_EXISTS));
    g_clear_pointer(&fixture->legacy, vgpu_legacy_free);
    expect(fixture, "web", "ERROR 0x03 mediator-unavailable\n");
    expect(fixture, "db", "ERROR 0x03 mediator-unavailable\n");
    assert_null(session_of(fixture, "web"));
}

static void test_no_such_folder(void **state)
{
    Fixture *fixture = *state;
    static const VgpuLegacyHandlers handlers = {on_place_free};
    g_autoptr(GError) error = NULL;

    configure(fixture, "null", "", "");
    g_rmdir(fixture->base);
    assert_null(vgpu_legacy_new(fixture->settings, fixture->sessions, fixture->dispatcher,
                                fixture->custodies, &handlers, fixture, &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_serves),
        TEST(test_directories_come_and_go),
        TEST(test_partial_writes),
        TEST(test_errors),
        TEST(test_order_of_what_is_there_at_the_start),
        TEST(test_no_request_runs_twice),
        TEST(test_rewritten_while_it_runs),
        TEST(test_deadline),
        TEST(test_a_worker_that_is_stopped),
        TEST(test_a_device_that_does_not_open),
        TEST(test_past_the_fault_budget),
        TEST(test_quarantined_by_hand),
        TEST(test_malformed_requests),
        TEST(test_a_full_pool_and_an_idle_worker),
        TEST(test_moving_has_a_limit),
        TEST(test_a_rate_limit),
        TEST(test_a_storm),
        TEST(test_the_end_answers_what_was_taken),
        TEST(test_no_such_folder),
    };

    if (geteuid() != 0) {
        print_message("skipped: the worker's sandbox needs root\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
