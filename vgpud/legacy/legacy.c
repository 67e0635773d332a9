/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "legacy.h"

#include "legacy-box.h"
#include "legacy-queue.h"
#include "legacy-vm.h"
#include "legacy-watch.h"

/* Who holds a lease on a request is asked to give it back, and does so in milliseconds. */
#define AGAIN_MS 50u

/* What is there at the start is put in order before the first is carried out, within this time. */
#define START_MS 1000u

/* Lines in the log about what one guest does wrong. */
#define COMPLAINT_RATE ((VgpuRate){.per_second = 1, .burst = 5})

typedef enum {
    IDLE,      /* no request was taken */
    LOOKING,   /* a thread looks whether there is one */
    WAITING,   /* one was taken; the worker is busy with an earlier one that was given up */
    QUEUED,    /* it is in the order */
    RUNNING,   /* it is the one that is carried out */
    ANSWERING, /* a thread writes the response */
} Phase;

/* One directory. */
typedef struct {
    VgpuLegacy *legacy;
    char *name;
    guint number; /* among the clients, from 0 */
    VgpuLegacyBox *box;
    Phase phase;
    gboolean is_first;     /* the look that is under way is for what was there at the start */
    gboolean is_changed;   /* since the last look */
    VgpuLegacyTaken taken; /* from WAITING to ANSWERING */
    VgpuLegacyVm *vm;      /* NULL: it has had no request yet */
    guint timer;           /* in IDLE: look again; in WAITING: wait no longer */
    VgpuLimiter complaints;
} Client;

struct VgpuLegacy {
    const VgpuSettings *settings;
    VgpuDispatcher *dispatcher;
    VgpuCustodies *custodies;
    VgpuSessions *sessions;
    const VgpuLegacyHandlers *handlers;
    gpointer user_data;
    VgpuLegacyWatch *watch;
    VgpuLegacyJobs *jobs;
    VgpuLegacyQueue *queue;
    GHashTable *clients; /* name -> Client */
    Client *running;     /* NULL: none */
    guint first_looks;   /* of what was there at the start, not done yet */
    guint start_source;  /* 0: the order has begun */
    gboolean is_ending;
};

static void dispatch(VgpuLegacy *self);

static void complain(Client *client, const char *what)
{
    if (vgpu_limiter_take(&client->complaints, (guint64)g_get_monotonic_time() * 1000))
        g_warning("legacy:%s: %s", client->name, what);
}

/* @text becomes the job's. */
static void answer_text(Client *client, char *text)
{
    client->phase = ANSWERING;
    vgpu_legacy_box_answer(client->box, &client->taken, text);
}

static void answer_error(Client *client, enum vgpu_error error)
{
    answer_text(client, vgpu_legacy_line_error(error));
}

/* The order. */

static void on_answered(VgpuLegacyVm *vm G_GNUC_UNUSED, enum vgpu_error error, guint32 sum,
                        gpointer data)
{
    Client *client = data;
    VgpuLegacy *self = client->legacy;

    self->running = NULL;
    if (error == VGPU_ERROR_NONE)
        answer_text(client, vgpu_legacy_line_result(&client->taken.line, sum));
    else
        answer_error(client, error);
    dispatch(self);
}

static void on_left(VgpuLegacyVm *vm G_GNUC_UNUSED, gpointer data)
{
    const VgpuLegacy *self = ((Client *)data)->legacy;

    if (!self->is_ending)
        self->handlers->place_free(self->user_data);
}

static gboolean on_waited(gpointer data)
{
    Client *client = data;

    client->timer = 0;
    answer_error(client, VGPU_ERROR_TIMEOUT);
    return G_SOURCE_REMOVE;
}

static enum vgpu_error prepare(Client *client)
{
    return vgpu_legacy_vm_prepare(client->vm, client->taken.line.pool, client->taken.line.priority);
}

/* Puts the client's request into the order, or tells why not. */
static void enqueue(Client *client)
{
    VgpuLegacy *self = client->legacy;

    if (vgpu_legacy_vm_is_busy(client->vm)) {
        client->phase = WAITING;
        client->timer =
            g_timeout_add(vgpu_legacy_vm_patience_ms(self->settings), on_waited, client);
        return;
    }
    /* Now, so that its worker starts while others are served. */
    const enum vgpu_error error = prepare(client);
    if (error != VGPU_ERROR_NONE) {
        answer_error(client, error);
        return;
    }
    client->phase = QUEUED;
    vgpu_legacy_queue_push(self->queue, client, client->taken.line.priority,
                           client->taken.written_ns);
}

static void on_ready(VgpuLegacyVm *vm G_GNUC_UNUSED, gpointer data)
{
    Client *client = data;

    if (client->phase != WAITING)
        return;
    g_clear_handle_id(&client->timer, g_source_remove);
    enqueue(client);
    dispatch(client->legacy);
}

/* Carries out the first of the order, if none is under way. */
static void dispatch(VgpuLegacy *self)
{
    Client *client;

    while (self->running == NULL && self->start_source == 0 &&
           (client = vgpu_legacy_queue_pop(self->queue)) != NULL) {
        /* Its worker may have died while it waited for its turn. */
        enum vgpu_error error = prepare(client);
        if (error == VGPU_ERROR_NONE &&
            !vgpu_legacy_vm_send(client->vm, client->taken.line.numbers))
            error = VGPU_ERROR_EXECUTION_FAILED;
        if (error != VGPU_ERROR_NONE) {
            answer_error(client, error);
            continue;
        }
        client->phase = RUNNING;
        self->running = client;
    }
}

static gboolean make_vm(Client *client, GError **error)
{
    static const VgpuLegacyVmHandlers handlers = {on_answered, on_ready, on_left};
    VgpuLegacy *self = client->legacy;
    g_autofree char *folder = g_build_filename(self->settings->legacy_dir, client->name, NULL);
    const VgpuLegacyLine *line = &client->taken.line;

    client->vm =
        vgpu_legacy_vm_new(folder, client->number, line->pool, line->priority, self->settings,
                           self->dispatcher, self->custodies, &handlers, client, error);
    if (client->vm == NULL)
        return FALSE;

    VgpuSession *session = vgpu_legacy_vm_session(client->vm);
    g_message("%s: its first request, pool %c; it is VM number %u here", session->name, line->pool,
              session->vm_id);
    vgpu_sessions_add(self->sessions, session);
    vgpu_legacy_vm_recall(client->vm);
    return TRUE;
}

static void on_taken(Client *client, const VgpuLegacyTaken *taken)
{
    g_autoptr(GError) error = NULL;

    client->taken = *taken;
    if (!taken->is_valid) {
        complain(client, VGPU_LEGACY_REQUEST " is malformed and was answered with an error");
        if (client->vm != NULL)
            vgpu_legacy_vm_strike(client->vm);
        answer_error(client, VGPU_ERROR_INVALID_REQUEST);
    } else if (client->vm == NULL &&
               vgpu_pools_get(client->legacy->settings->pools, taken->line.pool) == NULL) {
        complain(client, VGPU_LEGACY_REQUEST " names a pool that is not configured");
        answer_error(client, VGPU_ERROR_INVALID_POOL);
    } else if (client->vm == NULL && !make_vm(client, &error)) {
        complain(client, error->message);
        answer_error(client, VGPU_ERROR_UNAVAILABLE);
    } else {
        enqueue(client);
    }
}

/* Looking. */

static void look(Client *client)
{
    if (client->phase != IDLE || !client->is_changed)
        return;
    client->is_changed = FALSE;
    g_clear_handle_id(&client->timer, g_source_remove);
    client->phase = LOOKING;
    vgpu_legacy_box_look(client->box);
}

static gboolean on_look_again(gpointer data)
{
    Client *client = data;

    client->timer = 0;
    client->is_changed = TRUE;
    look(client);
    return G_SOURCE_REMOVE;
}

static gboolean on_started(gpointer data)
{
    VgpuLegacy *self = data;

    self->start_source = 0;
    dispatch(self);
    return G_SOURCE_REMOVE;
}

/* All that was there at the start has been looked at, but for @count. */
static void count_first(VgpuLegacy *self, guint count)
{
    self->first_looks = count;
    if (count == 0)
        g_clear_handle_id(&self->start_source, g_source_remove);
}

static void on_looked(VgpuLegacyFilesResult result, const VgpuLegacyTaken *taken,
                      const GError *error, gpointer data)
{
    Client *client = data;
    VgpuLegacy *self = client->legacy;

    client->phase = IDLE;
    if (result == VGPU_LEGACY_FILES_TAKEN)
        on_taken(client, taken);
    else if (result == VGPU_LEGACY_FILES_FAILED)
        complain(client, error->message);
    else if (result == VGPU_LEGACY_FILES_AGAIN)
        client->timer = g_timeout_add(AGAIN_MS, on_look_again, client);
    look(client);

    if (client->is_first)
        count_first(self, self->first_looks - 1);
    client->is_first = FALSE;
    dispatch(self);
}

static void on_response(const GError *error, gpointer data)
{
    Client *client = data;

    client->phase = IDLE;
    if (error != NULL)
        complain(client, error->message);
    look(client);
}

/* Directories. */

static gboolean is_taken(const VgpuLegacy *self, guint number)
{
    GHashTableIter iter;
    gpointer client;

    g_hash_table_iter_init(&iter, self->clients);
    while (g_hash_table_iter_next(&iter, NULL, &client))
        if (((const Client *)client)->number == number)
            return TRUE;
    return FALSE;
}

static void on_appeared(const char *name, int dir, gpointer data)
{
    static const VgpuLegacyBoxHandlers handlers = {on_looked, on_response};
    VgpuLegacy *self = data;
    Client *client = g_new0(Client, 1);

    client->legacy = self;
    client->name = g_strdup(name);
    client->box = vgpu_legacy_box_new(self->jobs, dir, &handlers, client);
    while (is_taken(self, client->number))
        client->number++;
    vgpu_limiter_init(&client->complaints, COMPLAINT_RATE);
    g_hash_table_insert(self->clients, client->name, client);
}

static void on_changed(const char *name, gpointer data)
{
    VgpuLegacy *self = data;
    Client *client = g_hash_table_lookup(self->clients, name);

    if (self->watch == NULL) { /* which is just being made */
        client->is_first = TRUE;
        self->first_looks++;
    }
    client->is_changed = TRUE;
    look(client);
}

static void leave(gpointer data)
{
    Client *client = data;
    VgpuLegacy *self = client->legacy;

    if (client->is_first)
        count_first(self, self->first_looks - 1);
    g_clear_handle_id(&client->timer, g_source_remove);
    vgpu_legacy_queue_remove(self->queue, client);
    if (self->running == client)
        self->running = NULL;
    if (client->vm != NULL) {
        vgpu_sessions_remove(self->sessions, vgpu_legacy_vm_session(client->vm)->uuid);
        g_clear_pointer(&client->vm, vgpu_legacy_vm_free);
    }
    vgpu_legacy_box_free(client->box);
    g_free(client->name);
    g_free(client);
}

static void on_vanished(const char *name, gpointer data)
{
    VgpuLegacy *self = data;

    g_hash_table_remove(self->clients, name);
    dispatch(self);
}

VgpuLegacy *vgpu_legacy_new(const VgpuSettings *settings, VgpuSessions *sessions,
                            VgpuDispatcher *dispatcher, VgpuCustodies *custodies,
                            const VgpuLegacyHandlers *handlers, gpointer user_data, GError **error)
{
    static const VgpuLegacyWatchHandlers watch_handlers = {on_appeared, on_changed, on_vanished};
    VgpuLegacy *self = g_new0(VgpuLegacy, 1);

    self->settings = settings;
    self->sessions = sessions;
    self->dispatcher = dispatcher;
    self->custodies = custodies;
    self->handlers = handlers;
    self->user_data = user_data;
    self->queue = vgpu_legacy_queue_new();
    self->clients = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, leave);
    self->start_source = g_timeout_add(START_MS, on_started, self);
    self->jobs = vgpu_legacy_box_jobs_new(VGPU_LEGACY_WATCH_MAX, error);
    if (self->jobs != NULL)
        self->watch = vgpu_legacy_watch_new(settings->legacy_dir, &watch_handlers, self, error);
    if (self->watch == NULL) {
        vgpu_legacy_free(self);
        return NULL;
    }
    count_first(self, self->first_looks);
    g_message("legacy directory %s: served, %u VMs there", settings->legacy_dir,
              g_hash_table_size(self->clients));
    return self;
}

/* What it took and has not answered, it answers. */
static void give_up(gpointer key G_GNUC_UNUSED, gpointer value, gpointer data G_GNUC_UNUSED)
{
    Client *client = value;

    if (client->phase == WAITING || client->phase == QUEUED || client->phase == RUNNING)
        answer_error(client, VGPU_ERROR_UNAVAILABLE);
}

void vgpu_legacy_free(VgpuLegacy *self)
{
    self->is_ending = TRUE;
    g_clear_handle_id(&self->start_source, g_source_remove);
    g_clear_pointer(&self->watch, vgpu_legacy_watch_free);
    g_hash_table_foreach(self->clients, give_up, NULL);
    g_hash_table_unref(self->clients);
    g_clear_pointer(&self->jobs, vgpu_legacy_jobs_free);
    vgpu_legacy_queue_free(self->queue);
    g_free(self);
}
