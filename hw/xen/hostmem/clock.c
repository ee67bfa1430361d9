/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the time in which the guest could have answered
 */

#include "qemu/osdep.h"
#include "clock.h"

void xen_hostmem_clock_tick(XenHostmemClock *clock, int64_t now,
                            bool guest_runs)
{
    if (guest_runs) {
        clock->guest_ms += MIN(now - clock->seen_ms, XEN_HOSTMEM_TICK_MS);
    }
    clock->seen_ms = now;
}
