// SPDX-License-Identifier: GPL-2.0-or-later
/* Sessions: who owns a queue, and what its worker knows about that. */
#include <linux/jiffies.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "vgpu.h"

/* How long a worker may take to answer a number, and how many numbers it is offered: the worker may
 * change meanwhile, and a number be lost in a reset of the device. */
#define VGPU_ANSWER_JIFFIES  HZ
#define VGPU_ANSWER_ATTEMPTS 5

/* At the end of the guest's page, behind the struct: not 0 once the slot has had an owner, so that
 * the next driver or kernel knows. */
#define VGPU_USED_MARK (VGPU_QUEUE_PAGE - 4)

static void vgpu_ring(struct vgpu_queue *queue)
{
    writel(1, queue->vgpu->doorbells + queue->index * VGPU_DOORBELL_STRIDE);
}

/* state_lock is held. */
static void vgpu_session_lose(struct vgpu_queue *queue)
{
    queue->active = false;
    queue->lost = true;
    WRITE_ONCE(vgpu_guest_page(queue)->lost, 1);
    wake_up_all(&queue->wait);
}

/* A number that no owner can have foreseen: each could write it to the host's page, as if the
 * worker had. state_lock is held. */
static u32 vgpu_session_number(struct vgpu_queue *queue)
{
    u32 number;

    do {
        number = get_random_u32();
    } while (number == 0 || number == queue->session);
    queue->session = number;
    return number;
}

/* state_lock is held. */
static void vgpu_session_end(struct vgpu_queue *queue)
{
    struct vgpu_queue_guest *guest = vgpu_guest_page(queue);

    queue->active = false;
    WRITE_ONCE(guest->lost, 1);
    virt_store_release(&guest->session, 0);
    vgpu_ring(queue);
}

/*
 * Asks the worker to let go of the slot, which it may still write to for the former owner. That it
 * ends a session by 0 does not show it: the owner may have written that, or any other number, to
 * either page. So it is offered a number that is thrown away, and is done with all that was before
 * once it has answered that. Nobody owns the queue, or maps it; state_lock is held.
 */
static void vgpu_session_dismiss(struct vgpu_queue *queue)
{
    struct vgpu_queue_guest *guest = vgpu_guest_page(queue);

    queue->active = false;
    /* The end comes first: indices that do not fit are no session's then. And the number comes
     * last: it has no commands. */
    virt_store_release(&guest->session, 0);
    virt_store_release(&guest->command_tail, 0);
    virt_store_release(&guest->completion_head, 0);
    queue->dismissal = vgpu_session_number(queue);
    virt_store_release(&guest->session, queue->dismissal);
    vgpu_ring(queue);
}

/* The worker has let go, or there is none any more. state_lock is held. */
static void vgpu_session_dismissed(struct vgpu_queue *queue)
{
    queue->dismissal = 0;
    virt_store_release(&vgpu_guest_page(queue)->session, 0);
    vgpu_ring(queue);
}

void vgpu_session_look(struct vgpu_queue *queue)
{
    unsigned long flags;

    if (READ_ONCE(queue->dismissal) == 0)
        return;
    spin_lock_irqsave(&queue->vgpu->state_lock, flags);
    if (queue->dismissal != 0 &&
        virt_load_acquire(&vgpu_host_page(queue)->session) == queue->dismissal)
        vgpu_session_dismissed(queue);
    spin_unlock_irqrestore(&queue->vgpu->state_lock, flags);
}

/* Nobody owns the queue any more. state_lock is held. */
static void vgpu_session_release(struct vgpu_queue *queue)
{
    /* Without a worker the number goes, too, so that the next one does not find it. */
    if (queue->vgpu->generation != 0)
        vgpu_session_dismiss(queue);
    else
        vgpu_session_end(queue);
}

void vgpu_sessions_init(struct vgpu *vgpu)
{
    unsigned int i;

    vgpu->generation = vgpu_read(vgpu, VGPU_REG_QUEUE_GENERATION);
    for (i = 0; i < vgpu->count; i++) {
        struct vgpu_queue *queue = &vgpu->queues[i];
        struct vgpu_queue_guest *guest = vgpu_guest_page(queue);

        queue->generation = vgpu->generation;
        /* Memory that nobody has had yet is zero, and is not to be touched without need: the host
         * would have to provide it. */
        queue->dirty = memchr_inv(guest, 0, VGPU_QUEUE_PAGE) != NULL;
        if (!queue->dirty)
            continue;
        queue->mapped = vgpu->slot_size; /* nobody knows any more */
        spin_lock_irq(&vgpu->state_lock);
        vgpu_session_release(queue);
        spin_unlock_irq(&vgpu->state_lock);
    }
}

void vgpu_sessions_refresh(struct vgpu *vgpu)
{
    unsigned long flags;
    unsigned int i;
    u32 generation;

    spin_lock_irqsave(&vgpu->state_lock, flags);
    generation = vgpu_read(vgpu, VGPU_REG_QUEUE_GENERATION);
    if (generation != vgpu->generation) {
        vgpu->generation = generation;
        for (i = 0; i < vgpu->count; i++) {
            struct vgpu_queue *queue = &vgpu->queues[i];

            if (queue->dismissal != 0)
                vgpu_session_dismissed(queue);
            if (queue->active)
                vgpu_session_lose(queue);
            else
                wake_up_all(&queue->wait);
        }
    }
    spin_unlock_irqrestore(&vgpu->state_lock, flags);
}

void vgpu_sessions_end_all(struct vgpu *vgpu)
{
    unsigned long flags;
    unsigned int i;

    spin_lock_irqsave(&vgpu->state_lock, flags);
    for (i = 0; i < vgpu->count; i++) {
        struct vgpu_queue *queue = &vgpu->queues[i];

        if (queue->active) {
            vgpu_session_lose(queue);
            vgpu_session_end(queue);
        } else if (queue->dismissal != 0) {
            vgpu_session_end(queue); /* asked for anew by the next owner */
        }
    }
    spin_unlock_irqrestore(&vgpu->state_lock, flags);
    /* Those who wait without a session, too. */
    for (i = 0; i < vgpu->count; i++)
        wake_up_all(&vgpu->queues[i].wait);
}

__poll_t vgpu_session_poll(struct vgpu_queue *queue, u32 *tail)
{
    const struct vgpu_queue_host *host = vgpu_host_page(queue);
    struct vgpu_queue_guest *guest = vgpu_guest_page(queue);
    __poll_t mask = 0;
    u32 made;

    /* Even if there is something already: epoll with EPOLLET does not ask again before it hears of
     * the next one. Real barriers also in a kernel for one CPU: the host has others. */
    WRITE_ONCE(guest->parked, 1);
    virt_mb();
    made = virt_load_acquire(&host->completion_tail);
    if (made != READ_ONCE(guest->completion_head))
        mask |= EPOLLIN | EPOLLRDNORM;
    if (READ_ONCE(queue->lost) || READ_ONCE(host->broken))
        mask |= EPOLLERR | EPOLLHUP;
    if (tail)
        *tail = made;
    return mask;
}

/* Whether the worker has answered the present number, or it has been lost, or the device is gone.
 */
static bool vgpu_session_settled(struct vgpu_queue *queue)
{
    bool settled = true;
    int token;

    if (vgpu_enter(queue->vgpu, &token)) {
        vgpu_session_look(queue);
        settled = READ_ONCE(queue->active)
                      ? virt_load_acquire(&vgpu_host_page(queue)->session) == queue->session
                      : READ_ONCE(queue->dismissal) == 0;
        vgpu_exit(token);
    }
    return settled;
}

/* Waits for that; the worker interrupts for it without being asked. Returns 0, -ETIMEDOUT,
 * -ERESTARTSYS. */
static int vgpu_session_await(struct vgpu_queue *queue)
{
    long left = wait_event_interruptible_timeout(queue->wait, vgpu_session_settled(queue),
                                                 VGPU_ANSWER_JIFFIES);

    return left > 0 ? 0 : left < 0 ? left : -ETIMEDOUT;
}

/* What former owners left is nobody's to see. The host does not touch the slot now, but for its own
 * page, which it empties itself. Memory that they did not map is left alone: the host would have to
 * provide it, and of slots of gigabytes for ever. */
static void vgpu_session_clean(struct vgpu_queue *queue)
{
    void *slot = vgpu_guest_page(queue);
    u64 offset, size = queue->mapped;

    memset(slot, 0, VGPU_QUEUE_PAGE);
    *(u32 *)(slot + VGPU_USED_MARK) = 1;
    if (!queue->dirty)
        return;
    for (offset = VGPU_QUEUE_COMMANDS; offset < size; offset += SZ_1M) {
        memset(slot + offset, 0, min_t(u64, SZ_1M, size - offset));
        cond_resched();
    }
    queue->mapped = 0;
}

/* Has the worker let go of the slot; more than one number only where the first was lost. */
static int vgpu_session_await_dismissal(struct vgpu_queue *queue)
{
    struct vgpu *vgpu = queue->vgpu;
    int token, error, attempt;

    for (attempt = 0; attempt < VGPU_ANSWER_ATTEMPTS; attempt++) {
        error = vgpu_session_await(queue);
        if (error != -ETIMEDOUT)
            return error;
        if (!vgpu_enter(vgpu, &token))
            return -ENODEV;
        vgpu_sessions_refresh(vgpu);
        spin_lock_irq(&vgpu->state_lock);
        if (queue->dismissal != 0)
            vgpu_session_dismiss(queue);
        spin_unlock_irq(&vgpu->state_lock);
        vgpu_exit(token);
    }
    return -EIO;
}

/* Makes an unowned queue ready for a new session. */
static int vgpu_session_prepare(struct vgpu_queue *queue)
{
    struct vgpu *vgpu = queue->vgpu;
    bool worker;
    int token, error;

    if (!vgpu_enter(vgpu, &token))
        return -ENODEV;
    vgpu_sessions_refresh(vgpu);
    vgpu_exit(token);

    spin_lock_irq(&vgpu->state_lock);
    worker = vgpu->generation != 0;
    queue->lost = false;
    spin_unlock_irq(&vgpu->state_lock);
    if (!worker)
        return -ENODEV;
    error = vgpu_session_await_dismissal(queue);
    if (error)
        return error;

    if (!vgpu_enter(vgpu, &token))
        return -ENODEV;
    vgpu_session_clean(queue);
    queue->dirty = true;
    vgpu_exit(token);
    return 0;
}

/* Offers the worker a new number. Returns 0 when it has taken it, -ENODEV: no worker or no device,
 * -ETIMEDOUT, -EAGAIN: the worker has just changed, -ERESTARTSYS. */
static int vgpu_session_offer(struct vgpu_queue *queue)
{
    struct vgpu *vgpu = queue->vgpu;
    int token, error;

    if (!vgpu_enter(vgpu, &token))
        return -ENODEV;
    vgpu_sessions_refresh(vgpu);
    spin_lock_irq(&vgpu->state_lock);
    if (vgpu->generation != 0) {
        vgpu_session_number(queue);
        queue->generation = vgpu->generation;
        queue->active = true;
        queue->lost = false;
        WRITE_ONCE(vgpu_guest_page(queue)->lost, 0);
        virt_store_release(&vgpu_guest_page(queue)->session, queue->session);
        vgpu_ring(queue);
    }
    error = queue->active ? 0 : -ENODEV;
    spin_unlock_irq(&vgpu->state_lock);
    vgpu_exit(token);
    if (error == 0)
        error = vgpu_session_await(queue);
    if (error == 0 && READ_ONCE(vgpu->gone))
        return -ENODEV;
    if (error == 0 && READ_ONCE(queue->lost))
        return -EAGAIN;
    return error;
}

static int vgpu_session_begin(struct vgpu_queue *queue)
{
    int error, attempt;

    error = vgpu_session_prepare(queue);
    if (error)
        return error;
    for (attempt = 0; attempt < VGPU_ANSWER_ATTEMPTS; attempt++) {
        error = vgpu_session_offer(queue);
        if (error != -EAGAIN && error != -ETIMEDOUT)
            return error;
    }
    return -EIO;
}

struct vgpu_queue *vgpu_session_take(struct vgpu *vgpu)
{
    struct vgpu_queue *queue = NULL;
    unsigned int i;
    int error;

    mutex_lock(&vgpu->lock);
    /* One that the worker has not let go of only if there is no other. */
    for (i = 0; i < vgpu->count; i++) {
        struct vgpu_queue *candidate = &vgpu->queues[i];

        if (!candidate->taken &&
            (!queue || (READ_ONCE(queue->dismissal) && !READ_ONCE(candidate->dismissal))))
            queue = candidate;
    }
    if (queue)
        queue->taken = true;
    mutex_unlock(&vgpu->lock);
    if (!queue)
        return ERR_PTR(-EBUSY);

    error = vgpu_session_begin(queue);
    if (error) {
        vgpu_session_give_back(queue);
        return ERR_PTR(error);
    }
    return queue;
}

void vgpu_session_give_back(struct vgpu_queue *queue)
{
    struct vgpu *vgpu = queue->vgpu;
    int token;

    if (vgpu_enter(vgpu, &token)) {
        spin_lock_irq(&vgpu->state_lock);
        vgpu_session_release(queue); /* also one that is lost */
        spin_unlock_irq(&vgpu->state_lock);
        vgpu_exit(token);
    }

    mutex_lock(&vgpu->lock);
    queue->taken = false;
    mutex_unlock(&vgpu->lock);
}
