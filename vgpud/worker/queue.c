/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue.h"

#include <sys/eventfd.h>

static guint32 guest_session(const VgpuQueue *queue)
{
    return atomic_load(VGPU_RING_GUEST_WORD(queue->slot, session));
}

static void store(_Atomic guint32 *word, guint32 value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

static void wake_guest(const VgpuQueue *queue)
{
    /* It fails only when as many wake-ups as it can count are under way already. */
    if (queue->wake >= 0)
        (void)eventfd_write(queue->wake, 1);
}

/* Both rings as they are when a session begins. */
static void reset(VgpuQueue *queue)
{
    queue->completed = 0;
    queue->owed = 0;
    queue->first = VGPU_RESULT_OK;
    queue->first_tag = 0;
    queue->commands = vgpu_ring_consume_commands(queue->slot);
    queue->completions = vgpu_ring_produce_completions(queue->slot);
}

void vgpu_queue_init(VgpuQueue *queue, void *slot, gsize size, int wake)
{
    g_assert(size >= VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN);
    *queue = (VgpuQueue){.slot = slot, .arena_size = size - VGPU_QUEUE_ARENA, .wake = wake};
    reset(queue);
    queue->session = queue->wanted = guest_session(queue);
}

gboolean vgpu_queue_is_left(const VgpuQueue *queue)
{
    return queue->wanted != queue->session || guest_session(queue) != queue->session;
}

/* Whether a command may be fetched as far as completions go, or VGPU_RING_BROKEN. Any command may
 * want an answer, and there must be room for it beside those that are owed. */
static int has_room(VgpuQueue *queue)
{
    const int room = vgpu_ring_room(&queue->completions, queue->owed + 1);

    return room < 0 ? room : room > (int)queue->owed;
}

gboolean vgpu_queue_ready(VgpuQueue *queue)
{
    if (vgpu_queue_is_left(queue))
        return TRUE;
    if (!queue->serving)
        return FALSE;
    const int room = has_room(queue);
    return room < 0 || (room > 0 && vgpu_ring_available(&queue->commands) != 0);
}

VgpuQueueNext vgpu_queue_next(VgpuQueue *queue, struct vgpu_command *command)
{
    if (queue->wanted == queue->session)
        queue->wanted = guest_session(queue);
    if (queue->wanted != queue->session)
        return VGPU_QUEUE_NEXT_SESSION;
    if (!queue->serving)
        return VGPU_QUEUE_NEXT_NOTHING;

    const int room = has_room(queue);
    const int available = room > 0 ? vgpu_ring_available(&queue->commands) : room;
    if (available < 0) {
        /* It may be the page of the next session already: its driver ends one, then empties it. */
        queue->wanted = guest_session(queue);
        if (queue->wanted != queue->session)
            return VGPU_QUEUE_NEXT_SESSION;
        vgpu_queue_break(queue, VGPU_RESULT_BAD_QUEUE);
        return VGPU_QUEUE_NEXT_BROKEN;
    }
    if (available == 0) {
        vgpu_queue_flush(queue);
        return VGPU_QUEUE_NEXT_NOTHING;
    }
    vgpu_ring_take(&queue->commands, command);
    if (command->flags & VGPU_COMMAND_ANSWER)
        queue->owed++;
    return VGPU_QUEUE_NEXT_COMMAND;
}

static void begin(VgpuQueue *queue, enum vgpu_result broken)
{
    g_assert(queue->wanted != queue->session);
    queue->session = queue->wanted;
    queue->serving = queue->session != 0 && broken == VGPU_RESULT_OK;
    reset(queue);
    store(VGPU_RING_HOST_WORD(queue->slot, command_head), 0);
    store(VGPU_RING_HOST_WORD(queue->slot, completion_tail), 0);
    store(VGPU_RING_HOST_WORD(queue->slot, parked), 0);
    store(VGPU_RING_HOST_WORD(queue->slot, broken), queue->session != 0 ? broken : VGPU_RESULT_OK);
    /* Last: whoever sees it may use the rings. */
    store(VGPU_RING_HOST_WORD(queue->slot, session), queue->session);
    wake_guest(queue);
}

void vgpu_queue_begin(VgpuQueue *queue)
{
    begin(queue, VGPU_RESULT_OK);
}

void vgpu_queue_refuse(VgpuQueue *queue, enum vgpu_result why)
{
    begin(queue, why);
}

void vgpu_queue_complete(VgpuQueue *queue, const struct vgpu_command *command,
                         enum vgpu_result status, guint64 result, guint64 elapsed_ns)
{
    if (!queue->serving)
        return;
    g_assert(queue->completed != queue->commands.next);
    queue->completed++;
    if (command->flags & VGPU_COMMAND_ANSWER) {
        const struct vgpu_completion completion = {.tag = command->tag,
                                                   .status = status,
                                                   .first = queue->first,
                                                   .first_tag = queue->first_tag,
                                                   .result = result,
                                                   .elapsed_ns = elapsed_ns};
        g_assert(queue->owed > 0);
        queue->owed--;
        vgpu_ring_put(&queue->completions, &completion);
        queue->first = VGPU_RESULT_OK;
        queue->first_tag = 0;
    } else if (status != VGPU_RESULT_OK) {
        vgpu_queue_fail(queue, command->tag, status);
    }
    if (queue->completed - queue->commands.returned >= VGPU_QUEUE_BATCH)
        vgpu_queue_flush(queue);
}

void vgpu_queue_fail(VgpuQueue *queue, guint32 tag, enum vgpu_result status)
{
    if (queue->first != VGPU_RESULT_OK)
        return;
    queue->first = status;
    queue->first_tag = tag;
}

void vgpu_queue_flush(VgpuQueue *queue)
{
    if (!queue->serving)
        return;
    /* First: a guest that has a completion may use its command's bytes again. */
    vgpu_ring_return(&queue->commands, queue->completed);
    if (vgpu_ring_publish(&queue->completions))
        wake_guest(queue);
}

void vgpu_queue_break(VgpuQueue *queue, enum vgpu_result why)
{
    if (!queue->serving)
        return;
    vgpu_queue_flush(queue);
    queue->serving = FALSE;
    store(VGPU_RING_HOST_WORD(queue->slot, broken), why);
    wake_guest(queue);
}

gboolean vgpu_queue_park(VgpuQueue *queue)
{
    vgpu_queue_flush(queue);
    if (queue->serving)
        vgpu_ring_park(&queue->commands);
    return !vgpu_queue_ready(queue);
}

void vgpu_queue_unpark(VgpuQueue *queue)
{
    if (queue->serving)
        vgpu_ring_unpark(&queue->commands);
}

guint8 *vgpu_queue_arena(const VgpuQueue *queue, guint64 offset, guint64 length)
{
    if (offset > queue->arena_size || length > queue->arena_size - offset)
        return NULL;
    return queue->slot + VGPU_QUEUE_ARENA + offset;
}
