/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-arguments.h"

#include <string.h>

#include <json-glib/json-glib.h>

#include "vgpu-codec.h"

/*
 * Bytes of a JSON value that we look into: real ones have less than 300. It also bounds how deep
 * brackets can nest, which json-glib before 1.10 does not.
 */
#define JSON_MAX 2048

static void free_argument(gpointer data)
{
    VgpuArgument *argument = data;

    g_free(argument->option_text);
    g_free(argument->value_text);
    g_hash_table_unref(argument->properties);
    g_free(argument);
}

/* "a,b=c,,d" in QEMU's notation: a is the value of @implied_key, and ",," is a comma. */
static void read_key_values(GHashTable *properties, const char *text, const char *implied_key)
{
    const char *c = text;

    while (*c != '\0') {
        g_autoptr(GString) part = g_string_new(NULL);

        for (; *c != '\0'; c++) {
            if (*c == ',' && *++c != ',')
                break;
            g_string_append_c(part, *c);
        }
        char *equals = strchr(part->str, '=');
        if (equals != NULL)
            g_hash_table_replace(properties, g_strndup(part->str, equals - part->str),
                                 g_strdup(equals + 1));
        else if (implied_key != NULL)
            g_hash_table_replace(properties, g_strdup(implied_key), g_strdup(part->str));
        implied_key = NULL;
    }
}

static void read_json(GHashTable *properties, const char *text)
{
    if (strlen(text) > JSON_MAX)
        return;
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    if (!json_parser_load_from_data(parser, text, -1, NULL))
        return;
    JsonNode *root = json_parser_get_root(parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root))
        return;

    JsonObjectIter iter;
    const char *name;
    JsonNode *value;
    json_object_iter_init(&iter, json_node_get_object(root));
    while (json_object_iter_next(&iter, &name, &value)) {
        char *string = NULL;

        if (json_node_get_value_type(value) == G_TYPE_STRING) {
            string = json_node_dup_string(value);
        } else if (json_node_get_value_type(value) == G_TYPE_INT64) {
            gint64 number = json_node_get_int(value);
            /* QEMU takes a number as devfn: five bits of slot, three of function. */
            string = strcmp(name, "addr") == 0
                         ? g_strdup_printf("%x.%x", (guint)(number >> 3) & 31, (guint)number & 7)
                         : g_strdup_printf("%" G_GINT64_FORMAT, number);
        }
        if (string != NULL)
            g_hash_table_replace(properties, g_strdup(name), string);
    }
}

/* Takes both texts. */
static VgpuArgument *new_argument(xmlNode *option, char *option_text, xmlNode *value,
                                  char *value_text)
{
    VgpuArgument *argument = g_new(VgpuArgument, 1);

    argument->option = option;
    argument->value = value;
    argument->option_text = option_text;
    argument->value_text = value_text;
    argument->is_device = strstr(option_text, "device") != NULL;
    argument->properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (value_text == NULL)
        return argument;
    if (value_text[0] == '{')
        read_json(argument->properties, value_text);
    else
        read_key_values(argument->properties, value_text,
                        argument->is_device ? "driver" : "backend");
    return argument;
}

static gboolean is_option(const char *text)
{
    static const char *const options[] = {"-device", "--device", "-chardev", "--chardev", NULL};

    return text != NULL && g_strv_contains(options, text);
}

static void read_commandline(GPtrArray *arguments, const xmlNode *commandline)
{
    xmlNode *option = vgpu_xml_child(commandline, VGPU_QEMU_NAMESPACE, "arg");

    while (option != NULL) {
        xmlNode *next = vgpu_xml_next(option);
        g_autofree char *option_text = vgpu_xml_attribute(option, "value");

        if (is_option(option_text)) {
            g_autofree char *text = next != NULL ? vgpu_xml_attribute(next, "value") : NULL;
            /* What looks like an option is no value: so that no foreign slip swallows ours. */
            xmlNode *value = text != NULL && text[0] != '-' ? next : NULL;

            g_ptr_array_add(arguments, new_argument(option, g_steal_pointer(&option_text), value,
                                                    value != NULL ? g_steal_pointer(&text) : NULL));
            if (value != NULL)
                next = vgpu_xml_next(value);
        }
        option = next;
    }
}

GPtrArray *vgpu_arguments_read(const VgpuDocument *document)
{
    GPtrArray *arguments = g_ptr_array_new_with_free_func(free_argument);

    for (xmlNode *commandline =
             vgpu_xml_child(document->domain, VGPU_QEMU_NAMESPACE, "commandline");
         commandline != NULL; commandline = vgpu_xml_next(commandline))
        read_commandline(arguments, commandline);
    return arguments;
}

const char *vgpu_argument_get(const VgpuArgument *argument, const char *key)
{
    return g_hash_table_lookup(argument->properties, key);
}

gboolean vgpu_argument_is_ours(const VgpuArgument *argument)
{
    const char *id = vgpu_argument_get(argument, "id");

    if (id == NULL)
        return FALSE;
    if (argument->is_device)
        return strcmp(id, VGPU_ID_DEVICE) == 0 || strcmp(id, VGPU_ID_PORT) == 0;
    return strcmp(id, VGPU_ID_CHARDEV) == 0;
}

const VgpuArgument *vgpu_arguments_find(const GPtrArray *arguments, const char *id)
{
    for (guint i = 0; i < arguments->len; i++) {
        const VgpuArgument *argument = arguments->pdata[i];

        if (vgpu_argument_is_ours(argument) && strcmp(vgpu_argument_get(argument, "id"), id) == 0)
            return argument;
    }
    return NULL;
}

void vgpu_arguments_delete_ours(const VgpuDocument *document, const GPtrArray *arguments,
                                VgpuEdit *edit)
{
    for (guint i = 0; i < arguments->len; i++) {
        const VgpuArgument *argument = arguments->pdata[i];

        if (!vgpu_argument_is_ours(argument))
            continue;
        vgpu_edit_delete(edit, document, argument->option);
        vgpu_edit_delete(edit, document, argument->value);
    }
}

/*
 * JSON for -device: in key=value notation QEMU creates it before libvirt's own devices, and it can
 * take a slot that libvirt has given to another. Nothing in it needs escaping: all our own words.
 */
char **vgpu_arguments_wanted(const VgpuInjection *wanted, const VgpuConfig *config,
                             const VgpuPlace *place)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    g_auto(GStrv) path_parts = g_strsplit(wanted->socket_path, ",", -1);
    g_autofree char *path = g_strjoinv(",,", path_parts);
    g_autofree char *slot = g_strdup_printf("0x%x", place->slot);

    g_ptr_array_add(list, g_strdup("-chardev"));
    g_ptr_array_add(list,
                    g_strdup_printf("socket,id=" VGPU_ID_CHARDEV ",path=%s,reconnect=1", path));
    if (place->is_q35) {
        g_ptr_array_add(list, g_strdup("-device"));
        g_ptr_array_add(list,
                        g_strdup_printf("{\"driver\":\"pcie-root-port\",\"id\":\"" VGPU_ID_PORT
                                        "\",\"bus\":\"pcie.0\",\"addr\":\"%s\","
                                        "\"chassis\":%u,\"port\":%u}",
                                        slot, place->chassis, place->slot << 3));
    }
    g_ptr_array_add(list, g_strdup("-device"));
    g_ptr_array_add(
        list, g_strdup_printf("{\"driver\":\"vgpu-stub\",\"id\":\"" VGPU_ID_DEVICE
                              "\",\"bus\":\"%s\",\"addr\":\"%s\",\"chardev\":\"" VGPU_ID_CHARDEV
                              "\",\"pool\":\"%c\",\"priority\":\"%s\",\"vm-id\":%u}",
                              place->is_q35 ? VGPU_ID_PORT : "pci.0", place->is_q35 ? "0x0" : slot,
                              config->pool, vgpu_priority_name(config->priority), wanted->vm_id));
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}
