/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn.h"

#include "deadline.h"

void vgpu_turn_init(VgpuTurn *turn, VgpuLease *lease, int vgpud, VgpuTrace *trace)
{
    *turn = (VgpuTurn){.lease = lease, .vgpud = vgpud, .trace = trace};
}

/* There is a job and no lease. */
static void ask(VgpuTurn *turn)
{
    if (!turn->wants) {
        turn->wants = TRUE;
        turn->since_ns = vgpu_deadline_now();
    }
    if (turn->asked)
        return;
    turn->asked = TRUE;
    vgpu_trace(turn->trace, "want");
    vgpu_lease_want(turn->lease, turn->vgpud);
}

/* Sees whether there is a lease, without asking for one. */
static gboolean holds(VgpuTurn *turn)
{
    if (turn->parked) {
        turn->parked = FALSE;
        turn->holds = vgpu_lease_unpark(turn->lease);
    } else if (!turn->holds && turn->asked && vgpu_lease_is_granted(turn->lease)) {
        turn->holds = TRUE;
        turn->asked = FALSE;
        turn->jobs = 0;
        vgpu_trace(turn->trace, "grant");
    }
    return turn->holds;
}

gboolean vgpu_turn_take(VgpuTurn *turn, guint64 *waited_ns)
{
    *waited_ns = 0;
    if (turn->lease == NULL)
        return TRUE;
    if (G_UNLIKELY(!turn->holds || turn->parked) && !holds(turn)) {
        ask(turn);
        return FALSE;
    }
    if (G_UNLIKELY(!vgpu_lease_may(turn->lease, turn->jobs))) {
        if (!turn->wants) {
            turn->wants = TRUE;
            turn->since_ns = vgpu_deadline_now();
            vgpu_trace(turn->trace, "recalled");
        }
        return FALSE;
    }
    turn->jobs++;
    if (G_UNLIKELY(turn->wants)) {
        turn->wants = FALSE;
        *waited_ns = MAX(vgpu_deadline_now() - turn->since_ns, 1);
    }
    return TRUE;
}

gboolean vgpu_turn_is_over(const VgpuTurn *turn, gboolean idle)
{
    return turn->lease != NULL && turn->holds && !turn->parked &&
           (!vgpu_lease_may(turn->lease, turn->jobs) ||
            (idle && vgpu_lease_is_shared(turn->lease)));
}

gboolean vgpu_turn_has_news(const VgpuTurn *turn)
{
    return turn->lease != NULL &&
           ((turn->asked && vgpu_lease_is_granted(turn->lease)) || vgpu_turn_is_over(turn, TRUE));
}

gboolean vgpu_turn_is_hopeless(const VgpuTurn *turn)
{
    return turn->lease != NULL && turn->asked && vgpu_lease_is_stuck(turn->lease);
}

void vgpu_turn_look(VgpuTurn *turn)
{
    if (turn->asked)
        holds(turn);
}

void vgpu_turn_end(VgpuTurn *turn, gboolean wants)
{
    vgpu_trace(turn->trace, "return");
    turn->holds = FALSE;
    turn->wants = turn->wants && wants;
    turn->asked = turn->wants;
    if (turn->wants)
        vgpu_trace(turn->trace, "want");
    vgpu_lease_give_back(turn->lease, turn->vgpud, turn->jobs > 0, turn->wants);
}

void vgpu_turn_rest(VgpuTurn *turn)
{
    if (turn->lease == NULL || turn->parked)
        return;
    turn->wants = FALSE;
    if (!turn->holds)
        return;
    if (vgpu_lease_park(turn->lease))
        turn->parked = TRUE;
    else
        vgpu_turn_end(turn, FALSE);
}
