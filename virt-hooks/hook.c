/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hook-client.h"
#include "vgpu-domain.h"
#include "vgpu-hook.h"

/* Whether we have to do with a domain, and what is wrong with its XML. */
typedef struct {
    gboolean has_element; /* or something that could be one */
    gboolean has_device;
    char *problem;
} Finding;

/*
 * Reads all, so that libvirt is not left with a broken pipe, and keeps what vgpud would take.
 * FALSE when there was more than that.
 */
static gboolean read_xml(int fd, GString *xml)
{
    char buffer[65536];
    gboolean is_whole = TRUE;

    for (;;) {
        ssize_t count = read(fd, buffer, sizeof(buffer));

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return is_whole;
        if (xml->len + (gsize)count > VGPU_HOOK_MAX_XML)
            is_whole = FALSE;
        else if (is_whole)
            g_string_append_len(xml, buffer, count);
    }
}

static Finding inspect(const GString *xml, gboolean is_whole)
{
    g_autoptr(VgpuDomain) domain = NULL;
    g_autoptr(GError) error = NULL;
    Finding finding = {0};

    /* libvirt writes <metadata> near the top: what is cut off does not hide it. */
    if (!is_whole) {
        finding.has_element = vgpu_domain_xml_mentions_us(xml->str, xml->len);
        finding.problem = g_strdup_printf("its XML is larger than %u MiB", VGPU_HOOK_MAX_XML >> 20);
    } else if (vgpu_domain_parse(xml->str, xml->len, &domain, &error)) {
        finding.has_element = domain->config != NULL || domain->config_error != NULL;
        finding.has_device = domain->device != NULL;
        if (domain->config_error != NULL)
            finding.problem = g_strdup(domain->config_error->message);
    } else {
        finding.has_element = vgpu_domain_xml_mentions_us(xml->str, xml->len);
        finding.problem = g_strdup(error->message);
    }
    return finding;
}

static char *format_message(const HookCall *call, const char *text)
{
    g_autofree char *domain = hook_client_one_line(call->domain, -1);

    return g_strdup_printf("vgpud: domain '%s': %s", domain, text);
}

static enum hook_answer ask(const HookCall *call, const GString *xml, guint timeout_ms, char **text)
{
    g_autofree char *socket_path = g_build_filename(call->run_dir, VGPU_HOOK_SOCKET, NULL);

    return hook_client_ask(socket_path, call->operation, call->sub_operation, xml->str, xml->len,
                           timeout_ms, text);
}

/* NULL: the start may go on. */
static char *ask_to_start(const HookCall *call, const GString *xml)
{
    g_autofree char *text = NULL;
    enum hook_answer answer = ask(call, xml, call->prepare_timeout_ms, &text);

    if (answer == HOOK_ANSWER_NO_REPLY)
        return g_strdup_printf("%s; start the domain again once vgpud runs well (systemctl status "
                               "vgpud)",
                               text);
    return g_steal_pointer(&text);
}

static int prepare(const HookCall *call, const GString *xml, const Finding *finding, char **message)
{
    g_autofree char *refusal = NULL;

    if (!finding->has_element)
        return 0;
    if (finding->problem != NULL)
        refusal = g_strdup(finding->problem);
    else if (!call->is_privileged)
        refusal = g_strdup("a virtual GPU needs the system's libvirt, qemu:///system; this is "
                           "qemu:///session: define the domain there, or remove its vgpu element");
    else
        refusal = ask_to_start(call, xml);
    if (refusal == NULL)
        return 0;
    *message = format_message(call, refusal);
    return 1;
}

/* vgpud frees what a stopped domain had, and also hears of it when the XML has gone bad since. */
static void notify(const HookCall *call, const GString *xml, const Finding *finding, char **message)
{
    g_autofree char *text = NULL;

    if (!call->is_privileged || (!finding->has_element && !finding->has_device))
        return;
    if (ask(call, xml, call->notify_timeout_ms, &text) != HOOK_ANSWER_OK)
        *message = format_message(call, text);
}

int hook_run(const HookCall *call, char **message)
{
    static const char *const notified[] = {"started", "stopped", "release", "reconnect", NULL};
    g_autoptr(GString) xml = g_string_new(NULL);
    gboolean is_whole = read_xml(call->input, xml);
    int status = 0;

    *message = NULL;
    if (strcmp(call->operation, "prepare") == 0) {
        Finding finding = inspect(xml, is_whole);
        status = prepare(call, xml, &finding, message);
        g_free(finding.problem);
    } else if (g_strv_contains(notified, call->operation)) {
        Finding finding = inspect(xml, is_whole);
        notify(call, xml, &finding, message);
        g_free(finding.problem);
    }
    return status;
}
