/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus-authority.h"

/* data/org.vgpud1.policy describes it. */
#define ACTION "org.vgpud1.manage"

/* polkit's interface, org.freedesktop.PolicyKit1.Authority: flags of CheckAuthorization. */
#define ALLOW_USER_INTERACTION 1u

typedef struct {
    GDBusMethodInvocation *invocation;
    GCancellable *cancellable;
    VgpuDBusAllowed allowed;
    gpointer user_data;
    guint32 uid;
} Question;

static void free_question(Question *question)
{
    g_object_unref(question->cancellable);
    g_free(question);
}

static void refuse(Question *question, const char *why)
{
    const char *method = g_dbus_method_invocation_get_method_name(question->invocation);

    g_message("D-Bus: %s refused to user %u: %s", method, question->uid, why);
    g_dbus_method_invocation_return_error(question->invocation, G_DBUS_ERROR,
                                          G_DBUS_ERROR_ACCESS_DENIED, "%s is refused: %s", method,
                                          why);
    free_question(question);
}

static void allow(Question *question)
{
    GDBusMethodInvocation *invocation = question->invocation;
    g_autofree char *arguments =
        g_variant_print(g_dbus_method_invocation_get_parameters(invocation), FALSE);

    g_message("D-Bus: user %u asks for %s%s", question->uid,
              g_dbus_method_invocation_get_method_name(invocation), arguments);
    question->allowed(invocation, question->user_data);
    free_question(question);
}

/* TRUE when the service is going away, and the question with it. */
static gboolean is_cancelled(Question *question)
{
    if (!g_cancellable_is_cancelled(question->cancellable))
        return FALSE;
    g_dbus_method_invocation_return_error_literal(question->invocation, G_IO_ERROR,
                                                  G_IO_ERROR_CANCELLED, "vgpud ends");
    free_question(question);
    return TRUE;
}

static gboolean is_absent(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);
}

static void on_polkit(GObject *source, GAsyncResult *result, gpointer data)
{
    Question *question = data;
    g_autoptr(GError) error = NULL;
    gboolean authorized = FALSE, challenge = FALSE;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    if (is_cancelled(question))
        return;
    if (reply != NULL)
        g_variant_get(reply, "((bba{ss}))", &authorized, &challenge, NULL);
    if (authorized) {
        allow(question);
    } else if (reply != NULL) {
        refuse(question, challenge ? "polkit wants a password for " ACTION
                                     ", which nobody could be asked for here; root needs none"
                                   : "polkit does not allow you " ACTION);
    } else if (is_absent(error)) {
        refuse(question, "only root may, because there is no polkit on this bus");
    } else {
        g_dbus_error_strip_remote_error(error);
        g_autofree char *why = g_strdup_printf("polkit did not answer (%s)", error->message);
        refuse(question, why);
    }
}

static void ask_polkit(Question *question, GDBusConnection *bus)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(question->invocation);
    GDBusMessageFlags flags = g_dbus_message_get_flags(message);
    gboolean interactive = flags & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION;
    GVariantBuilder subject;

    g_variant_builder_init(&subject, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&subject, "{sv}", "name",
                          g_variant_new_string(g_dbus_message_get_sender(message)));
    /* As long as a person needs: polkit always answers. */
    g_dbus_connection_call(bus, "org.freedesktop.PolicyKit1",
                           "/org/freedesktop/PolicyKit1/Authority",
                           "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization",
                           g_variant_new("((sa{sv})sa{ss}us)", "system-bus-name", &subject, ACTION,
                                         NULL, interactive ? ALLOW_USER_INTERACTION : 0u, ""),
                           G_VARIANT_TYPE("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE, G_MAXINT,
                           question->cancellable, on_polkit, question);
}

static void on_uid(GObject *source, GAsyncResult *result, gpointer data)
{
    Question *question = data;
    g_autoptr(GError) error = NULL;
    GDBusConnection *bus = G_DBUS_CONNECTION(source);
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(bus, result, &error);

    if (is_cancelled(question))
        return;
    if (reply == NULL) {
        refuse(question, "the bus does not say who you are");
        return;
    }
    g_variant_get(reply, "(u)", &question->uid);
    if (question->uid == 0)
        allow(question);
    else
        ask_polkit(question, bus);
}

void vgpu_dbus_authorize(GDBusMethodInvocation *invocation, GCancellable *cancellable,
                         VgpuDBusAllowed allowed, gpointer user_data)
{
    Question *question = g_new0(Question, 1);

    question->invocation = invocation;
    question->cancellable = g_object_ref(cancellable);
    question->allowed = allowed;
    question->user_data = user_data;
    question->uid = G_MAXUINT32; /* nobody's */
    g_dbus_connection_call(
        g_dbus_method_invocation_get_connection(invocation), "org.freedesktop.DBus",
        "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
        g_variant_new("(s)", g_dbus_method_invocation_get_sender(invocation)),
        G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, cancellable, on_uid, question);
}
