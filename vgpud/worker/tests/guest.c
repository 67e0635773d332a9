/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000

void guest_init(Guest *guest, const Share *share, guint number)
{
    *guest = (Guest){.slot = share->memory + number * PROCESS_SLOT,
                     .doorbell = share->doorbell[number],
                     .completion = share->completion[number]};
    guest->arena = guest->slot + VGPU_QUEUE_ARENA;
}

void guest_sleep(const Guest *guest)
{
    struct pollfd fd = {.fd = guest->completion, .events = POLLIN};
    eventfd_t count;

    if (poll(&fd, 1, PATIENCE_MS) != 1)
        fail_msg("the worker has not woken its guest");
    eventfd_read(guest->completion, &count);
}

void guest_begin_quietly(Guest *guest, guint32 session)
{
    struct vgpu_queue_guest *page = (void *)(guest->slot + VGPU_QUEUE_GUEST);
    eventfd_t count;

    eventfd_read(guest->completion, &count);
    guest->session = session;
    guest->commands = vgpu_ring_produce_commands(guest->slot);
    guest->completions = vgpu_ring_consume_completions(guest->slot);
    page->command_tail = page->completion_head = page->parked = page->lost = 0;
    atomic_store(VGPU_RING_GUEST_WORD(guest->slot, session), session);
    eventfd_write(guest->doorbell, 1);
}

void guest_begin(Guest *guest, guint32 session)
{
    guest_begin_quietly(guest, session);
    while (atomic_load(VGPU_RING_HOST_WORD(guest->slot, session)) != session)
        guest_sleep(guest);
}

void guest_submit(Guest *guest, struct vgpu_command command)
{
    command.tag = ++guest->tag;
    while (vgpu_ring_room(&guest->commands, 1) == 0)
        g_thread_yield();
    vgpu_ring_put(&guest->commands, &command);
    if (vgpu_ring_publish(&guest->commands))
        eventfd_write(guest->doorbell, 1);
}

guint32 guest_broken(const Guest *guest)
{
    return atomic_load(VGPU_RING_HOST_WORD(guest->slot, broken));
}

gboolean guest_wait(Guest *guest, struct vgpu_completion *completion)
{
    int count;

    while ((count = vgpu_ring_available(&guest->completions)) == 0) {
        if (guest_broken(guest) != VGPU_RESULT_OK)
            return FALSE;
        vgpu_ring_park(&guest->completions);
        if (vgpu_ring_available(&guest->completions) == 0 && guest_broken(guest) == VGPU_RESULT_OK)
            guest_sleep(guest);
        vgpu_ring_unpark(&guest->completions);
    }
    assert_true(count > 0);
    vgpu_ring_take(&guest->completions, completion);
    vgpu_ring_return(&guest->completions, guest->completions.next);
    return TRUE;
}

enum vgpu_result guest_call(Guest *guest, struct vgpu_command command,
                            struct vgpu_completion *completion)
{
    command.flags |= VGPU_COMMAND_ANSWER;
    guest_submit(guest, command);
    assert_true(guest_wait(guest, completion));
    assert_int_equal(completion->tag, guest->tag);
    return completion->status;
}
