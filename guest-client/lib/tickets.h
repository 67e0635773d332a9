/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What callers hold of things that were submitted. Pure logic. */
#ifndef TICKETS_H
#define TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "vgpu.h"

#define VGPU_TICKETS 1024u /* of one context that have not been waited for; 4 times a ring full */

typedef struct VgpuTicketState {
    uint32_t generation; /* in the ticket; not 0 */
    uint32_t parts;      /* answers that are still to come */
    int code;            /* the first failure */
    uint32_t opcode;     /* what failed; enum vgpu_command_opcode */
    uint64_t result;     /* of the last part */
    bool used;
    bool closed;  /* all parts have been submitted */
    bool dropped; /* nobody waits; freed with its last part */
    bool earlier; /* what failed was not a part of this, but came before */
} VgpuTicketState;

typedef struct VgpuTickets {
    VgpuTicketState states[VGPU_TICKETS];
    uint16_t free[VGPU_TICKETS];
    uint32_t free_count;
} VgpuTickets;

void vgpu_tickets_init(VgpuTickets *tickets);

/* A new one, open for parts; NULL if all are in use. */
VgpuTicketState *vgpu_tickets_take(VgpuTickets *tickets);

/* The number by which a caller knows it. */
VgpuTicket vgpu_tickets_name(const VgpuTickets *tickets, const VgpuTicketState *state);

/* NULL if there is none of this name. */
VgpuTicketState *vgpu_tickets_find(VgpuTickets *tickets, VgpuTicket ticket);

/* Books a failure of @opcode; the first one counts. */
void vgpu_ticket_failed(VgpuTicketState *state, int code, uint32_t opcode, bool earlier);

/* One answer has come. */
void vgpu_ticket_answered(VgpuTickets *tickets, VgpuTicketState *state);

/* All parts have been submitted. */
void vgpu_ticket_close(VgpuTickets *tickets, VgpuTicketState *state);

bool vgpu_ticket_is_done(const VgpuTicketState *state);

/* Its holder has no more use for it. */
void vgpu_ticket_drop(VgpuTickets *tickets, VgpuTicketState *state);

#endif
