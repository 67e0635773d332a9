/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library's pure parts: arena, handles, tickets, patience, error texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "error.h"
#include "handles.h"
#include "patience.h"
#include "tickets.h"

static void test_arena_fills_and_empties(void **state)
{
    (void)state;
    VgpuArena arena;
    uint64_t offset;
    uint32_t piece;

    vgpu_arena_init(&arena, 1024 + 63); /* what is less than a cache line is not used */
    assert_false(vgpu_arena_take(&arena, 1025, 0, false, &offset, &piece));
    assert_false(vgpu_arena_take(&arena, UINT64_MAX, 0, false, &offset, &piece));
    for (uint32_t i = 0; i < 16; i++) {
        assert_true(vgpu_arena_take(&arena, 1 + i, i, false, &offset, &piece));
        assert_int_equal(offset, 64 * i);
    }
    assert_false(vgpu_arena_take(&arena, 1, 16, false, &offset, &piece));

    vgpu_arena_retire(&arena, 0);
    assert_false(vgpu_arena_take(&arena, 1, 16, false, &offset, &piece));
    vgpu_arena_retire(&arena, 1); /* position 0 is free */
    assert_true(vgpu_arena_take(&arena, 64, 16, false, &offset, &piece));
    assert_int_equal(offset, 0);
    assert_false(vgpu_arena_take(&arena, 1, 17, false, &offset, &piece));
    vgpu_arena_retire(&arena, 17);
    assert_true(vgpu_arena_take(&arena, 1024, 17, false, &offset, &piece));
    assert_int_equal(offset, 0);
}

static void test_arena_waits_for_answers(void **state)
{
    (void)state;
    VgpuArena arena;
    uint64_t offset;
    uint32_t read, written;

    vgpu_arena_init(&arena, 256);
    assert_true(vgpu_arena_take(&arena, 128, UINT32_MAX, true, &offset, &read));
    assert_true(vgpu_arena_take(&arena, 64, 0, false, &offset, &written));
    vgpu_arena_retire(&arena, 1); /* behind a read that has not been answered */
    assert_false(vgpu_arena_take(&arena, 128, 1, false, &offset, &written));
    vgpu_arena_done(&arena, read);
    vgpu_arena_retire(&arena, 1);
    assert_true(vgpu_arena_take(&arena, 256, 1, false, &offset, &written));
    assert_int_equal(offset, 0);
}

/* Random pieces: none overlaps a live one. */
static void test_arena_never_overlaps(void **state)
{
    (void)state;
    static uint8_t owner[64 * 100];
    static struct {
        uint64_t offset, length;
        uint32_t piece;
        bool answered;
    } live[4096];
    VgpuArena arena;
    uint32_t taken = 0, freed = 0;

    srand(1);
    vgpu_arena_init(&arena, sizeof(owner));
    while (taken < 4096) {
        uint64_t length = 1 + (uint64_t)rand() % 1500;
        bool answered = rand() % 2;

        if (vgpu_arena_take(&arena, length, taken, answered, &live[taken].offset,
                            &live[taken].piece)) {
            assert_true(live[taken].offset + length <= sizeof(owner));
            for (uint64_t i = 0; i < length; i++)
                assert_int_equal(owner[live[taken].offset + i]++, 0);
            live[taken].length = length;
            live[taken++].answered = answered;
            continue;
        }
        assert_true(freed < taken);
        for (uint32_t i = 0; i < 3 && freed < taken; i++, freed++) {
            memset(owner + live[freed].offset, 0, live[freed].length);
            if (live[freed].answered)
                vgpu_arena_done(&arena, live[freed].piece);
        }
        vgpu_arena_retire(&arena, freed);
    }
}

static void test_handles(void **state)
{
    (void)state;
    static VgpuHandles handles;
    static uint64_t all[VGPU_HANDLE_MAX];

    vgpu_handles_init(&handles);
    assert_int_equal(vgpu_handles_kind(&handles, 0), VGPU_KIND_NONE);
    for (uint32_t i = 0; i < VGPU_HANDLE_MAX; i++) {
        all[i] = vgpu_handles_mint(&handles, VGPU_KIND_BUFFER);
        assert_int_not_equal(VGPU_HANDLE_GENERATION(all[i]), 0);
        assert_in_range(VGPU_HANDLE_INDEX(all[i]), 0, VGPU_HANDLE_MAX - 1);
    }
    assert_int_equal(vgpu_handles_mint(&handles, VGPU_KIND_EVENT), 0);

    assert_true(vgpu_handles_release(&handles, all[5]));
    assert_false(vgpu_handles_release(&handles, all[5]));
    assert_int_equal(vgpu_handles_kind(&handles, all[5]), VGPU_KIND_NONE);
    assert_int_equal(vgpu_handles_mint(&handles, VGPU_KIND_KERNEL), 0); /* not yet */
    vgpu_handles_reuse(&handles, all[5]);
    uint64_t again = vgpu_handles_mint(&handles, VGPU_KIND_KERNEL);
    assert_int_equal(VGPU_HANDLE_INDEX(again), VGPU_HANDLE_INDEX(all[5]));
    assert_true(VGPU_HANDLE_GENERATION(again) > VGPU_HANDLE_GENERATION(all[5]));
    assert_int_equal(vgpu_handles_kind(&handles, again), VGPU_KIND_KERNEL);
    assert_int_equal(vgpu_handles_kind(&handles, all[5]), VGPU_KIND_NONE);

    /* A new session: what was handed out never comes back. */
    vgpu_handles_clear(&handles);
    assert_int_equal(vgpu_handles_kind(&handles, again), VGPU_KIND_NONE);
    assert_false(vgpu_handles_release(&handles, VGPU_HANDLE(VGPU_HANDLE_MAX, 1)));
    for (uint32_t i = 0; i < VGPU_HANDLE_MAX; i++) {
        uint64_t handle = vgpu_handles_mint(&handles, VGPU_KIND_BUFFER);
        assert_true(VGPU_HANDLE_GENERATION(handle) >= 2);
    }
}

static void test_handles_end(void **state)
{
    (void)state;
    static VgpuHandles handles;

    vgpu_handles_init(&handles);
    uint64_t first = vgpu_handles_mint(&handles, VGPU_KIND_BUFFER);
    uint32_t index = VGPU_HANDLE_INDEX(first);
    handles.generation[index] = UINT32_MAX; /* after four thousand million of them */
    assert_true(vgpu_handles_release(&handles, VGPU_HANDLE(index, UINT32_MAX)));
    vgpu_handles_reuse(&handles, VGPU_HANDLE(index, UINT32_MAX));
    for (uint32_t i = 1; i < VGPU_HANDLE_MAX; i++)
        assert_int_not_equal(VGPU_HANDLE_INDEX(vgpu_handles_mint(&handles, VGPU_KIND_BUFFER)),
                             index);
    assert_int_equal(vgpu_handles_mint(&handles, VGPU_KIND_BUFFER), 0);
}

static void test_tickets(void **state)
{
    (void)state;
    static VgpuTickets tickets;

    vgpu_tickets_init(&tickets);
    VgpuTicketState *ticket = vgpu_tickets_take(&tickets);
    VgpuTicket name = vgpu_tickets_name(&tickets, ticket);
    assert_int_not_equal(name, 0);
    ticket->parts = 2;
    vgpu_ticket_answered(&tickets, ticket);
    assert_false(vgpu_ticket_is_done(ticket));
    vgpu_ticket_answered(&tickets, ticket);
    assert_false(vgpu_ticket_is_done(ticket)); /* more parts may come */
    vgpu_ticket_close(&tickets, ticket);
    assert_true(vgpu_ticket_is_done(ticket));
    vgpu_ticket_failed(ticket, VGPU_E_RANGE, 1, false);
    vgpu_ticket_failed(ticket, VGPU_E_LOST, 2, true);
    assert_int_equal(ticket->code, VGPU_E_RANGE);
    assert_ptr_equal(vgpu_tickets_find(&tickets, name), ticket);
    vgpu_ticket_drop(&tickets, ticket);
    assert_null(vgpu_tickets_find(&tickets, name));
    assert_null(vgpu_tickets_find(&tickets, 0));
    assert_null(vgpu_tickets_find(&tickets, UINT64_MAX));

    /* Dropped before its end: free only then. */
    ticket = vgpu_tickets_take(&tickets);
    assert_int_not_equal(vgpu_tickets_name(&tickets, ticket), name);
    ticket->parts = 1;
    vgpu_ticket_close(&tickets, ticket);
    vgpu_ticket_drop(&tickets, ticket);
    assert_int_equal(tickets.free_count, VGPU_TICKETS - 1);
    vgpu_ticket_answered(&tickets, ticket);
    assert_int_equal(tickets.free_count, VGPU_TICKETS);
    for (uint32_t i = 0; i < VGPU_TICKETS; i++)
        assert_non_null(vgpu_tickets_take(&tickets));
    assert_null(vgpu_tickets_take(&tickets));
}

static void test_patience(void **state)
{
    (void)state;
    VgpuPatience patience;

    vgpu_patience_init(&patience, NULL, 50000);
    assert_int_equal(vgpu_patience_budget(&patience), 50000);
    for (int i = 0; i < 20; i++) /* long waits: hardly any polling */
        vgpu_patience_learn(&patience, 1000000, true);
    assert_int_equal(vgpu_patience_budget(&patience), VGPU_PATIENCE_MIN_NS);
    for (int i = 0; i < 20; i++) /* short ones, though slept through: polling pays */
        vgpu_patience_learn(&patience, 60000, true);
    assert_int_equal(vgpu_patience_budget(&patience), 50000);
    vgpu_patience_init(&patience, "always", 50000);
    assert_int_equal(vgpu_patience_budget(&patience), UINT64_MAX);
    vgpu_patience_init(&patience, "0", 50000);
    assert_int_equal(vgpu_patience_budget(&patience), 0);
    vgpu_patience_init(&patience, "20", 50000);
    assert_int_equal(vgpu_patience_budget(&patience), 20000);
    vgpu_patience_init(&patience, "nonsense", 50000);
    assert_int_equal(patience.setting, VGPU_SPIN_ADAPTIVE);
}

static void test_texts(void **state)
{
    (void)state;
    const int codes[] = {VGPU_E_INVALID, VGPU_E_QUARANTINED, VGPU_E_HANDLE, VGPU_E_PROTOCOL,
                         VGPU_E_LOST,    VGPU_E_TICKET,      VGPU_E_FORKED};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_string_not_equal(vgpu_error_text(codes[i]), "unknown error");
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(vgpu_error_text(codes[i]), vgpu_error_text(codes[j]));
    }
    assert_string_equal(vgpu_error_text(12345), "unknown error");
    assert_int_equal(vgpu_fail(VGPU_E_RANGE, "%d bytes", 7), VGPU_E_RANGE);
    assert_string_equal(vgpu_last_error(), "7 bytes");
    assert_int_equal(vgpu_code_of_errno(ENODEV), VGPU_E_NO_DEVICE);
    assert_int_equal(vgpu_code_of_errno(EACCES), VGPU_E_PERMISSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_fills_and_empties),
        cmocka_unit_test(test_arena_waits_for_answers),
        cmocka_unit_test(test_arena_never_overlaps),
        cmocka_unit_test(test_handles),
        cmocka_unit_test(test_handles_end),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
