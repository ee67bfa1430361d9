/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions of a scripted guest: any order of maps, unmaps, resets, shortages
 * and frontend doings, for the random test and for the fuzzer
 */
#ifndef HOSTMEM_SESSION_H
#define HOSTMEM_SESSION_H

#include "hostmem-fake-guest.h"

/* Where the choices come from: a number below @n. */
typedef unsigned SessionPick(void *source, unsigned n);

typedef struct Session {
    FakeGuest *f;
    SessionPick *pick;
    void *source;
} Session;

/* The rules and the provider's kind are the first choices. */
void session_start(Session *s, SessionPick *pick, void *source);

/* The fake guest holds I1, I2, I5 and I7 after it. */
void session_step(Session *s);

/* One of the guest's driver, the kernel or time alone. */
void session_step_others(Session *s);

/* The shortages end, and the guest does what it is asked, for a while. */
void session_recover(Session *s);

/*
 * From here on the guest does what it is asked: all must come to an end (I3),
 * and nothing may leak (I8).
 */
void session_finish(Session *s);

#endif
