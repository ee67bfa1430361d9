/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: retries for blobs that are trapped for a reason that may pass
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
        /*
         * This may also have freed what other blobs lack.  Limit the rate: the
         * guest controls how often it unmaps.
         */
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

/* State of one round of retries. */
typedef struct Round {
    bool quota_only;
    /* By reason: this round skips blobs of at least this many pages. */
    uint64_t min_failed_pages[XEN_HOSTMEM_REASON__MAX];
} Round;

static bool should_skip(const Round *round, const XenHostmemMapping *m)
{
    if (m->reason == XEN_HOSTMEM_REASON_QUOTA) {
        return !xen_hostmem_room_has(&m->all->room, m->nr_pages,
                                     xen_hostmem_mapping_is_ring(m));
    }
    return round->quota_only ||
           m->nr_pages >= round->min_failed_pages[m->reason];
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
         * If the guest could not map blobs, retry only one of them in a round:
         * each try stops the guest's CPUs.
         */
        if (before == XEN_HOSTMEM_REASON_GUEST_NO_MEMORY ||
            before == XEN_HOSTMEM_REASON_GUEST_NO_WINDOW) {
            round->min_failed_pages[before] = 0;
        }
    } else if (m->reason != XEN_HOSTMEM_REASON_QUOTA) {
        round->min_failed_pages[m->reason] =
            MIN(round->min_failed_pages[m->reason], m->nr_pages);
    }
}

static void try_all(Round *round, XenHostmemMappings *all, bool rings)
{
    GList *l, *next;

    for (l = all->retryable.head; l; l = next) {
        XenHostmemMapping *m = l->data;

        next = l->next;
        if (xen_hostmem_mapping_is_ring(m) == rings && !should_skip(round, m)) {
            try_again(round, m);
        }
    }
}

/*
 * Quota is only freed by releases, which trigger a retry themselves; anything
 * else may become available at any time.
 */
static bool time_may_help(const XenHostmemMappings *all)
{
    for (GList *l = all->retryable.head; l; l = l->next) {
        const XenHostmemMapping *m = l->data;

        if (m->reason != XEN_HOSTMEM_REASON_QUOTA) {
            return true;
        }
    }
    return false;
}

/* Is it time to retry blobs that are trapped for other reasons than quota? */
static bool is_time(XenHostmemRetry *r, int64_t now)
{
    if (!r->pause || now - r->at > PAUSE_LAST_MS) {
        /* The last shortage ended long ago: start again at the first pause. */
        r->pause = PAUSE_FIRST_MS;
        r->at = now + PAUSE_FIRST_MS;
    }
    if (!r->guest_has_room && now < r->at) {
        return false;
    }
    /* Each try costs the guest time: back off until one succeeds. */
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
    memset(round.min_failed_pages, 0xff, sizeof(round.min_failed_pages));
    try_all(&round, all, true);
    try_all(&round, all, false);
    return time_may_help(all);
}
