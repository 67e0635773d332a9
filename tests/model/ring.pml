/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One queue of protocol 2, both rings, with both sides going to sleep: protocol/vgpu-ring.h as the
 * guest and vgpud/worker/queue.c use it, on CPUs that delay stores (x86's total store order).
 *
 * The guest submits COMMANDS commands, some of which want an answer, in batches of any size, and
 * takes the answers; the worker carries them out. Each goes to sleep whenever it has nothing to do;
 * neither spins, since a wait that goes to sleep at once may do all that one that spins may do.
 *
 * Checked in every order of steps:
 *   - Neither sleeps for ever: the guest ends, having got all its answers (a lost wake-up is an
 *     invalid end state).
 *   - Each entry is taken once, in order, and is not overwritten before that, also where indices
 *     begin again at 0 (assertions).
 *
 * A macro takes one part of the protocol away; each of these must fail: see meson.build.
 */

#ifndef N
#define N 2 /* entries of each ring */
#endif
#ifndef COMMANDS
#define COMMANDS 6
#endif
#ifndef ANSWERS
#define ANSWERS (N - 1) /* answers that the guest may have to come */
#endif
#define WRAP (2 * N) /* indices begin again here; in truth at 2^32 */
#define STORES 3     /* that a CPU can delay; more would make it wait */

#define NEXT(index) ((index + 1) % WRAP)
#define FROM(tail, head) ((tail + WRAP - head) % WRAP)

/* The shared words, and where the entries begin. */
#define COMMAND_TAIL 0
#define COMMAND_HEAD 1
#define COMPLETION_TAIL 2
#define COMPLETION_HEAD 3
#define HOST_PARKED 4
#define GUEST_PARKED 5
#define COMMAND_ENTRIES 6
#define COMPLETION_ENTRIES (COMMAND_ENTRIES + N)
byte memory[COMPLETION_ENTRIES + N];

#define GUEST 0
#define HOST 1

/* Each side's delayed stores, oldest first. */
typedef cpu_t {
    byte address[STORES];
    byte value[STORES];
    byte count
};
cpu_t cpu[2];

bool doorbell = false;  /* an eventfd: remembers that it was written to */
bool interrupt = false; /* the driver's wait queue does, too */

byte served = 0; /* commands carried out; of the protocol only the guest's very end looks at it */

inline store(me, where, what)
{
    atomic {
        cpu[me].count < STORES;
        cpu[me].address[cpu[me].count] = where;
        cpu[me].value[cpu[me].count] = what;
        cpu[me].count++
    }
}

/* Nobody reads what it wrote itself, so a load is always from memory. */
#define load(where) memory[where]

inline barrier(me)
{
    cpu[me].count == 0
}

/* Publishes an index, and wakes the other side if it sleeps. */
inline publish(me, tail, value, parked, bell)
{
    store(me, tail, value);
#ifndef NO_BARRIER_OF_PRODUCER
    barrier(me);
#endif
    if
    :: load(parked) ->
        /* The exchange is a barrier, too. */
        atomic {
            cpu[me].count == 0;
            if
            :: memory[parked] -> memory[parked] = 0; bell = true
            :: else
            fi
        }
    :: else
    fi
}

inline park(me, parked)
{
    store(me, parked, 1);
#ifndef NO_BARRIER_OF_CONSUMER
    barrier(me)
#endif
}

/* Delayed stores come out at any time, in order. */
proctype drain(byte me)
{
    byte i;
end:
    do
    :: atomic {
        cpu[me].count > 0;
        memory[cpu[me].address[0]] = cpu[me].value[0];
        cpu[me].count--;
        i = 0;
        do
        :: i < cpu[me].count ->
            cpu[me].address[i] = cpu[me].address[i + 1];
            cpu[me].value[i] = cpu[me].value[i + 1];
            i++
        :: else -> break
        od;
        cpu[me].address[cpu[me].count] = 0;
        cpu[me].value[cpu[me].count] = 0;
        i = 0
    }
    od
}

proctype guest()
{
    byte put = 0, published = 0, seen = 0; /* commands */
    byte taken = 0;                        /* completions */
    byte submitted = 0;                    /* commands, counted without wrapping */
    byte due = 0;                          /* answers to come */
    byte last = 0;                         /* the last command that was answered, from 1 */
    byte entry;
    bool answer;

    do
    :: submitted < COMMANDS && FROM(put, seen) < N ->
        /* Who waits for room waits for an answer, so the one that fills the ring wants one. */
        if
        :: due < ANSWERS -> answer = true
        :: due > 0 -> answer = false
#ifdef NO_ANSWER_TO_WAIT_FOR
        :: submitted + 1 < COMMANDS -> answer = false
#else
        :: submitted + 1 < COMMANDS && FROM(put, seen) + 1 < N -> answer = false
#endif
        fi;
        if
        :: answer -> due++
        :: else
        fi;
        submitted++;
#ifdef INDEX_BEFORE_ENTRY
        publish(GUEST, COMMAND_TAIL, NEXT(put), HOST_PARKED, doorbell);
        published = NEXT(put);
#endif
        store(GUEST, COMMAND_ENTRIES + put % N, submitted * 2 + answer);
        put = NEXT(put);
        if
        :: published != put -> /* now, or with a later one */
            publish(GUEST, COMMAND_TAIL, put, HOST_PARKED, doorbell);
            published = put
        :: true
        fi
    :: load(COMPLETION_TAIL) != taken ->
        entry = load(COMPLETION_ENTRIES + taken % N);
        assert(entry > last);
        last = entry;
        due--;
        taken = NEXT(taken);
        store(GUEST, COMPLETION_HEAD, taken);
        seen = load(COMMAND_HEAD);
        /* What is answered is the guest's again. */
        assert(submitted - FROM(put, seen) >= last)
    :: due == 0 && submitted == COMMANDS -> break
    :: due > 0 && !(submitted < COMMANDS && FROM(put, seen) < N) ->
        if
        :: published != put ->
            publish(GUEST, COMMAND_TAIL, put, HOST_PARKED, doorbell);
            published = put
        :: else
        fi;
        park(GUEST, GUEST_PARKED);
        if
#ifndef NO_SECOND_LOOK_OF_GUEST
        :: load(COMPLETION_TAIL) != taken
        :: else ->
#else
        :: true ->
#endif
            interrupt; interrupt = false
        fi;
        store(GUEST, GUEST_PARKED, 0)
    od;
    /* The last commands may have wanted no answer; the worker hears of them nevertheless. */
    if
    :: published != put -> publish(GUEST, COMMAND_TAIL, put, HOST_PARKED, doorbell)
    :: else
    fi;
    served == COMMANDS
}

/* Whether there is a command, and room for its answer: two looks, with anything between them. */
inline look(ready)
{
    ready = FROM(made, load(COMPLETION_HEAD)) < N;
    ready = ready && load(COMMAND_TAIL) != taken
}

inline show_completions()
{
    if
    :: shown != made ->
        publish(HOST, COMPLETION_TAIL, made, GUEST_PARKED, interrupt);
        shown = made
    :: else
    fi
}

inline flush()
{
#ifdef ANSWER_BEFORE_RETURN
    show_completions();
#endif
    if
    :: returned != taken ->
        store(HOST, COMMAND_HEAD, taken);
        returned = taken
    :: else
    fi;
    show_completions()
}

proctype host()
{
    byte taken = 0, returned = 0; /* commands */
    byte made = 0, shown = 0;     /* completions */
    byte entry;
    bool ready = false;

    do
    :: look(ready);
        if
        :: ready ->
            entry = load(COMMAND_ENTRIES + taken % N);
            assert(entry / 2 == served + 1);
            served++;
            taken = NEXT(taken);
            if
            :: entry % 2 ->
                store(HOST, COMPLETION_ENTRIES + made % N, served);
                made = NEXT(made)
            :: else
            fi;
            if
            :: flush()
            :: true /* later: with others, or before it sleeps */
            fi
        :: else ->
            flush();
            park(HOST, HOST_PARKED);
            ready = false;
#ifndef NO_SECOND_LOOK_OF_HOST
            look(ready);
#endif
            if
            :: ready
            :: else ->
end:            doorbell;
                doorbell = false
            fi;
            store(HOST, HOST_PARKED, 0)
        fi
    od
}

init
{
    atomic {
        run drain(GUEST);
        run drain(HOST);
        run guest();
        run host()
    }
}
