/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the time in which the guest could have answered
 *
 * Limits on the guest count this time, not real time: a guest that is paused or
 * suspended, or whose host sleeps, cannot answer.
 */
#ifndef HW_XEN_HOSTMEM_CLOCK_H
#define HW_XEN_HOSTMEM_CLOCK_H

/* The period of xen_hostmem_window_tick(); no tick counts for more. */
#define XEN_HOSTMEM_TICK_MS     1000

typedef struct XenHostmemClock {
    int64_t guest_ms;           /* time that has counted so far */
    int64_t seen_ms;            /* real time of the last tick */
} XenHostmemClock;

/**
 * xen_hostmem_clock_tick: count the time since the last tick
 * @now: real time in ms
 * @guest_runs: false if the guest is paused or suspended
 *
 * A tick that comes late counts for one period: the host may have slept, or a
 * debugger may have stopped this process.
 */
void xen_hostmem_clock_tick(XenHostmemClock *clock, int64_t now,
                            bool guest_runs);

#endif
