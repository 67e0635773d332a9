/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-running.h"

#include <string.h>

#include "host-plug.h"
#include "host-qmp.h"

/* Of jobs that did not reach QEMU. */
#define MAX_RETRIES 3

typedef enum {
    STATE_UNKNOWN, /* only QEMU knows whether there is a device */
    STATE_BUSY,    /* a job is under way; its end brings another look */
    STATE_ABSENT,
    STATE_PRESENT,
    STATE_FAILED, /* the last job; tried again when something happens to the domain */
} State;

typedef struct {
    int id; /* libvirt's number of the run that this is about */
    State state;
    gboolean was_out; /* taken out since the start, so that the XML says nothing about it */
    gboolean settled; /* FAILED: the job's own look has been */
    guint retries;    /* jobs in a row that did not reach QEMU */
    /* The hot-plugged device's; vm_id 0: there is none, or none yet */
    guint32 vm_id;
    VgpuConfig config;
} Run;

GHashTable *vgpu_host_running_table_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static Run *run_of(VgpuHostLook *self, const char *uuid, int id)
{
    Run *run = g_hash_table_lookup(self->runs, uuid);

    if (run == NULL) {
        run = g_new0(Run, 1);
        g_hash_table_insert(self->runs, g_strdup(uuid), run);
    }
    if (run->id != id)
        *run = (Run){.id = id};
    return run;
}

/* Says what is wrong with the running domain, not its definition: once per distinct text. */
static void warn(VgpuHostLook *self, const char *uuid, const char *name, const char *text)
{
    if (g_strcmp0(g_hash_table_lookup(self->notes, uuid), text) == 0)
        return;
    g_hash_table_insert(self->notes, g_strdup(uuid), g_strdup(text));
    g_warning("domain '%s', as it runs: %s", name, text);
}

static void unplugged(VgpuHostLook *self, const char *uuid)
{
    if (g_hash_table_remove(self->running, uuid))
        vgpu_host_shared_post(self->shared, VGPU_HOST_NEWS_UNPLUGGED, g_strdup(uuid), NULL);
}

void vgpu_host_running_gone(VgpuHostLook *self, const char *uuid)
{
    g_hash_table_remove(self->notes, uuid);
    g_hash_table_remove(self->runs, uuid);
    if (g_hash_table_remove(self->running, uuid))
        vgpu_host_shared_post(self->shared, VGPU_HOST_NEWS_STOPPED, g_strdup(uuid), NULL);
}

/*
 * It did not reach QEMU, or its answer did not reach us: libvirtd ended meanwhile, or the domain
 * does. The look that follows comes with a connection, and with a domain that runs or not.
 */
static gboolean try_again(Run *run, const VgpuHostPlug *plug)
{
    if (!g_error_matches(plug->error, VGPU_HOST_QMP_ERROR, VGPU_HOST_QMP_ERROR_LIBVIRT) ||
        run->retries == MAX_RETRIES)
        return FALSE;
    run->retries++;
    run->state = plug->kind == VGPU_HOST_PLUG_OUT ? STATE_PRESENT : STATE_UNKNOWN;
    return TRUE;
}

static void failed(VgpuHostLook *self, Run *run, const VgpuHostPlug *plug)
{
    g_autofree char *text = g_strdup_printf("its vgpu device cannot be %s: %s",
                                            plug->kind == VGPU_HOST_PLUG_OUT
                                                ? "taken out"
                                                : "added while it runs, only at its next start",
                                            plug->error->message);

    *run = (Run){.id = plug->id, .state = STATE_FAILED, .was_out = run->was_out};
    warn(self, plug->uuid, plug->name, text);
    unplugged(self, plug->uuid);
}

static void take_result(VgpuHostLook *self, const VgpuHostPlug *plug)
{
    Run *run = g_hash_table_lookup(self->runs, plug->uuid);

    if (run == NULL || run->id != plug->id)
        return;
    if (plug->error != NULL) {
        if (!try_again(run, plug))
            failed(self, run, plug);
        return;
    }
    run->retries = 0;
    if (plug->kind == VGPU_HOST_PLUG_OUT || plug->vm_id == 0) {
        run->state = STATE_ABSENT;
        run->was_out |= plug->kind == VGPU_HOST_PLUG_OUT;
        if (plug->kind == VGPU_HOST_PLUG_OUT)
            g_message("domain '%s': vgpu-stub taken out of the running domain", plug->name);
        unplugged(self, plug->uuid);
    } else {
        run->state = STATE_PRESENT;
        run->vm_id = plug->vm_id;
        run->config = plug->config;
        if (plug->kind == VGPU_HOST_PLUG_IN)
            g_message("domain '%s': vgpu-stub put into the running domain, on %s", plug->name,
                      plug->place.bus);
    }
}

void vgpu_host_running_take_results(VgpuHostLook *self)
{
    gpointer result;

    while ((result = g_async_queue_try_pop(self->shared->plugged)) != NULL) {
        take_result(self, result);
        vgpu_host_plug_unref(result);
    }
}

static void start_job(VgpuHostLook *self, Run *run, VgpuHostPlug *plug)
{
    run->state = STATE_BUSY;
    run->vm_id = plug->vm_id;
    run->config = plug->config;
    vgpu_host_plug_start(self->plugs, plug);
}

static void tell_running(VgpuHostLook *self, const char *uuid, VgpuDomain *live)
{
    if (live->config_error == NULL)
        g_hash_table_remove(self->notes, uuid);
    g_hash_table_add(self->running, g_strdup(uuid));
    vgpu_reconciler_seen_running(self->reconciler, uuid, live->device->vm_id);
    vgpu_host_shared_post(self->shared, VGPU_HOST_NEWS_RUNNING, NULL, live);
}

/* For those who must know the device although it does not stand in the XML. */
static void describe_device(VgpuHostLook *self, const Run *run, VgpuDomain *live)
{
    if (live->device != NULL)
        return;
    live->device = g_new0(VgpuDevice, 1);
    live->device->emulator = g_strdup(self->shared->emulator);
    live->device->socket_path = vgpu_domain_socket_path(self->shared->run_dir, live->uuid);
    live->device->vm_id = run->vm_id;
    live->device->pool = run->config.pool;
    live->device->priority = run->config.priority;
}

static gboolean find_place(VgpuHostLook *self, const VgpuDomain *live, const char *xml,
                           VgpuHotplugPlace *place)
{
    g_autoptr(GError) error = NULL;

    if (vgpu_domain_xml_hotplug_place(xml, strlen(xml), self->shared->emulator, place, &error))
        return TRUE;
    g_autofree char *text = g_strdup_printf(
        "its vgpu element takes effect at its next start, not now: %s", error->message);
    warn(self, live->uuid, live->name, text);
    return FALSE;
}

/* It wants the device and has none. */
static void plug_in(VgpuHostLook *self, Run *run, VgpuDomain *live, const char *xml,
                    gboolean may_number)
{
    g_autoptr(VgpuDomain) owned = live;
    VgpuHotplugPlace place;
    const char *uuid = live->uuid;

    if (vgpu_reconciler_is_detached(self->reconciler) || !find_place(self, live, xml, &place))
        return;
    guint32 vm_id = vgpu_reconciler_number(self->reconciler, uuid, may_number);
    if (vm_id == 0) {
        if (may_number)
            warn(self, uuid, live->name, "every VM number is taken");
        else
            vgpu_host_work_add(self->shared->work, uuid);
        return;
    }
    if (place.is_last)
        g_message("domain '%s': its last free PCI port is the vgpu device's", live->name);

    VgpuHostPlug *plug =
        vgpu_host_plug_new(self->shared, VGPU_HOST_PLUG_IN, uuid, live->name, run->id);
    plug->place = place;
    plug->config = *live->config;
    plug->socket_path = vgpu_domain_socket_path(self->shared->run_dir, uuid);
    plug->vm_id = vm_id;
    run->vm_id = plug->vm_id;
    run->config = plug->config;
    describe_device(self, run, live);
    /* First, so that the session's socket is there when QEMU looks for it; else it tries again. */
    tell_running(self, uuid, g_steal_pointer(&owned));
    start_job(self, run, plug);
}

static void start_simple_job(VgpuHostLook *self, Run *run, VgpuHostPlugKind kind,
                             const VgpuDomain *live)
{
    start_job(self, run, vgpu_host_plug_new(self->shared, kind, live->uuid, live->name, run->id));
}

/*
 * Decides by what the live metadata asks for and what there is. A wrong element asks for nothing
 * new and takes nothing away. Takes @live over.
 */
static void settle(VgpuHostLook *self, Run *run, VgpuDomain *live, const char *xml,
                   gboolean may_number)
{
    g_autoptr(VgpuDomain) owned = live;
    VgpuHotplugPlace place;
    gboolean wanted = live->config != NULL || live->config_error != NULL;

    if (run->state == STATE_FAILED && !run->settled) {
        run->settled = TRUE;
        return;
    }
    if (run->state == STATE_FAILED)
        run->state = STATE_UNKNOWN;
    if (run->state == STATE_UNKNOWN && live->device != NULL && !run->was_out) {
        run->state = STATE_PRESENT;
        run->vm_id = live->device->vm_id;
    }

    if (run->state == STATE_UNKNOWN) {
        if (wanted && find_place(self, live, xml, &place))
            start_simple_job(self, run, VGPU_HOST_PLUG_PROBE, live);
    } else if (wanted && run->state == STATE_ABSENT && live->config != NULL) {
        plug_in(self, run, g_steal_pointer(&owned), xml, may_number);
    } else if (wanted && (run->state == STATE_PRESENT || run->vm_id != 0)) {
        describe_device(self, run, live);
        tell_running(self, live->uuid, g_steal_pointer(&owned));
    } else if (!wanted && run->state == STATE_PRESENT) {
        start_simple_job(self, run, VGPU_HOST_PLUG_OUT, live);
    }
}

void vgpu_host_running_look(VgpuHostLook *self, virDomainPtr domain, const char *uuid,
                            gboolean may_number)
{
    const char *name = virDomainGetName(domain);
    int id = (int)virDomainGetID(domain);
    g_autofree char *xml = virDomainGetXMLDesc(domain, 0);
    g_autoptr(VgpuDomain) live = NULL;
    g_autoptr(GError) error = NULL;

    if (xml == NULL) {
        vgpu_host_look_failed(self, uuid, name, "read the running domain");
        return;
    }
    if (!vgpu_domain_xml_mentions_us(xml, strlen(xml)) && !g_hash_table_contains(self->runs, uuid))
        return;
    if (!vgpu_domain_parse(xml, strlen(xml), &live, &error)) {
        warn(self, uuid, name, error->message);
        return;
    }
    if (live->uuid == NULL || live->name == NULL)
        return;

    if (live->config_error != NULL) {
        g_autofree char *text =
            g_strdup_printf("%s; it goes on as before", live->config_error->message);
        warn(self, uuid, name, text);
    }
    settle(self, run_of(self, uuid, id), g_steal_pointer(&live), xml, may_number);
}
