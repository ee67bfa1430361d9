/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions of a scripted guest: any order of maps, unmaps, resets, shortages
 * and actions of the frontend, for the random test and for the fuzzer
 */
#ifndef HOSTMEM_SESSION_H
#define HOSTMEM_SESSION_H

#include "hostmem-fake-guest.h"

/* Source of choices: returns a number below @n. */
typedef unsigned SessionPick(void *source, unsigned n);

typedef struct Session {
    FakeGuest *f;
    SessionPick *pick;
    void *source;
} Session;

/* The first choices are the rules and whether the provider proves releases. */
void session_start(Session *s, SessionPick *pick, void *source);

/* One step; the fake guest checks I1, I2, I5 and I7 after it. */
void session_step(Session *s);

/* A step of the guest's driver, the kernel or the clock, but not of the GPU. */
void session_step_others(Session *s);

/* For a while there are no shortages, and the guest obeys all requests. */
void session_recover(Session *s);

/*
 * As above, then unmaps all blobs: everything must complete (I3), and nothing
 * may leak (I8).
 */
void session_finish(Session *s);

#endif
