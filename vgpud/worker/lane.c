/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lane.h"

#include <string.h>

void vgpu_lane_init(VgpuLane *lane, VgpuService *service, guint number, void *slot, gsize size,
                    int wake)
{
    *lane = (VgpuLane){.service = service, .number = number};
    vgpu_queue_init(&lane->queue, slot, size, wake);
}

void vgpu_lane_clear(VgpuLane *lane)
{
    g_clear_pointer(&lane->owner, vgpu_owner_free);
    vgpu_quota_uncharge(&lane->service->gate.quota,
                        (VgpuCharge){.amount[VGPU_QUOTA_SHARED] = lane->charged});
    lane->charged = 0;
}

gboolean vgpu_lane_wants_room(const VgpuLane *lane)
{
    return lane->waits && vgpu_command_patience(&lane->command) < VGPU_COMMAND_SLOW;
}

gboolean vgpu_lane_is_blocked(const VgpuLane *lane)
{
    return lane->waits || lane->build != NULL || lane->leaving != VGPU_QUEUE_NEXT_NOTHING;
}

guint64 vgpu_lane_until(const VgpuLane *lane)
{
    return lane->waits ? lane->until_ns : G_MAXUINT64;
}

gboolean vgpu_lane_is_owned(const VgpuLane *lane)
{
    return lane->queue.serving;
}

gboolean vgpu_lane_has_built(const VgpuLane *lane)
{
    return lane->build != NULL && vgpu_build_is_done(lane->build);
}

guint64 vgpu_lane_due(const VgpuLane *lane)
{
    const guint64 device_ns = lane->owner != NULL && lane->owner->count > 0
                                  ? lane->owner->oldest_ns + lane->service->timeout_ns
                                  : G_MAXUINT64;

    return lane->build != NULL ? MIN(device_ns, lane->build_due_ns) : device_ns;
}

/* In either thread; the main one is in the backend, or here. */
static void tell_timeout(VgpuLane *lane)
{
    vgpu_service_account(lane->service, VGPU_RESULT_TIMEOUT, 0, 0, lane->service->timeout_ns);
    vgpu_queue_break(&lane->queue, VGPU_RESULT_TIMEOUT);
}

void vgpu_lane_give_up(VgpuLane *lane)
{
    const gboolean builds = lane->build != NULL && vgpu_lane_due(lane) == lane->build_due_ns;
    const guint32 tag = builds ? lane->command.tag : lane->owner->window[lane->owner->oldest].tag;
    g_autofree char *what = g_strdup_printf("%s a queue's command %u has begun",
                                            builds ? "the build that" : "what", tag);

    tell_timeout(lane);
    vgpu_service_give_up(lane->service, what,
                         builds ? lane->service->build_ns : lane->service->timeout_ns);
}

/* Drivers have one compiler, which a kernel's first launch may wait for, too. */
static guint64 patience_ns(const VgpuService *service)
{
    return service->builds > 0 ? MAX(service->build_ns, service->timeout_ns) : service->timeout_ns;
}

/* In the deadline's thread, while the main thread is stuck in the backend. */
static void expired(gpointer data)
{
    VgpuLane *lane = data;
    g_autofree char *what =
        g_strdup_printf("a queue's command %u (0x%04x)", lane->command.tag, lane->command.opcode);

    tell_timeout(lane);
    vgpu_service_give_up(lane->service, what, patience_ns(lane->service));
}

/* From here to vgpu_deadline_disarm() the driver may take as long as patience_ns() says. */
static void arm(VgpuLane *lane)
{
    const VgpuService *service = lane->service;

    vgpu_deadline_arm(service->deadline, vgpu_deadline_now() + patience_ns(service), expired, lane);
}

/* What ran has failed. */
static void look_for_loss(VgpuLane *lane)
{
    arm(lane);
    vgpu_service_failed(lane->service);
    vgpu_deadline_disarm(lane->service->deadline);
}

void vgpu_lane_quarantine(VgpuLane *lane)
{
    vgpu_queue_break(&lane->queue, VGPU_RESULT_QUARANTINED);
}

/*
 * A program sends on before it knows: what fails behind a failure may be no more than its
 * consequence, until the guest has been told by an answer. One that wants none is a guest whose
 * errors count once for a ring full of them.
 */
static void strike(VgpuLane *lane, enum vgpu_result status)
{
    if (lane->follows > 0) {
        lane->follows--;
    } else if (status != VGPU_RESULT_OK) {
        vgpu_service_strike(lane->service, status);
        lane->follows = VGPU_QUEUE_ENTRIES;
    }
    if (lane->command.flags & VGPU_COMMAND_ANSWER)
        lane->follows = 0;
}

static gboolean collect(VgpuLane *lane)
{
    VgpuOwner *owner = lane->owner;

    if (owner == NULL || owner->count == 0 || !vgpu_owner_collect(owner))
        return FALSE;
    const gboolean failed = owner->failed != VGPU_RESULT_OK;
    vgpu_service_account_device(lane->service, failed ? 1 : 0, owner->device_ns);
    /* Its completion said no more than that it had begun. */
    if (failed) {
        vgpu_queue_fail(&lane->queue, owner->failed_tag, owner->failed);
        look_for_loss(lane);
        vgpu_service_strike(lane->service, owner->failed);
    }
    owner->failed = VGPU_RESULT_OK;
    owner->device_ns = 0;
    if (owner->count == 0)
        vgpu_trace(&lane->service->trace, "ended");
    return TRUE;
}

/* Answers the driver: the queue is somebody else's, or nobody's. */
static void begin(VgpuLane *lane)
{
    VgpuGate *gate = &lane->service->gate;
    const guint64 size = lane->queue.arena_size + VGPU_QUEUE_ARENA;

    vgpu_gate_update(gate);
    vgpu_quota_uncharge(&gate->quota, (VgpuCharge){.amount[VGPU_QUOTA_SHARED] = lane->charged});
    lane->charged = lane->queue.wanted != 0 ? size : 0;
    if (vgpu_quota_charge(&gate->quota, (VgpuCharge){.amount[VGPU_QUOTA_SHARED] = lane->charged})) {
        vgpu_service_show_used(lane->service);
        vgpu_queue_begin(&lane->queue);
        return;
    }
    lane->charged = 0;
    vgpu_service_account(lane->service, VGPU_RESULT_QUOTA, 0, 0, 0);
    vgpu_queue_refuse(&lane->queue, VGPU_RESULT_QUOTA);
}

/* The owner goes, once nothing of its runs any more. */
static gboolean leave(VgpuLane *lane)
{
    if (lane->owner != NULL && lane->owner->count > 0)
        return FALSE;
    if (lane->owner != NULL) {
        arm(lane);
        g_clear_pointer(&lane->owner, vgpu_owner_free);
        vgpu_deadline_disarm(lane->service->deadline);
    }
    vgpu_service_show_used(lane->service);
    if (lane->leaving == VGPU_QUEUE_NEXT_SESSION)
        begin(lane);
    lane->leaving = VGPU_QUEUE_NEXT_NOTHING;
    return TRUE;
}

/* Gets the next command; FALSE: there is none. @worked is set when there was something else. */
static gboolean fetch(VgpuLane *lane, gboolean *worked)
{
    VgpuQueueNext next = vgpu_queue_next(&lane->queue, &lane->command);

    if (next == VGPU_QUEUE_NEXT_COMMAND) {
        if (lane->owner == NULL)
            lane->owner = vgpu_owner_new(lane->service->backend, &lane->service->gate.quota,
                                         &lane->service->pace);
        return TRUE;
    }
    if (next == VGPU_QUEUE_NEXT_BROKEN)
        vgpu_service_strike(lane->service, VGPU_RESULT_BAD_QUEUE);
    if (next != VGPU_QUEUE_NEXT_NOTHING) {
        lane->leaving = next;
        lane->follows = 0;
        *worked |= leave(lane);
    }
    return FALSE;
}

/* The command has ended. */
static void complete(VgpuLane *lane, enum vgpu_result status, VgpuCommandOutcome *outcome)
{
    VgpuService *service = lane->service;

    if (outcome->error != NULL)
        vgpu_tally_add(&service->tally, VGPU_ERROR_EXECUTION_FAILED, lane->command.tag,
                       outcome->error->message);
    vgpu_service_account(service, status, sizeof(lane->command) + outcome->bytes_in,
                         outcome->bytes_out, outcome->elapsed_ns);
    vgpu_queue_complete(&lane->queue, &lane->command, status, outcome->result, outcome->elapsed_ns);
    strike(lane, status);
    g_clear_error(&outcome->error);
}

/* Ends the command whose build has ended; FALSE: it has not. */
static gboolean end_build(VgpuLane *lane)
{
    if (!vgpu_lane_has_built(lane))
        return FALSE;
    g_autoptr(VgpuBuild) build = g_steal_pointer(&lane->build);
    VgpuCommandOutcome outcome = {.elapsed_ns = build->elapsed_ns,
                                  .bytes_in = strlen(build->options),
                                  .error = g_steal_pointer(&build->error)};

    lane->service->builds--;
    complete(lane, build->result, &outcome);
    return TRUE;
}

static void begin_build(VgpuLane *lane, VgpuBuild *build)
{
    VgpuService *service = lane->service;

    lane->build = build;
    lane->build_due_ns = vgpu_deadline_now() + service->build_ns;
    service->builds++;
    vgpu_build_start(build, service->build_wake);
    end_build(lane);
}

/* What @status, the command's, says of the device: it may be lost, or not there. */
static void judge(VgpuLane *lane, enum vgpu_result status)
{
    VgpuService *service = lane->service;

    if (status !=
            (service->backend == NULL ? VGPU_RESULT_UNAVAILABLE : VGPU_RESULT_EXECUTION_FAILED) &&
        status != VGPU_RESULT_OUT_OF_MEMORY)
        return;
    if (service->backend == NULL || vgpu_command_is_job(&lane->command))
        vgpu_service_failed(service);
    else
        service->suspects = TRUE;
}

static void carry_out(VgpuLane *lane)
{
    VgpuService *service = lane->service;
    const VgpuCommandPatience patience = vgpu_command_patience(&lane->command);
    const gboolean watched = patience != VGPU_COMMAND_AT_ONCE && service->backend != NULL;
    VgpuCommandOutcome outcome;

    /* What has ended is not to wait for what takes long. */
    if (patience >= VGPU_COMMAND_SLOW)
        vgpu_queue_flush(&lane->queue);
    if (watched)
        arm(lane);
    enum vgpu_result status =
        vgpu_command_run(lane->owner, &service->gate, &lane->queue, &lane->command, &outcome);
    judge(lane, status);
    if (watched)
        vgpu_deadline_disarm(service->deadline);
    if (vgpu_command_is_job(&lane->command) && lane->owner->count == 0)
        vgpu_trace(&service->trace, "ended");
    if (outcome.build != NULL)
        begin_build(lane, outcome.build);
    else
        complete(lane, status, &outcome);
}

/* TRUE when the fetched command cannot begin yet. */
static gboolean must_wait(VgpuLane *lane)
{
    VgpuGate *gate = &lane->service->gate;

    lane->until_ns = G_MAXUINT64;
    if (lane->service->builds > 0 && vgpu_command_patience(&lane->command) == VGPU_COMMAND_BUILD)
        return TRUE;
    /* An error only when there is really no room. */
    if (gate->strict &&
        !vgpu_quota_fits(&gate->quota, (VgpuCharge){.amount[VGPU_QUOTA_OUTSTANDING] = 1}))
        collect(lane);
    if (!vgpu_command_must_wait(lane->owner, gate, &lane->command, &lane->until_ns))
        return FALSE;
    /* Often it is only that nobody has looked since. */
    return !collect(lane) ||
           vgpu_command_must_wait(lane->owner, gate, &lane->command, &lane->until_ns);
}

static gboolean has_room(const VgpuLane *lane)
{
    return vgpu_pace_fits(&lane->service->pace,
                          vgpu_command_expected_ns(lane->owner, &lane->command),
                          lane->service->timeout_ns);
}

/* TRUE when the fetched command would be more than the device may have of this VM at once, or it is
 * others' turn on the device. */
static gboolean must_wait_for_turn(VgpuLane *lane)
{
    VgpuService *service = lane->service;

    if (service->backend == NULL || !vgpu_command_is_job(&lane->command))
        return FALSE;
    lane->until_ns = G_MAXUINT64;
    if (!has_room(lane) && !(collect(lane) && has_room(lane)))
        return TRUE;
    lane->wants_turn = !vgpu_service_take_turn(service);
    if (lane->wants_turn)
        return TRUE;
    vgpu_trace(&service->trace, "job %u %u 0x%04x", lane->number, lane->command.tag,
               lane->command.opcode);
    return FALSE;
}

/* Whether either is so, with the account of the time for which it could not. */
static gboolean still_waits(VgpuLane *lane)
{
    lane->waits = must_wait(lane) || must_wait_for_turn(lane);
    /* What the VM itself has on the device is no wait: the order of its commands is its own. */
    if (lane->waits && lane->until_ns != G_MAXUINT64 && lane->since_ns == 0)
        lane->since_ns = vgpu_deadline_now();
    if (!lane->waits && lane->since_ns != 0) {
        vgpu_service_account_wait(lane->service, vgpu_deadline_now() - lane->since_ns);
        lane->since_ns = 0;
    }
    return lane->waits;
}

/* It would wait for its turn for ever. */
static void refuse(VgpuLane *lane)
{
    lane->waits = lane->wants_turn = FALSE;
    lane->since_ns = 0;
    vgpu_service_account(lane->service, VGPU_RESULT_UNAVAILABLE, sizeof(lane->command), 0, 0);
    vgpu_queue_complete(&lane->queue, &lane->command, VGPU_RESULT_UNAVAILABLE, 0, 0);
}

static void flush_device(VgpuLane *lane)
{
    const VgpuService *service = lane->service;

    if (lane->owner == NULL || lane->owner->count == 0)
        return;
    arm(lane);
    service->backend->class->queue_flush(lane->owner->queue, NULL);
    vgpu_deadline_disarm(service->deadline);
}

void vgpu_lane_lose(VgpuLane *lane)
{
    vgpu_queue_break(&lane->queue, VGPU_RESULT_EXECUTION_FAILED);
}

gboolean vgpu_lane_serve(VgpuLane *lane, guint batch)
{
    gboolean worked = collect(lane);

    worked |= end_build(lane);
    if (lane->build != NULL)
        return worked;
    if (lane->leaving != VGPU_QUEUE_NEXT_NOTHING && !leave(lane))
        return worked;
    /* Nobody is there any more to whom it would matter. */
    if (lane->waits && vgpu_queue_is_left(&lane->queue)) {
        lane->waits = lane->wants_turn = FALSE;
        lane->since_ns = 0;
    }
    for (guint i = 0; i < batch && !lane->service->lost; i++) {
        if (!lane->waits && !fetch(lane, &worked))
            break;
        if (!still_waits(lane))
            carry_out(lane);
        else if (lane->wants_turn && vgpu_turn_is_hopeless(&lane->service->turn))
            refuse(lane);
        else
            break;
        worked = TRUE;
        if (lane->build != NULL)
            break;
    }
    if (!worked)
        return FALSE;
    vgpu_queue_flush(&lane->queue);
    flush_device(lane);
    vgpu_service_touch(lane->service);
    return TRUE;
}
