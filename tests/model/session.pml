/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sessions of one queue of protocol 2: an owner that writes what it likes into the two session
 * words while it has the slot, and a worker that may still be busy with its read when it is gone; as
 * guest-driver/vgpu-session.c and vgpud/worker/queue.c do it.
 *
 * Checked in every order of steps:
 *   - What the worker does for the former owner is never in the slot of the next one (assertion).
 *   - The next owner gets its session, whatever the former one has written (else an invalid end
 *     state).
 *
 * Numbers are never used twice, and an owner cannot write one that the driver has not used yet: it
 * cannot foresee them. Each number of the driver's stands for all that are not foreseen.
 *
 * A macro takes one part of the protocol away; each of these must fail: see meson.build.
 */

#define FIRST 1  /* the former owner's session */
#define THROWN 2 /* the one that is thrown away */
#define NEXT 3   /* the next owner's */
#define FORGED 4 /* any other number */

byte guest_session = 0; /* the words in shared memory */
byte host_session = 0;
bool doorbell = false;

bool submitted = false;   /* the former owner's read is in its ring */
bool arena = false;       /* the former owner's bytes are in the slot */
bool owner_gone = false;  /* and with it all its mappings */
bool next_begun = false;  /* the next owner has the slot */

inline ring()
{
    doorbell = true
}

/* What a program can write: what it has seen, and what it makes up. */
inline scribble(word)
{
    if
    :: word = 0
    :: word = FIRST
    :: word = FORGED
#ifdef FORESEEN
    :: word = THROWN
#endif
    fi
}

proctype owner()
{
    host_session == FIRST;
    submitted = true;
    ring();
    do
    :: scribble(guest_session); ring()
    :: scribble(host_session)
    :: break
    od;
    owner_gone = true
}

proctype driver()
{
    guest_session = FIRST;
    ring();
    owner_gone;
    guest_session = 0;
    submitted = false; /* command_tail */
#ifdef NO_NUMBER
    ring();
    host_session == 0;
#else
    guest_session = THROWN;
    ring();
    host_session == THROWN;
    guest_session = 0;
    ring();
#endif
    arena = false; /* wiped */
    guest_session = NEXT;
    ring();
    host_session == NEXT;
    next_begun = true
}

proctype worker()
{
    byte session = 0, wanted;
    bool busy = false;

    do
    :: doorbell ->
        doorbell = false;
        wanted = guest_session;
        if
        :: wanted != session ->
            /* What ran has come to its end before. */
            session = wanted;
            host_session = session
        :: else
        fi;
        /* Fetched in the session's time; the bytes come later. */
        busy = session != 0 && submitted && guest_session == session;
        if
        :: busy ->
            arena = true;
            assert(!next_begun);
            busy = false
        :: else
        fi;
        /* The doorbell is for both, and the session is looked at again before it sleeps. */
        if
        :: guest_session != session -> doorbell = true
        :: else
        fi
    :: next_begun && !doorbell -> break
    od;
    assert(!arena)
}

init
{
    atomic {
        run owner();
        run driver();
        run worker()
    }
}
