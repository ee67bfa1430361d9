/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the next try for blobs that are trapped because they lack
 * something that may become available
 */

#include "qemu/osdep.h"
#include "retry.h"
#include "reason.h"

#define PAUSE_FIRST_MS          1000
#define PAUSE_LAST_MS           64000

void xen_hostmem_retry_released(XenHostmemRetry *r, bool unmapped, int64_t now)
{
    r->quota_returned = true;
    if (unmapped) {
        /* It may be what others lacked, too; but a guest unmaps as it likes. */
        r->at = MIN(r->at, now + PAUSE_FIRST_MS);
    }
}

void xen_hostmem_retry_helped(XenHostmemRetry *r)
{
    r->guest_has_room = true;
    r->pause = 0;
}

bool xen_hostmem_retry_due(const XenHostmemRetry *r)
{
    return r->quota_returned || r->guest_has_room;
}

/* One look at all that lack something. */
typedef struct Round {
    bool quota_only;
    /* By reason: what has as many pages need not be tried in this round. */
    uint64_t hopeless_from[XEN_HOSTMEM_REASON__MAX];
} Round;

static bool is_hopeless(const Round *round, const XenHostmemMapping *m)
{
    if (m->reason == XEN_HOSTMEM_REASON_QUOTA) {
        return !xen_hostmem_room_has(&m->all->room, m->nr_pages,
                                     xen_hostmem_mapping_is_ring(m));
    }
    return round->quota_only || m->nr_pages >= round->hopeless_from[m->reason];
}

static void try_again(Round *round, XenHostmemMapping *m)
{
    XenHostmemMappings *all = m->all;
    XenHostmemReason before = m->reason;

    if (m->buf.dmabuf < 0) {
        all->ops->export(all->ops_opaque, m->blob_id, &m->buf);
    }
    xen_hostmem_mapping_serve(m);
    if (m->state != XEN_HOSTMEM_STATE_TRAPPED) {
        /*
         * The guest is asked for one blob at a time when it had no room: each
         * try stops its CPUs.
         */
        if (before == XEN_HOSTMEM_REASON_GUEST_NO_MEMORY ||
            before == XEN_HOSTMEM_REASON_GUEST_NO_WINDOW) {
            round->hopeless_from[before] = 0;
        }
    } else if (m->reason != XEN_HOSTMEM_REASON_QUOTA) {
        round->hopeless_from[m->reason] =
            MIN(round->hopeless_from[m->reason], m->nr_pages);
    }
}

static void try_all(Round *round, XenHostmemMappings *all, bool rings)
{
    GList *l, *next;

    for (l = all->lacking.head; l; l = next) {
        XenHostmemMapping *m = l->data;

        next = l->next;
        if (xen_hostmem_mapping_is_ring(m) == rings && !is_hopeless(round, m)) {
            try_again(round, m);
        }
    }
}

/*
 * Quota returns only with what ends in this window, and that is reported;
 * anything else may become available at any time.
 */
static bool time_may_help(const XenHostmemMappings *all)
{
    for (GList *l = all->lacking.head; l; l = l->next) {
        const XenHostmemMapping *m = l->data;

        if (m->reason != XEN_HOSTMEM_REASON_QUOTA) {
            return true;
        }
    }
    return false;
}

/* Returns whether it is time to try what lacks something beside quota. */
static bool is_time(XenHostmemRetry *r, int64_t now)
{
    if (!r->pause || now - r->at > PAUSE_LAST_MS) {
        /* A new shortage: the last one ended long ago. */
        r->pause = PAUSE_FIRST_MS;
        r->at = now + PAUSE_FIRST_MS;
    }
    if (!r->guest_has_room && now < r->at) {
        return false;
    }
    /* Each try costs the guest something: less often if none helps. */
    r->pause = MIN(r->pause * 2, PAUSE_LAST_MS);
    r->at = now + r->pause;
    return true;
}

bool xen_hostmem_retry(XenHostmemRetry *r, XenHostmemMappings *all)
{
    bool may_help;
    Round round;

    if (!all->accepting) {
        return false;
    }
    may_help = time_may_help(all);
    round.quota_only = !may_help ||
                       !is_time(r, all->ops->now_ms(all->ops_opaque));
    if (round.quota_only && !r->quota_returned) {
        r->guest_has_room &= may_help;
        return may_help;
    }
    r->quota_returned = false;
    r->guest_has_room = false;
    memset(round.hopeless_from, 0xff, sizeof(round.hopeless_from));
    try_all(&round, all, true);
    try_all(&round, all, false);
    return time_may_help(all);
}
