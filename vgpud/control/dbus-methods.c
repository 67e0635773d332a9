/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus-methods.h"

#include <string.h>

#include "dbus-authority.h"
#include "dbus-service.h"
#include "metrics.h"
#include "vgpu-codec.h"

struct VgpuDBusMethods {
    VgpuDBusManager *manager;
    const VgpuModel *model;
    const VgpuActions *actions;
    const VgpuEvents *events;
    GCancellable *asking; /* polkit */
};

static gboolean on_get_status(VgpuDBusMethods *self, GDBusMethodInvocation *invocation)
{
    vgpu_dbus_manager_complete_get_status(self->manager, invocation,
                                          vgpu_model_status(self->model, g_get_monotonic_time()));
    return TRUE;
}

static gboolean on_get_metrics(VgpuDBusMethods *self, GDBusMethodInvocation *invocation)
{
    g_autofree char *text = vgpu_metrics_text(self->model, (guint64)g_get_monotonic_time() * 1000);

    vgpu_dbus_manager_complete_get_metrics(self->manager, invocation, text);
    return TRUE;
}

static gboolean on_list_pools(VgpuDBusMethods *self, GDBusMethodInvocation *invocation)
{
    vgpu_dbus_manager_complete_list_pools(self->manager, invocation, vgpu_model_pools(self->model));
    return TRUE;
}

static gboolean on_list_vms(VgpuDBusMethods *self, GDBusMethodInvocation *invocation)
{
    vgpu_dbus_manager_complete_list_vms(self->manager, invocation, vgpu_model_vms(self->model));
    return TRUE;
}

static gboolean on_list_events(VgpuDBusMethods *self, GDBusMethodInvocation *invocation)
{
    vgpu_dbus_manager_complete_list_events(self->manager, invocation,
                                           vgpu_events_list(self->events));
    return TRUE;
}

/* The running VM @which; NULL: there is none, and the call is answered. */
static VgpuSession *find(VgpuDBusMethods *self, GDBusMethodInvocation *invocation,
                         const char *which)
{
    VgpuSession *session = vgpu_model_find(self->model, which);

    if (session != NULL)
        return session;
    g_autofree char *text = g_strdup_printf("there is no running VM \"%s\" with a vgpu", which);
    g_dbus_method_invocation_return_dbus_error(invocation, VGPU_DBUS_ERROR_NOT_FOUND, text);
    return NULL;
}

static gboolean on_get_vm(VgpuDBusMethods *self, GDBusMethodInvocation *invocation,
                          const char *which)
{
    const VgpuSession *session = find(self, invocation, which);

    if (session != NULL)
        vgpu_dbus_manager_complete_get_vm(self->manager, invocation, vgpu_model_vm(session));
    return TRUE;
}

static void return_failure(GDBusMethodInvocation *invocation, const GError *error)
{
    g_autofree char *text = g_utf8_make_valid(error->message, -1);

    g_dbus_method_invocation_return_dbus_error(invocation, VGPU_DBUS_ERROR_FAILED, text);
}

static gboolean on_inject(VgpuDBusMethods *self, GDBusMethodInvocation *invocation, const char *xml)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *injected = self->actions->inject(xml, &error, self->actions->user_data);

    if (injected != NULL)
        vgpu_dbus_manager_complete_inject(self->manager, invocation, injected);
    else
        return_failure(invocation, error);
    return TRUE;
}

static void on_done(const GError *error, gpointer data)
{
    GDBusMethodInvocation *invocation = data;

    if (error == NULL)
        g_dbus_method_invocation_return_value(invocation, NULL);
    else
        return_failure(invocation, error);
}

static gboolean read_pool(const VgpuModel *model, const char *word, char *pool, GError **error)
{
    g_autofree char *letters = NULL;

    if (strlen(word) == 1 && vgpu_pools_get(model->pools, word[0]) != NULL) {
        *pool = word[0];
        return TRUE;
    }
    letters = vgpu_pools_letters(model->pools);
    g_set_error(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                "there is no pool \"%s\"; there are: %s", word, letters);
    return FALSE;
}

static gboolean read_priority(const char *word, enum vgpu_priority *priority, GError **error)
{
    for (guint i = VGPU_PRIORITY_LOW; i <= VGPU_PRIORITY_HIGH; i++) {
        if (g_str_equal(word, vgpu_priority_name(i))) {
            *priority = i;
            return TRUE;
        }
    }
    g_set_error(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                "there is no priority \"%s\"; there are: low, medium, high", word);
    return FALSE;
}

static gboolean read_number(const char *key, GVariant *value, guint most, guint *number,
                            GError **error)
{
    guint read = g_variant_get_uint32(value);

    if (read > most) {
        g_set_error(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "%s is %u; allowed is up to %u",
                    key, read, most);
        return FALSE;
    }
    *number = read;
    return TRUE;
}

/* Puts what @dict says into @wish; a key that is not known is an error. */
static gboolean read_wish(const VgpuModel *model, GVariant *dict, VgpuWish *wish, GError **error)
{
    GVariantIter iter;
    const char *key;
    GVariant *next;

    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_next(&iter, "{&sv}", &key, &next)) {
        g_autoptr(GVariant) value = next;
        gboolean is_text = g_variant_is_of_type(value, G_VARIANT_TYPE_STRING);
        gboolean is_number = g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32);
        gboolean good = FALSE;
        enum vgpu_limit limit;

        if (is_text && g_str_equal(key, "pool"))
            good = read_pool(model, g_variant_get_string(value, NULL), &wish->pool, error);
        else if (is_text && g_str_equal(key, "priority"))
            good = read_priority(g_variant_get_string(value, NULL), &wish->priority, error);
        else if (is_number && vgpu_limits_by_name(key, &limit))
            good = read_number(key, value, vgpu_limit_info(limit)->most, &wish->limits.value[limit],
                               error);
        else
            g_set_error(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                        "\"%s\" is not one of pool and priority (strings), and the limits "
                        "(unsigned numbers; vgpuctl(1) has their names)",
                        key);
        if (!good)
            return FALSE;
    }
    return TRUE;
}

static void set_element(VgpuDBusMethods *self, GDBusMethodInvocation *invocation,
                        const char *domain, const VgpuWish *wish)
{
    self->actions->set_element(domain, wish, on_done, invocation, self->actions->user_data);
}

static void set_vm(VgpuDBusMethods *self, GDBusMethodInvocation *invocation, GVariant *arguments)
{
    g_autoptr(GVariant) changes = NULL;
    g_autoptr(GError) error = NULL;
    const char *which;

    g_variant_get(arguments, "(&s@a{sv})", &which, &changes);
    const VgpuSession *session = find(self, invocation, which);
    if (session == NULL)
        return;
    VgpuWish wish = {.pool = session->pool, .priority = session->priority, .limits = session->wish};
    if (g_variant_n_children(changes) == 0)
        g_dbus_method_invocation_return_error_literal(
            invocation, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "nothing is to be changed");
    else if (!read_wish(self->model, changes, &wish, &error))
        g_dbus_method_invocation_return_gerror(invocation, error);
    else
        set_element(self, invocation, session->uuid, &wish);
}

static void attach(VgpuDBusMethods *self, GDBusMethodInvocation *invocation, GVariant *arguments)
{
    VgpuWish wish = {.priority = VGPU_PRIORITY_MEDIUM};
    g_autoptr(GVariant) config = NULL;
    g_autoptr(GError) error = NULL;
    const char *domain;

    g_variant_get(arguments, "(&s@a{sv})", &domain, &config);
    if (!read_wish(self->model, config, &wish, &error))
        g_dbus_method_invocation_return_gerror(invocation, error);
    else if (wish.pool == '\0')
        g_dbus_method_invocation_return_error_literal(
            invocation, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "the pool is missing");
    else
        set_element(self, invocation, domain, &wish);
}

static void detach(VgpuDBusMethods *self, GDBusMethodInvocation *invocation, GVariant *arguments)
{
    const char *domain;

    g_variant_get(arguments, "(&s)", &domain);
    set_element(self, invocation, domain, NULL);
}

static void detach_all(VgpuDBusMethods *self, GDBusMethodInvocation *invocation,
                       GVariant *arguments G_GNUC_UNUSED)
{
    self->actions->detach_all(on_done, invocation, self->actions->user_data);
}

static void attach_all(VgpuDBusMethods *self, GDBusMethodInvocation *invocation,
                       GVariant *arguments G_GNUC_UNUSED)
{
    self->actions->attach_all(on_done, invocation, self->actions->user_data);
}

/* Answers a change that has been tried; @error: it did not work. */
static void finish(GDBusMethodInvocation *invocation, const GError *error)
{
    if (error == NULL)
        g_dbus_method_invocation_return_value(invocation, NULL);
    else
        return_failure(invocation, error);
}

static void reload(VgpuDBusMethods *self, GDBusMethodInvocation *invocation,
                   GVariant *arguments G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    self->actions->reload(&error, self->actions->user_data);
    finish(invocation, error);
}

static void drain(VgpuDBusMethods *self, GDBusMethodInvocation *invocation, GVariant *arguments)
{
    g_autoptr(GError) error = NULL;
    const char *member;
    gboolean on;

    g_variant_get(arguments, "(&sb)", &member, &on);
    self->actions->drain(member, on, &error, self->actions->user_data);
    finish(invocation, error);
}

static void move_vm(VgpuDBusMethods *self, GDBusMethodInvocation *invocation, GVariant *arguments)
{
    g_autoptr(GError) error = NULL;
    const char *which, *member;
    gboolean force;

    g_variant_get(arguments, "(&s&sb)", &which, &member, &force);
    VgpuSession *session = find(self, invocation, which);
    if (session == NULL)
        return;
    self->actions->move(session, member, force, &error, self->actions->user_data);
    finish(invocation, error);
}

static void quarantine(VgpuDBusMethods *self, GDBusMethodInvocation *invocation,
                       GVariant *arguments)
{
    g_autoptr(GError) error = NULL;
    const char *which;
    guint seconds;

    g_variant_get(arguments, "(&su)", &which, &seconds);
    VgpuSession *session = find(self, invocation, which);
    if (session == NULL)
        return;
    if (seconds > VGPU_QUARANTINE_MAX_S) {
        g_dbus_method_invocation_return_error(
            invocation, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
            "%u s is too long: up to %u, or 0, until it is released", seconds,
            VGPU_QUARANTINE_MAX_S);
        return;
    }
    self->actions->quarantine(session, seconds, &error, self->actions->user_data);
    finish(invocation, error);
}

static void release(VgpuDBusMethods *self, GDBusMethodInvocation *invocation, GVariant *arguments)
{
    g_autoptr(GError) error = NULL;
    const char *which;

    g_variant_get(arguments, "(&s)", &which);
    VgpuSession *session = find(self, invocation, which);
    if (session == NULL)
        return;
    self->actions->release(session, &error, self->actions->user_data);
    finish(invocation, error);
}

/* Those that change something: who asks for them must be allowed to. */
static const struct {
    const char *name;
    const char *signal;
    void (*run)(VgpuDBusMethods *self, GDBusMethodInvocation *invocation, GVariant *arguments);
} changes[] = {
    {"SetVm", "handle-set-vm", set_vm},
    {"Attach", "handle-attach", attach},
    {"Detach", "handle-detach", detach},
    {"DetachAll", "handle-detach-all", detach_all},
    {"AttachAll", "handle-attach-all", attach_all},
    {"Reload", "handle-reload", reload},
    {"Drain", "handle-drain", drain},
    {"MoveVm", "handle-move-vm", move_vm},
    {"Quarantine", "handle-quarantine", quarantine},
    {"Release", "handle-release", release},
};

static void on_allowed(GDBusMethodInvocation *invocation, gpointer user_data)
{
    const char *name = g_dbus_method_invocation_get_method_name(invocation);
    guint i = 0;

    while (!g_str_equal(changes[i].name, name))
        i++;
    changes[i].run(user_data, invocation, g_dbus_method_invocation_get_parameters(invocation));
}

static gboolean on_change(VgpuDBusMethods *self, GDBusMethodInvocation *invocation)
{
    vgpu_dbus_authorize(invocation, self->asking, on_allowed, self);
    return TRUE;
}

VgpuDBusMethods *vgpu_dbus_methods_new(VgpuDBusManager *manager, const VgpuModel *model,
                                       const VgpuActions *actions, const VgpuEvents *events)
{
    VgpuDBusMethods *self = g_new0(VgpuDBusMethods, 1);
    const struct {
        const char *signal;
        GCallback handler;
    } reads[] = {
        {"handle-get-status", G_CALLBACK(on_get_status)},
        {"handle-list-pools", G_CALLBACK(on_list_pools)},
        {"handle-list-vms", G_CALLBACK(on_list_vms)},
        {"handle-list-events", G_CALLBACK(on_list_events)},
        {"handle-get-vm", G_CALLBACK(on_get_vm)},
        {"handle-get-metrics", G_CALLBACK(on_get_metrics)},
        {"handle-inject", G_CALLBACK(on_inject)},
    };

    self->manager = g_object_ref(manager);
    self->model = model;
    self->actions = actions;
    self->events = events;
    self->asking = g_cancellable_new();
    /* Swapped: @self comes first, then the signal's own arguments as far as a handler wants them.
     */
    for (guint i = 0; i < G_N_ELEMENTS(reads); i++)
        g_signal_connect_swapped(manager, reads[i].signal, reads[i].handler, self);
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++)
        g_signal_connect_swapped(manager, changes[i].signal, G_CALLBACK(on_change), self);
    return self;
}

void vgpu_dbus_methods_free(VgpuDBusMethods *self)
{
    g_cancellable_cancel(self->asking);
    g_object_unref(self->asking);
    g_signal_handlers_disconnect_by_data(self->manager, self);
    g_object_unref(self->manager);
    g_free(self);
}
