/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: how long the guest keeps memory that it should have given back
 *
 * Such memory stays pinned, and its references stay in QEMU's domain, for as
 * long as the guest likes.  Nothing but the end of the guest takes them back.
 * Whether that is worth it is for the host's administrator to say, with the
 * device's property xen-hostmem-hold-limit.
 */
#ifndef HW_XEN_HOSTMEM_HOLD_H
#define HW_XEN_HOSTMEM_HOLD_H

#include "clock.h"
#include "ops.h"

typedef struct XenHostmemHold {
    int64_t limit;              /* ms; 0: the guest may keep it forever */
    XenHostmemClock clock;
    GHashTable *by_offset;      /* what the guest keeps */
    GQueue oldest_first;        /* the same */
    uint64_t nr_pages;          /* the total */
    bool reported;              /* xen_hostmem_hold_tick() returned EXPIRED */
} XenHostmemHold;

typedef enum XenHostmemHoldResult {
    XEN_HOSTMEM_HOLD_NOTHING,   /* the guest keeps nothing */
    XEN_HOSTMEM_HOLD_RUNNING,   /* call again in a second */
    XEN_HOSTMEM_HOLD_EXPIRED,   /* once: end the guest */
} XenHostmemHoldResult;

/**
 * xen_hostmem_hold_init: start counting
 * @limit: seconds; 0 never expires, and costs nothing
 */
void xen_hostmem_hold_init(XenHostmemHold *hold, uint32_t limit);
void xen_hostmem_hold_destroy(XenHostmemHold *hold);

/**
 * xen_hostmem_hold_transition: a mapping has changed
 * @now: monotonic milliseconds
 *
 * Memory is kept from the moment that the guest is asked to unmap it, or
 * vanishes while it has it mapped, until the kernel has released it.
 */
void xen_hostmem_hold_transition(XenHostmemHold *hold,
                                 const XenHostmemTransition *t, int64_t now);

/**
 * xen_hostmem_hold_tick: let time pass
 * @now: monotonic milliseconds
 * @running: whether the guest has been running since the last call
 *
 * A guest that is paused, or whose host sleeps, cannot give anything back: that
 * time does not count (clock.h).
 */
XenHostmemHoldResult xen_hostmem_hold_tick(XenHostmemHold *hold, int64_t now,
                                           bool running);

/**
 * xen_hostmem_end_guest: have Xen stop the guest, for the toolstack to destroy
 *
 * The guest has no say in it.  Has no effect on one that has shut down.
 */
void xen_hostmem_end_guest(void);

#endif
