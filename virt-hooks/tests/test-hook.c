/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hook against a vgpud that a thread plays, and the program as libvirt calls it (argv[1]). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "hook-client.h"
#include "hook.h"
#include "vgpu-hook.h"

#define NS_VGPU "xmlns:vgpu=\"https://vgpud.org/xmlns/domain/1.0\""
#define NS_QEMU "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"

#define GOOD                                                                                       \
    "<domain type='kvm'><name>x</name><metadata><vgpu:vgpu " NS_VGPU                               \
    " pool=\"A\"/></metadata></domain>\n"
#define BAD                                                                                        \
    "<domain type='kvm'><name>x</name><metadata>\n<vgpu:vgpu " NS_VGPU                             \
    " pool=\"7\"/></metadata></domain>\n"
#define PLAIN "<domain type='kvm'><name>x</name></domain>\n"
#define ARGUMENTS_ONLY                                                                             \
    "<domain type='kvm'><name>x</name><qemu:commandline " NS_QEMU                                  \
    "><qemu:arg value='-device'/><qemu:arg value='{\"driver\":\"vgpu-stub\",\"id\":\"vgpu0\"}'/>"  \
    "</qemu:commandline></domain>\n"

static const char *program; /* path of vgpud-hook */

/* A vgpud that takes one connection, reads all, and answers with reply; NULL: never. */
typedef struct {
    char *run_dir, *socket_path;
    int listener;
    const char *reply;
    gboolean answers_early; /* and closes, without reading */
    GThread *thread;
    GString *heard;
    int contacts;
} Fake;

static gpointer serve(gpointer data)
{
    Fake *fake = data;
    int fd = accept(fake->listener, NULL, NULL);
    char buffer[65536];
    ssize_t count;

    if (fd < 0)
        return NULL; /* teardown shuts the listener down */
    fake->contacts++;
    while (!fake->answers_early && (count = read(fd, buffer, sizeof(buffer))) > 0)
        g_string_append_len(fake->heard, buffer, count);
    if (fake->reply != NULL)
        assert_int_equal(send(fd, fake->reply, strlen(fake->reply), MSG_NOSIGNAL),
                         strlen(fake->reply));
    else
        accept(fake->listener, NULL, NULL); /* waits for stop() */
    close(fd);
    return NULL;
}

static int set_up(void **state)
{
    Fake *fake = g_new0(Fake, 1);

    fake->run_dir = g_dir_make_tmp("vgpud-hook-XXXXXX", NULL);
    fake->socket_path = g_build_filename(fake->run_dir, VGPU_HOOK_SOCKET, NULL);
    fake->listener = -1;
    fake->heard = g_string_new(NULL);
    *state = fake;
    return 0;
}

static void stop(Fake *fake)
{
    if (fake->thread == NULL)
        return;
    shutdown(fake->listener, SHUT_RDWR);
    g_thread_join(g_steal_pointer(&fake->thread));
    close(fake->listener);
}

static int tear_down(void **state)
{
    Fake *fake = *state;

    stop(fake);
    g_unlink(fake->socket_path);
    g_rmdir(fake->run_dir);
    g_string_free(fake->heard, TRUE);
    g_free(fake->run_dir);
    g_free(fake->socket_path);
    g_free(fake);
    return 0;
}

static void listen_at(Fake *fake)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    g_strlcpy(address.sun_path, fake->socket_path, sizeof(address.sun_path));
    fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fake->listener, 1), 0);
}

static void start(Fake *fake, const char *reply)
{
    fake->reply = reply;
    listen_at(fake);
    fake->thread = g_thread_new("fake-vgpud", serve, fake);
}

/* An anonymous file with @length bytes, to be read from its begin. */
static int file_with(const char *bytes, gsize length)
{
    char name[] = "/tmp/vgpud-hook-XXXXXX";
    int fd = g_mkstemp(name);

    assert_true(fd >= 0);
    unlink(name);
    assert_int_equal(write(fd, bytes, length), length);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static int run_bytes(Fake *fake, const char *operation, const char *xml, gsize length,
                     char **message)
{
    int fd = file_with(xml, length);
    const HookCall call = {
        .domain = "x",
        .operation = operation,
        .sub_operation = "begin",
        .input = fd,
        .run_dir = fake->run_dir,
        .is_privileged = TRUE,
        .prepare_timeout_ms = fake->reply != NULL ? 10000 : 100,
        .notify_timeout_ms = fake->reply != NULL ? 10000 : 100,
    };
    int status = hook_run(&call, message);

    /* libvirt must be able to write all of it. */
    assert_int_equal(lseek(fd, 0, SEEK_CUR), length);
    close(fd);
    return status;
}

static int run_hook(Fake *fake, const char *operation, const char *xml, char **message)
{
    return run_bytes(fake, operation, xml, strlen(xml), message);
}

static void test_prepare_ok(void **state)
{
    Fake *fake = *state;
    g_autofree char *message = NULL;

    start(fake, "ok\n");
    assert_int_equal(run_hook(fake, "prepare", GOOD, &message), 0);
    assert_null(message);
    stop(fake);
    assert_string_equal(fake->heard->str, "vgpu-hook 1 prepare begin\n" GOOD);
}

static void test_prepare_refused(void **state)
{
    Fake *fake = *state;
    g_autofree char *message = NULL;

    start(fake, "refuse pool A\thas\x1b[31m no \xff place\r\nand more\n");
    assert_int_equal(run_hook(fake, "prepare", GOOD, &message), 1);
    assert_string_equal(message, "vgpud: domain 'x': pool A has [31m no \xef\xbf\xbd place");
}

/* A long XML is not read to its end, and the answer comes anyway. */
static void test_prepare_refused_early(void **state)
{
    Fake *fake = *state;
    g_autofree char *message = NULL;
    g_autoptr(GString) xml = g_string_new(GOOD);

    while (xml->len < 4u << 20)
        g_string_append(xml, "<!-- as long as many socket buffers -->\n");
    fake->answers_early = TRUE;
    start(fake, "refuse no\n");
    assert_int_equal(run_hook(fake, "prepare", xml->str, &message), 1);
    assert_string_equal(message, "vgpud: domain 'x': no");
}

static void test_vgpud_down(void **state)
{
    Fake *fake = *state;
    g_autofree char *message = NULL, *again = NULL;

    assert_int_equal(run_hook(fake, "prepare", GOOD, &message), 1);
    assert_non_null(strstr(message, "vgpud: domain 'x': vgpud is not running"));
    assert_non_null(strstr(message, "systemctl status vgpud"));

    /* A socket that a killed vgpud left behind says the same. */
    listen_at(fake);
    close(fake->listener);
    assert_int_equal(run_hook(fake, "prepare", GOOD, &again), 1);
    assert_string_equal(again, message);
}

static void test_vgpud_silent(void **state)
{
    Fake *fake = *state;
    g_autofree char *message = NULL;

    start(fake, NULL);
    gint64 begin = g_get_monotonic_time();
    assert_int_equal(run_hook(fake, "prepare", GOOD, &message), 1);
    assert_in_range(g_get_monotonic_time() - begin, 100000, 5000000);
    assert_non_null(strstr(message, "has not answered within 0.1 s"));
}

/* Nobody accepts, and the queue of connections is full: connect itself must not wait for ever. */
static void test_vgpud_stuck(void **state)
{
    Fake *fake = *state;
    g_autofree char *message = NULL;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int clients[8];

    listen_at(fake);
    g_strlcpy(address.sun_path, fake->socket_path, sizeof(address.sun_path));
    for (gsize i = 0; i < G_N_ELEMENTS(clients); i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(clients[i], (struct sockaddr *)&address, sizeof(address));
    }
    assert_int_equal(run_hook(fake, "prepare", GOOD, &message), 1);
    assert_non_null(strstr(message, "has not answered within 0.1 s"));
    for (gsize i = 0; i < G_N_ELEMENTS(clients); i++)
        close(clients[i]);
    close(fake->listener);
}

static void test_garbage_reply(void **state)
{
    g_autofree char *long_reply = g_strnfill(VGPU_HOOK_MAX_TEXT + 1, 'k');
    const char *const replies[] = {"", "ok", "okay\n", "refuse", "\n", "OK\n", long_reply};

    for (gsize i = 0; i < G_N_ELEMENTS(replies); i++) {
        Fake *fake = *state;
        g_autofree char *message = NULL;

        start(fake, replies[i]);
        assert_int_equal(run_hook(fake, "prepare", GOOD, &message), 1);
        assert_true(g_str_has_prefix(message, "vgpud: domain 'x': "));
        assert_null(strchr(message, '\n'));
        stop(fake);
        g_unlink(fake->socket_path);
    }
}

static void test_invalid_element(void **state)
{
    Fake *fake = *state;
    g_autofree char *message = NULL;

    start(fake, "ok\n");
    assert_int_equal(run_hook(fake, "prepare", BAD, &message), 1);
    assert_string_equal(message, "vgpud: domain 'x': line 2: <vgpu:vgpu> attribute 'pool' is '7'; "
                                 "allowed is one letter A to Z");
    /* Written so that only an XML parser finds it. */
    g_auto(GStrv) parts = g_strsplit(BAD, "https:", 2);
    g_autofree char *hidden = g_strjoinv("https&#58;", parts);
    g_autofree char *hidden_message = NULL;
    assert_int_equal(run_hook(fake, "prepare", hidden, &hidden_message), 1);
    stop(fake);
    assert_int_equal(fake->contacts, 0);
}

/* None of these may wait for vgpud, be it up or not. */
static void test_not_ours(void **state)
{
    const char *const xmls[] = {PLAIN, ARGUMENTS_ONLY, "", "no XML at all", "<domain>"};
    Fake *fake = *state;

    start(fake, "refuse must not be asked\n");
    for (gsize i = 0; i < G_N_ELEMENTS(xmls); i++) {
        g_autofree char *message = NULL;
        assert_int_equal(run_hook(fake, "prepare", xmls[i], &message), 0);
        assert_null(message);
    }
    stop(fake);
    assert_int_equal(fake->contacts, 0);
}

static void test_broken_xml_with_element(void **state)
{
    Fake *fake = *state;
    g_autofree char *message = NULL;

    start(fake, "ok\n");
    assert_int_equal(run_hook(fake, "prepare", "<domain><vgpu " NS_VGPU "/>", &message), 1);
    assert_non_null(strstr(message, "vgpud: domain 'x': line 1: "));
    stop(fake);
    assert_int_equal(fake->contacts, 0);
}

static void test_oversize(void **state)
{
    const char *const heads[] = {GOOD, PLAIN};
    Fake *fake = *state;

    start(fake, "ok\n");
    for (int i = 0; i < 2; i++) {
        g_autofree char *message = NULL;
        g_autofree char *xml = g_malloc(VGPU_HOOK_MAX_XML + 1);

        memset(xml, ' ', VGPU_HOOK_MAX_XML + 1);
        memcpy(xml, heads[i], strlen(heads[i]));
        assert_int_equal(run_bytes(fake, "prepare", xml, VGPU_HOOK_MAX_XML + 1, &message), i == 0);
        if (i == 0)
            assert_string_equal(message, "vgpud: domain 'x': its XML is larger than 16 MiB");
    }
    stop(fake);
    assert_int_equal(fake->contacts, 0);
}

/* Told to vgpud; and whatever happens there, a running VM lives on. */
static void test_notified(void **state)
{
    const char *const operations[] = {"started", "stopped", "release", "reconnect"};
    const char *const xmls[] = {GOOD, BAD, ARGUMENTS_ONLY};

    for (gsize i = 0; i < G_N_ELEMENTS(operations); i++) {
        for (gsize k = 0; k < G_N_ELEMENTS(xmls); k++) {
            Fake *fake = *state;
            g_autofree char *message = NULL, *refused = NULL, *down = NULL;
            g_autofree char *heard =
                g_strconcat(VGPU_HOOK_GREETING, operations[i], " begin\n", xmls[k], NULL);

            g_string_truncate(fake->heard, 0);
            start(fake, "ok\n");
            assert_int_equal(run_hook(fake, operations[i], xmls[k], &message), 0);
            assert_null(message);
            stop(fake);
            g_unlink(fake->socket_path);
            assert_string_equal(fake->heard->str, heard);

            start(fake, "refuse no\n");
            assert_int_equal(run_hook(fake, operations[i], xmls[k], &refused), 0);
            stop(fake);
            g_unlink(fake->socket_path);

            assert_int_equal(run_hook(fake, operations[i], xmls[k], &down), 0);
            assert_non_null(strstr(down, "vgpud is not running"));
        }
    }
}

static void test_other_operations(void **state)
{
    const char *const operations[] = {"start", "migrate", "restore", "attach", "unheard-of", ""};
    Fake *fake = *state;

    start(fake, "refuse must not be asked\n");
    for (gsize i = 0; i < G_N_ELEMENTS(operations); i++) {
        g_autofree char *message = NULL;
        assert_int_equal(run_hook(fake, operations[i], GOOD, &message), 0);
        assert_null(message);
    }
    stop(fake);
    assert_int_equal(fake->contacts, 0);
}

static void test_session(void **state)
{
    Fake *fake = *state;

    for (int i = 0; i < 2; i++) {
        g_autofree char *message = NULL;
        int fd = file_with(i == 0 ? GOOD : PLAIN, strlen(i == 0 ? GOOD : PLAIN));
        const HookCall call = {"x", "prepare", "begin", fd, fake->run_dir, FALSE, 100, 100};

        assert_int_equal(hook_run(&call, &message), i == 0);
        if (i == 0)
            assert_non_null(strstr(message, "qemu:///session"));
        close(fd);
    }
}

/* The program itself: arguments, environment, both outputs, status. */
static int run_program(const Fake *fake, const char *operation, const char *xml, char **output,
                       char **errors)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                  G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_subprocess_launcher_setenv(launcher, "VGPU_RUN_DIR", fake->run_dir, TRUE);
    g_autoptr(GSubprocess) process =
        g_subprocess_launcher_spawn(launcher, NULL, program, "x\ny", operation, "begin", "-", NULL);

    assert_non_null(process);
    assert_true(g_subprocess_communicate_utf8(process, xml, NULL, output, errors, NULL));
    return g_subprocess_get_exit_status(process);
}

static void test_program(void **state)
{
    Fake *fake = *state;
    const char *const operations[] = {"migrate", "restore", "release"};
    g_autofree char *output = NULL, *errors = NULL;

    assert_int_equal(run_program(fake, "prepare", BAD, &output, &errors), 1);
    assert_string_equal(output, "");
    assert_true(g_str_has_prefix(errors, "vgpud: domain 'x y': line 2: <vgpu:vgpu> "));
    assert_int_equal(strchr(errors, '\n') - errors, strlen(errors) - 1);

    for (gsize i = 0; i < G_N_ELEMENTS(operations); i++) {
        g_autofree char *out = NULL, *err = NULL;
        assert_int_equal(run_program(fake, operations[i], GOOD, &out, &err), 0);
        assert_string_equal(out, "");
    }
    if (geteuid() != 0)
        return; /* the rest is what libvirt's system daemon does */
    g_autofree char *out = NULL, *err = NULL;
    start(fake, "ok\n");
    assert_int_equal(run_program(fake, "prepare", GOOD, &out, &err), 0);
    assert_string_equal(out, "");
    assert_string_equal(err, "");
    stop(fake);
    assert_string_equal(fake->heard->str, "vgpu-hook 1 prepare begin\n" GOOD);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_prepare_ok),
        TEST(test_prepare_refused),
        TEST(test_prepare_refused_early),
        TEST(test_vgpud_down),
        TEST(test_vgpud_silent),
        TEST(test_vgpud_stuck),
        TEST(test_garbage_reply),
        TEST(test_invalid_element),
        TEST(test_not_ours),
        TEST(test_broken_xml_with_element),
        TEST(test_oversize),
        TEST(test_notified),
        TEST(test_other_operations),
        TEST(test_session),
        TEST(test_program),
    };

    if (argc != 2)
        return 2;
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
