/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vgpu-xml: the functions of this folder for a shell. Manual: docs/man/vgpu-xml.1. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "vgpu-codec.h"
#include "vgpu-domain.h"
#include "vgpu-inject.h"

/* Where an installed vgpud has them; the environment and the options say otherwise. */
#define DEFAULT_EMULATOR "/usr/libexec/vgpud/qemu/bin/qemu-system-x86_64"
#define DEFAULT_RUN_DIR  "/run/vgpud"

enum { STATUS_OK = 0, STATUS_INVALID = 1, STATUS_USAGE = 2 };

typedef struct {
    char *emulator;
    char *run_dir;
    char *socket;
    gint64 vm_id;
    char **files;
} Options;

typedef struct {
    const char *name; /* for messages */
    char *text;
    gsize length;
} Input;

static int usage_error(const char *text)
{
    g_printerr("vgpu-xml: %s\nTry 'vgpu-xml --help'.\n", text);
    return STATUS_USAGE;
}

/* The library's "line N: text" becomes what editors understand: FILE:N: text. */
static int invalid(const Input *input, const GError *error)
{
    const char *text = error->message;
    guint line;
    int skip = 0;

    if (sscanf(text, "line %u: %n", &line, &skip) == 1 && skip > 0)
        g_printerr("%s:%u: %s\n", input->name, line, text + skip);
    else
        g_printerr("%s: %s\n", input->name, text);
    return STATUS_INVALID;
}

static gboolean read_input(const char *path, Input *input)
{
    gboolean is_stdin = path == NULL || strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "r");
    GString *text = g_string_new(NULL);
    char buffer[65536];
    size_t count;

    input->name = is_stdin ? "stdin" : path;
    /* One byte past the limit is enough for the parser to say that it is too much. */
    while (file != NULL && text->len <= VGPU_XML_MAX_SIZE &&
           (count = fread(buffer, 1, sizeof(buffer), file)) > 0)
        g_string_append_len(text, buffer, (gssize)count);

    int problem = file == NULL || ferror(file) ? errno : 0;
    if (file != NULL && !is_stdin)
        fclose(file);
    input->length = text->len;
    input->text = g_string_free(text, FALSE);
    if (problem != 0)
        g_printerr("%s: cannot read: %s\n", input->name, g_strerror(problem));
    return problem == 0;
}

static int print_xml(const char *text)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
        g_printerr("vgpu-xml: cannot write: %s\n", g_strerror(errno));
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static int run_validate(const Options *options, const Input *input)
{
    g_autoptr(VgpuConfig) config = NULL;
    g_autoptr(GError) error = NULL;

    (void)options;
    if (!vgpu_config_from_domain_xml(input->text, input->length, &config, &error))
        return invalid(input, error);
    if (config == NULL)
        return print_xml("no vgpu element\n");
    g_autofree char *line = g_strdup_printf("ok: pool %c, priority %s\n", config->pool,
                                            vgpu_priority_name(config->priority));
    return print_xml(line);
}

static char *find_socket(const Options *options, const Input *input, GError **error)
{
    g_autoptr(VgpuDomain) domain = NULL;

    if (options->socket != NULL)
        return g_strdup(options->socket);
    if (!vgpu_domain_parse(input->text, input->length, &domain, error))
        return NULL;
    if (domain->uuid == NULL) {
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_ARGUMENT,
                    "the domain has no <uuid>, which names its socket: define it and use 'virsh "
                    "dumpxml --inactive', add a <uuid> (uuidgen makes one), or give --socket");
        return NULL;
    }
    return vgpu_domain_socket_path(options->run_dir, domain->uuid);
}

static int run_inject(const Options *options, const Input *input)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *socket_path = find_socket(options, input, &error);
    g_autofree char *text = NULL;

    if (socket_path != NULL) {
        const VgpuInjection wanted = {options->emulator, socket_path, (guint32)options->vm_id};
        text = vgpu_domain_xml_inject(input->text, input->length, &wanted, &error);
    }
    return text != NULL ? print_xml(text) : invalid(input, error);
}

static int run_remove(const Options *options, const Input *input)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = vgpu_domain_xml_remove(input->text, input->length, &error);

    (void)options;
    return text != NULL ? print_xml(text) : invalid(input, error);
}

static const struct {
    const char *name;
    gboolean takes_options;
    int (*run)(const Options *options, const Input *input);
} commands[] = {
    {"validate", FALSE, run_validate},
    {"inject", TRUE, run_inject},
    {"remove", FALSE, run_remove},
};

static char *default_of(const char *variable, const char *value)
{
    const char *set = g_getenv(variable);

    return g_strdup(set != NULL && set[0] != '\0' ? set : value);
}

static void set_defaults(Options *options)
{
    if (options->emulator == NULL)
        options->emulator = default_of("VGPU_EMULATOR", DEFAULT_EMULATOR);
    if (options->run_dir == NULL)
        options->run_dir = default_of("VGPU_RUN_DIR", DEFAULT_RUN_DIR);
}

/* argv[0] is the command here. */
static int run_command(gsize command, int argc, char **argv)
{
    Options options = {.vm_id = 1};
    const GOptionEntry inject_entries[] = {
        {"emulator", 0, 0, G_OPTION_ARG_FILENAME, &options.emulator,
         "the QEMU that has the device (default: $VGPU_EMULATOR, or vgpud's)", "PATH"},
        {"run-dir", 0, 0, G_OPTION_ARG_FILENAME, &options.run_dir,
         "vgpud's directory of sockets (default: $VGPU_RUN_DIR, or " DEFAULT_RUN_DIR ")", "DIR"},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &options.socket,
         "the device's socket (default: DIR/vm/UUID.sock)", "PATH"},
        {"vm-id", 0, 0, G_OPTION_ARG_INT64, &options.vm_id,
         "the number that the guest reads as its own (default: 1)", "N"},
        {NULL},
    };
    const GOptionEntry entries[] = {
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.files, NULL, "[FILE|-]"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    Input input = {0};
    int status;

    g_option_context_add_main_entries(context, entries, NULL);
    if (commands[command].takes_options)
        g_option_context_add_main_entries(context, inject_entries, NULL);
    gboolean parsed = g_option_context_parse(context, &argc, &argv, &error);
    set_defaults(&options);
    if (!parsed)
        status = usage_error(error->message);
    else if (options.files != NULL && g_strv_length(options.files) > 1)
        status = usage_error("one FILE is enough");
    else if (options.vm_id < 0 || options.vm_id > G_MAXUINT32)
        status = usage_error("--vm-id must be from 0 to 4294967295");
    else if (!read_input(options.files != NULL ? options.files[0] : NULL, &input))
        status = STATUS_INVALID;
    else
        status = commands[command].run(&options, &input);
    g_free(input.text);
    g_strfreev(options.files);
    g_free(options.emulator);
    g_free(options.run_dir);
    g_free(options.socket);
    return status;
}

int main(int argc, char **argv)
{
    static const char help[] =
        "Usage: vgpu-xml validate [FILE|-]\n"
        "       vgpu-xml inject [--emulator PATH] [--run-dir DIR | --socket PATH] [--vm-id N] "
        "[FILE|-]\n"
        "       vgpu-xml remove [FILE|-]\n"
        "\n"
        "Checks the <vgpu:vgpu> element of a libvirt domain XML, puts the virtual GPU into the\n"
        "domain, or takes it out again. Reads FILE or standard input, writes standard output;\n"
        "nothing is changed in place. 'vgpu-xml inject --help' explains the options.\n"
        "Exit status: 0 ok, 1 invalid XML or input that cannot be read, 2 wrong usage.\n";

    setlocale(LC_ALL, "");
    if (argc < 2)
        return usage_error("a command is needed: validate, inject or remove");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_xml(help);
    if (strcmp(argv[1], "--version") == 0)
        return print_xml("vgpu-xml " VGPU_VERSION "\n");
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        g_autofree char *program = g_strdup_printf("vgpu-xml %s", commands[i].name);
        g_set_prgname(program);
        return run_command(i, argc - 1, argv + 1);
    }
    return usage_error("this command is not known; there are validate, inject and remove");
}
