/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: how long the guest keeps memory that it should have given back
 */

#include "qemu/osdep.h"
#include "hold.h"

typedef struct Kept {
    uint64_t offset;            /* of the mapping; the key */
    uint64_t nr_pages;
    int64_t since;              /* guest_ms (clock.h) */
    GList link;
} Kept;

void xen_hostmem_hold_init(XenHostmemHold *hold, uint32_t limit)
{
    *hold = (XenHostmemHold) { .limit = limit * INT64_C(1000) };
    hold->by_offset = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                            g_free);
    g_queue_init(&hold->oldest_first);
}

void xen_hostmem_hold_destroy(XenHostmemHold *hold)
{
    g_hash_table_destroy(hold->by_offset);
}

/*
 * Is the guest to give back a mapping in this state?  Two of them never have
 * the same offset, because their ranges do not overlap.
 */
static bool is_kept(XenHostmemState state)
{
    switch (state) {
    case XEN_HOSTMEM_STATE_REVOKING:
    case XEN_HOSTMEM_STATE_STALE:
    case XEN_HOSTMEM_STATE_UNMAPPING:
    case XEN_HOSTMEM_STATE_QUARANTINED:
        return true;
    default:
        return false;
    }
}

static void begin(XenHostmemHold *hold, const XenHostmemTransition *t,
                  int64_t now)
{
    Kept *k = g_new0(Kept, 1);

    if (g_queue_is_empty(&hold->oldest_first)) {
        hold->clock.seen_ms = now;  /* nobody has counted until now */
    }
    k->offset = t->offset;
    k->nr_pages = t->nr_pages;
    k->since = hold->clock.guest_ms;
    k->link.data = k;
    g_hash_table_insert(hold->by_offset, &k->offset, k);
    g_queue_push_tail_link(&hold->oldest_first, &k->link);
    hold->nr_pages += k->nr_pages;
}

static void end(XenHostmemHold *hold, const XenHostmemTransition *t)
{
    Kept *k = g_hash_table_lookup(hold->by_offset, &t->offset);

    if (k) {
        hold->nr_pages -= k->nr_pages;
        g_queue_unlink(&hold->oldest_first, &k->link);
        g_hash_table_remove(hold->by_offset, &k->offset);
    }
}

void xen_hostmem_hold_transition(XenHostmemHold *hold,
                                 const XenHostmemTransition *t, int64_t now)
{
    bool before = is_kept(t->from), after = is_kept(t->to);

    if (hold->limit && !before && after) {
        begin(hold, t, now);
    } else if (before && !after) {
        end(hold, t);
    }
}

XenHostmemHoldResult xen_hostmem_hold_tick(XenHostmemHold *hold, int64_t now,
                                           bool running)
{
    const Kept *oldest = g_queue_peek_head(&hold->oldest_first);

    xen_hostmem_clock_tick(&hold->clock, now, running);
    if (!oldest) {
        return XEN_HOSTMEM_HOLD_NOTHING;
    }
    if (hold->reported ||
        hold->clock.guest_ms - oldest->since < hold->limit) {
        return XEN_HOSTMEM_HOLD_RUNNING;
    }
    hold->reported = true;
    return XEN_HOSTMEM_HOLD_EXPIRED;
}
