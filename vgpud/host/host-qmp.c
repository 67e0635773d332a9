/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-qmp.h"

#include <libvirt/libvirt-qemu.h>
#include <stdlib.h>
#include <string.h>

G_DEFINE_QUARK(vgpu - host - qmp - error - quark, vgpu_host_qmp_error)

/*
 * Bytes of an answer that are looked into; those that we ask for have some hundred. QEMU may be in
 * its guest's hands, and the limit also bounds how deep brackets nest, which json-glib before 1.10
 * does not.
 */
#define ANSWER_MAX 2048

static char *format_command(const char *command, JsonObject *arguments)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "execute", command);
    if (arguments != NULL)
        json_object_set_object_member(object, "arguments", arguments);
    json_node_take_object(root, object);
    return json_to_string(root, FALSE);
}

static JsonObject *member_object(JsonObject *object, const char *name)
{
    JsonNode *node = object != NULL ? json_object_get_member(object, name) : NULL;

    return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static const char *member_string(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node != NULL && json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node)
               : "";
}

static JsonNode *read_answer(const char *answer, GError **error)
{
    g_autoptr(JsonNode) root = strlen(answer) <= ANSWER_MAX ? json_from_string(answer, NULL) : NULL;
    JsonObject *object =
        root != NULL && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    JsonObject *failure = member_object(object, "error");

    if (failure != NULL) {
        const char *text = member_string(failure, "desc");
        g_autofree char *line = g_strdelimit(g_utf8_make_valid(text, -1), "\r\n", ' ');
        gboolean missing = strcmp(member_string(failure, "class"), "DeviceNotFound") == 0;

        g_set_error(error, VGPU_HOST_QMP_ERROR,
                    missing ? VGPU_HOST_QMP_ERROR_NO_DEVICE : VGPU_HOST_QMP_ERROR_REFUSED,
                    "QEMU says: %s", line);
        return NULL;
    }
    if (object == NULL || !json_object_has_member(object, "return")) {
        g_set_error_literal(error, VGPU_HOST_QMP_ERROR, VGPU_HOST_QMP_ERROR_LIBVIRT,
                            "QEMU's answer cannot be understood");
        return NULL;
    }
    return json_object_dup_member(object, "return");
}

JsonNode *vgpu_host_qmp(virDomainPtr domain, const char *command, JsonObject *arguments,
                        GError **error)
{
    g_autofree char *text = format_command(command, arguments);
    char *answer = NULL;

    /* 0 also when QEMU answers with an error. */
    if (virDomainQemuMonitorCommand(domain, text, &answer, 0) < 0) {
        g_autofree char *reason = vgpu_host_libvirt_error();

        g_set_error(error, VGPU_HOST_QMP_ERROR, VGPU_HOST_QMP_ERROR_LIBVIRT, "%s: %s", command,
                    reason);
        return NULL;
    }
    JsonNode *result = read_answer(answer, error);
    free(answer);
    return result;
}
