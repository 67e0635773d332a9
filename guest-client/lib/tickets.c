/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tickets.h"

#include <string.h>

void vgpu_tickets_init(VgpuTickets *tickets)
{
    memset(tickets, 0, sizeof(*tickets));
    for (uint32_t i = VGPU_TICKETS; i-- > 0;)
        tickets->free[tickets->free_count++] = (uint16_t)i;
}

VgpuTicketState *vgpu_tickets_take(VgpuTickets *tickets)
{
    if (tickets->free_count == 0)
        return NULL;
    VgpuTicketState *state = &tickets->states[tickets->free[--tickets->free_count]];
    uint32_t generation = state->generation + 1;
    *state = (VgpuTicketState){.generation = generation != 0 ? generation : 1, .used = true};
    return state;
}

VgpuTicket vgpu_tickets_name(const VgpuTickets *tickets, const VgpuTicketState *state)
{
    return (uint64_t)state->generation << 32 | (uint32_t)(state - tickets->states);
}

VgpuTicketState *vgpu_tickets_find(VgpuTickets *tickets, VgpuTicket ticket)
{
    uint32_t index = (uint32_t)ticket;

    if (index >= VGPU_TICKETS)
        return NULL;
    VgpuTicketState *state = &tickets->states[index];
    return state->used && !state->dropped && state->generation == ticket >> 32 ? state : NULL;
}

void vgpu_ticket_failed(VgpuTicketState *state, int code, uint32_t opcode, bool earlier)
{
    if (state->code != VGPU_OK)
        return;
    state->code = code;
    state->opcode = opcode;
    state->earlier = earlier;
}

static void free_if_over(VgpuTickets *tickets, VgpuTicketState *state)
{
    if (!state->dropped || !vgpu_ticket_is_done(state))
        return;
    state->used = false;
    tickets->free[tickets->free_count++] = (uint16_t)(state - tickets->states);
}

void vgpu_ticket_answered(VgpuTickets *tickets, VgpuTicketState *state)
{
    state->parts--;
    free_if_over(tickets, state);
}

void vgpu_ticket_close(VgpuTickets *tickets, VgpuTicketState *state)
{
    state->closed = true;
    free_if_over(tickets, state);
}

bool vgpu_ticket_is_done(const VgpuTicketState *state)
{
    return state->closed && state->parts == 0;
}

void vgpu_ticket_drop(VgpuTickets *tickets, VgpuTicketState *state)
{
    state->dropped = true;
    free_if_over(tickets, state);
}
