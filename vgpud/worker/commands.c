/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands-private.h"

#include "deadline.h"

enum {
    ARG0 = 1 << 0, /* arg[i] is used; all others are 0 */
    ARG1 = 1 << 1,
    ARG2 = 1 << 2,
    ARG3 = 1 << 3,
    ARG4 = 1 << 4,
    ALL_ARGS = ARG0 | ARG1 | ARG2 | ARG3 | ARG4,
    HANDLE = 1 << 5,   /* is about an object: the command looks it up */
    NEW = 1 << 6,      /* makes one */
    EVENT = 1 << 7,    /* may have an event */
    DEVICE = 1 << 8,   /* needs one */
    GIVES = 1 << 9,    /* gives the device something to do: one place of the window */
    WAITS = 1 << 10,   /* begins when the window is empty; its time is taken */
    BUILDS = 1 << 11,  /* gives a compiler something to do */
    FREE = 1 << 12,    /* is not charged to the rate: a limit never keeps one from giving back */
    MEASURED = 1 << 13 /* its time on the device counts */
};

typedef struct {
    guint flags;
    VgpuCommandRun run; /* NULL: there is no such command */
} Kind;

#define FIRST VGPU_CMD_NOP
#define LAST  VGPU_CMD_EVENT_TIMES

/* By opcode, from the first. */
static const Kind kinds[LAST - FIRST + 1] = {
#define KIND(opcode, run, flags) [(opcode)-FIRST] = {(flags), (run)}
    KIND(VGPU_CMD_NOP, vgpu_command_nothing, 0),
    KIND(VGPU_CMD_SNAPSHOT, vgpu_command_snapshot, ARG0 | ARG1 | DEVICE),
    KIND(VGPU_CMD_RELEASE, vgpu_command_release, HANDLE | FREE),
    KIND(VGPU_CMD_BARRIER, vgpu_command_barrier, EVENT),
    KIND(VGPU_CMD_FINISH, vgpu_command_nothing, WAITS | FREE),
    KIND(VGPU_CMD_BUFFER_CREATE, vgpu_command_buffer_create, ARG0 | NEW | DEVICE),
    KIND(VGPU_CMD_BUFFER_WRITE, vgpu_command_buffer_write,
         ARG0 | ARG1 | ARG2 | HANDLE | EVENT | DEVICE | GIVES | WAITS),
    KIND(VGPU_CMD_BUFFER_READ, vgpu_command_buffer_read,
         ARG0 | ARG1 | ARG2 | HANDLE | EVENT | DEVICE | GIVES | WAITS),
    KIND(VGPU_CMD_BUFFER_COPY, vgpu_command_buffer_copy,
         ARG0 | ARG1 | ARG2 | ARG3 | HANDLE | EVENT | DEVICE | GIVES | MEASURED),
    KIND(VGPU_CMD_BUFFER_FILL, vgpu_command_buffer_fill,
         ARG0 | ARG1 | ARG2 | ARG3 | HANDLE | EVENT | DEVICE | GIVES | MEASURED),
    KIND(VGPU_CMD_PROGRAM_CREATE, vgpu_command_program_create, ARG0 | ARG1 | ARG2 | NEW | DEVICE),
    KIND(VGPU_CMD_PROGRAM_BUILD, vgpu_command_program_build,
         ARG0 | ARG1 | HANDLE | DEVICE | BUILDS),
    KIND(VGPU_CMD_PROGRAM_LOG, vgpu_command_program_log, ARG0 | ARG1 | HANDLE | DEVICE),
    KIND(VGPU_CMD_PROGRAM_BINARY, vgpu_command_program_binary, ARG0 | ARG1 | HANDLE | DEVICE),
    KIND(VGPU_CMD_KERNEL_CREATE, vgpu_command_kernel_create, ARG0 | ARG1 | ARG2 | NEW | DEVICE),
    KIND(VGPU_CMD_KERNEL_ARG, vgpu_command_kernel_arg, ARG0 | ARG1 | ARG2 | ARG3 | HANDLE | DEVICE),
    KIND(VGPU_CMD_LAUNCH, vgpu_command_launch,
         ALL_ARGS | HANDLE | EVENT | DEVICE | GIVES | MEASURED),
    KIND(VGPU_CMD_EVENT_TIMES, vgpu_command_event_times, ARG0 | HANDLE | DEVICE | WAITS),
#undef KIND
};

static const Kind *find(const struct vgpu_command *command)
{
    const guint opcode = command->opcode;

    if (opcode < FIRST || opcode > LAST || kinds[opcode - FIRST].run == NULL)
        return NULL;
    return &kinds[opcode - FIRST];
}

VgpuCommandPatience vgpu_command_patience(const struct vgpu_command *command)
{
    const Kind *kind = find(command);

    if (kind == NULL || (kind->flags & (DEVICE | HANDLE | EVENT)) == 0)
        return VGPU_COMMAND_AT_ONCE;
    if ((kind->flags & BUILDS) != 0)
        return VGPU_COMMAND_BUILD;
    return (kind->flags & WAITS) != 0 ? VGPU_COMMAND_SLOW : VGPU_COMMAND_QUICK;
}

/* A barrier without an event has nothing to tell the device: its queue is in order. */
static gboolean gives(const Kind *kind, const struct vgpu_command *command)
{
    return (kind->flags & GIVES) != 0 || (kind->run == vgpu_command_barrier && command->event != 0);
}

gboolean vgpu_command_is_job(const struct vgpu_command *command)
{
    const Kind *kind = find(command);

    return kind != NULL && gives(kind, command);
}

/* Work-items of a launch, which may not have been checked; at most G_MAXUINT64. */
static guint64 count_items(const struct vgpu_command *command)
{
    guint64 items = 1;

    for (guint i = 0; i < MIN(command->launch.dimensions, 3); i++)
        if (!g_uint64_checked_mul(&items, items, command->launch.global[i]))
            return G_MAXUINT64;
    return items;
}

static VgpuObject *launched(const VgpuOwner *owner, const struct vgpu_command *command)
{
    return command->opcode == VGPU_CMD_LAUNCH
               ? vgpu_handles_get(owner->handles, command->handle, VGPU_OBJECT_KERNEL)
               : NULL;
}

guint64 vgpu_command_expected_ns(const VgpuOwner *owner, const struct vgpu_command *command)
{
    const VgpuObject *kernel = launched(owner, command);

    return kernel != NULL ? vgpu_pace_guess(&kernel->record, count_items(command)) : 0;
}

/* What no command may have, and what this one must not. */
static enum vgpu_result check(const VgpuOwner *owner, const Kind *kind,
                              const struct vgpu_command *command)
{
    if ((command->flags & ~VGPU_COMMAND_ANSWER) != 0)
        return VGPU_RESULT_INVALID;
    for (guint i = 0; i < G_N_ELEMENTS(command->arg); i++)
        if ((kind->flags & (ARG0 << i)) == 0 && command->arg[i] != 0)
            return VGPU_RESULT_INVALID;
    if ((kind->flags & (HANDLE | NEW)) == 0 && command->handle != 0)
        return VGPU_RESULT_INVALID;
    if ((kind->flags & EVENT) == 0 && command->event != 0)
        return VGPU_RESULT_INVALID;

    if ((kind->flags & NEW) != 0 && !vgpu_handles_is_new(owner->handles, command->handle))
        return VGPU_RESULT_BAD_HANDLE;
    if (command->event != 0 && !vgpu_handles_is_new(owner->handles, command->event))
        return VGPU_RESULT_BAD_HANDLE;
    return VGPU_RESULT_OK;
}

static enum vgpu_result find_device(VgpuOwner *owner, GError **error)
{
    if (owner->backend == NULL)
        return VGPU_RESULT_UNAVAILABLE;
    if (owner->queue != NULL)
        return VGPU_RESULT_OK;
    return owner->backend->class->queue_new(owner->backend, &owner->queue, error);
}

/* What is charged for the command, by what holds it: given back when that goes. */
typedef struct {
    VgpuCharge object; /* the object behind the new handle */
    VgpuCharge event;  /* the event's handle */
    VgpuCharge work;   /* the place in the window */
    VgpuCharge all;
} Costs;

/* Nothing is made, and the device gets nothing, of which there could be an event: there is nothing
 * to charge, and nothing to keep. */
static gboolean costs_nothing(const Kind *kind, const struct vgpu_command *command)
{
    return (kind->flags & NEW) == 0 && !gives(kind, command);
}

static Costs get_costs(const Kind *kind, const struct vgpu_command *command)
{
    Costs costs = {0};

    if ((kind->flags & NEW) != 0)
        costs.object.amount[VGPU_QUOTA_HANDLES] = 1;
    if (command->opcode == VGPU_CMD_BUFFER_CREATE)
        costs.object.amount[VGPU_QUOTA_MEMORY] = command->arg[0];
    if (command->opcode == VGPU_CMD_PROGRAM_CREATE)
        costs.object.amount[VGPU_QUOTA_PROGRAMS] = command->arg[2];
    if (command->event != 0)
        costs.event.amount[VGPU_QUOTA_HANDLES] = 1;
    if (gives(kind, command))
        costs.work.amount[VGPU_QUOTA_OUTSTANDING] = 1;
    /* No sum wraps: at most one part of each is more than 1, and it comes with no other. */
    for (gsize i = 0; i < VGPU_QUOTA_COUNT; i++)
        costs.all.amount[i] = costs.object.amount[i] + costs.event.amount[i] + costs.work.amount[i];
    return costs;
}

/* What was released is charged until nothing runs that it may have a part in. */
static gboolean waits_for_released(const VgpuOwner *owner, const Kind *kind,
                                   const struct vgpu_command *command)
{
    if (owner->count == 0 || costs_nothing(kind, command))
        return FALSE;
    VgpuCharge charge = get_costs(kind, command).all;
    charge.amount[VGPU_QUOTA_OUTSTANDING] = 0;
    return !vgpu_quota_fits(owner->quota, charge);
}

static gboolean waits_for_device(const VgpuOwner *owner, const VgpuGate *gate, const Kind *kind,
                                 const struct vgpu_command *command)
{
    const VgpuQuota *quota = owner->quota;

    if (owner->count > 0 && (kind->flags & WAITS) != 0)
        return TRUE;
    if (waits_for_released(owner, kind, command))
        return TRUE;
    if (!gives(kind, command))
        return FALSE;
    /* The window is not the guest's to know: it waits for that in any case. */
    if (owner->count >= VGPU_OWNER_WINDOW)
        return TRUE;
    return !gate->strict &&
           quota->used[VGPU_QUOTA_OUTSTANDING] >= quota->limit[VGPU_QUOTA_OUTSTANDING];
}

gboolean vgpu_command_must_wait(const VgpuOwner *owner, VgpuGate *gate,
                                const struct vgpu_command *command, guint64 *until_ns)
{
    const Kind *kind = find(command);
    /* Also brings the limits up to date. */
    const guint64 due_ns = vgpu_gate_due(gate);

    *until_ns = G_MAXUINT64;
    if (kind != NULL && waits_for_device(owner, gate, kind, command))
        return TRUE;
    if (due_ns == 0 || (kind != NULL && (kind->flags & FREE) != 0))
        return FALSE;
    *until_ns = due_ns;
    return TRUE;
}

/* Keeps what the command has made and given to the device, with its charges. */
static void keep(VgpuCommandCall *call, const Kind *kind, const Costs *costs)
{
    const struct vgpu_command *command = call->command;
    VgpuOwner *owner = call->owner;

    if (call->object != NULL) {
        call->object->charge = costs->object;
        vgpu_handles_add(owner->handles, command->handle, call->object);
    }
    if (command->event != 0) {
        VgpuObject *object = g_new0(VgpuObject, 1);

        object->kind = VGPU_OBJECT_EVENT;
        object->event = vgpu_command_class(call)->event_ref(call->event);
        object->charge = costs->event;
        vgpu_handles_add(owner->handles, command->event, object);
    }
    if (call->event == NULL) { /* it has ended already */
        vgpu_quota_uncharge(owner->quota, costs->work);
        return;
    }
    VgpuObject *kernel = launched(owner, command);
    const guint64 items = kernel != NULL ? count_items(command) : 0;
    vgpu_owner_put(owner,
                   &(VgpuOwnerWork){
                       .event = call->event,
                       .tag = command->tag,
                       .measured = (kind->flags & MEASURED) != 0,
                       .kernel = kernel,
                       .items = items,
                       .expected_ns = kernel != NULL ? vgpu_pace_guess(&kernel->record, items) : 0,
                   });
}

static enum vgpu_result run_charged(VgpuCommandCall *call, const Kind *kind)
{
    const Costs costs = get_costs(kind, call->command);
    VgpuQuota *quota = call->owner->quota;

    if (!vgpu_quota_charge(quota, costs.all))
        return VGPU_RESULT_QUOTA;

    enum vgpu_result result = kind->run(call);
    if (result == VGPU_RESULT_OK)
        keep(call, kind, &costs);
    else
        vgpu_quota_uncharge(quota, costs.all);
    return result;
}

static enum vgpu_result run(VgpuCommandCall *call, const Kind *kind)
{
    const gboolean timed = (kind->flags & WAITS) != 0 && (kind->flags & DEVICE) != 0;
    const guint64 start_ns = timed ? vgpu_deadline_now() : 0;

    enum vgpu_result result =
        costs_nothing(kind, call->command) ? kind->run(call) : run_charged(call, kind);
    if (timed)
        call->outcome->elapsed_ns = vgpu_deadline_now() - start_ns;
    return result;
}

enum vgpu_result vgpu_command_run(VgpuOwner *owner, VgpuGate *gate, const VgpuQueue *queue,
                                  const struct vgpu_command *command, VgpuCommandOutcome *outcome)
{
    const Kind *kind = find(command);
    VgpuCommandCall call = {.owner = owner, .queue = queue, .command = command, .outcome = outcome};

    *outcome = (VgpuCommandOutcome){0};
    /* First of all, so that what is wrong costs as much as what is right. */
    if ((kind == NULL || (kind->flags & FREE) == 0) && !vgpu_gate_pass(gate))
        return VGPU_RESULT_RATE_LIMITED;
    if (kind == NULL)
        return VGPU_RESULT_UNSUPPORTED;

    enum vgpu_result result = check(owner, kind, command);
    if (result == VGPU_RESULT_OK && ((kind->flags & DEVICE) != 0 || gives(kind, command)))
        result = find_device(owner, &outcome->error);
    return result == VGPU_RESULT_OK ? run(&call, kind) : result;
}
