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
    r->stops_limit = false;     /* there may be room for the other kind */
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
    return (r->quota_returned || r->guest_has_room) && !r->stops_limit;
}

/* Stops of the guest's CPUs */

static uint64_t *stops_of(XenHostmemStops *stops, const XenHostmemMapping *m)
{
    return xen_hostmem_mapping_is_ring(m) ? &stops->rings : &stops->others;
}

static bool may_stop(XenHostmemStops *stops, const XenHostmemMapping *m)
{
    return *stops_of(stops, m) < XEN_HOSTMEM_STOPS_PER_S * 1000;
}

static void count_stops(XenHostmemStops *stops, const XenHostmemMapping *m)
{
    uint32_t pages = MIN(m->all->max_pages, XEN_HOSTMEM_STOP_PAGES);

    *stops_of(stops, m) += ((m->nr_pages - 1) / pages + 1) * 1000;
}

static void pay_off_stops(XenHostmemStops *stops, int64_t now)
{
    uint64_t paid = (now - stops->seen) * XEN_HOSTMEM_STOPS_PER_S;

    stops->rings -= MIN(paid, stops->rings);
    stops->others -= MIN(paid, stops->others);
    stops->seen = now;
}

/* Rounds */

/* State of one round of retries. */
typedef struct Round {
    XenHostmemStops *stops;
    bool stops_limit;           /* a blob was skipped because of them */
    bool quota_only;
    /* By reason: this round skips blobs of at least this many pages. */
    uint64_t min_failed_pages[XEN_HOSTMEM_REASON__MAX];
} Round;

/* The size that decides whether what a blob was trapped for has passed. */
static uint64_t size_that_counts(const XenHostmemMapping *m)
{
    return m->reason == XEN_HOSTMEM_REASON_PIN_LIMIT ? m->pinned : m->nr_pages;
}

static bool is_hopeless(const Round *round, const XenHostmemMapping *m)
{
    bool ring = xen_hostmem_mapping_is_ring(m);

    if (m->reason == XEN_HOSTMEM_REASON_QUOTA) {
        return !xen_hostmem_room_has(&m->all->room, m->nr_pages, m->pinned,
                                     ring);
    }
    return round->quota_only ||
           !xen_hostmem_p2m_has(&m->all->p2m, m->offset, m->nr_pages, ring) ||
           size_that_counts(m) >= round->min_failed_pages[m->reason];
}

static bool should_skip(Round *round, const XenHostmemMapping *m)
{
    if (is_hopeless(round, m)) {
        return true;
    }
    if (!may_stop(round->stops, m)) {
        round->stops_limit = true;
        return true;
    }
    return false;
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
        count_stops(round->stops, m);
        /*
         * If the guest could not map blobs, retry only one of them in a round:
         * each try stops the guest's CPUs.
         */
        if (before == XEN_HOSTMEM_REASON_GUEST_NO_MEMORY ||
            before == XEN_HOSTMEM_REASON_GUEST_P2M_FULL ||
            before == XEN_HOSTMEM_REASON_GUEST_NO_WINDOW) {
            round->min_failed_pages[before] = 0;
        }
    } else if (m->reason != XEN_HOSTMEM_REASON_QUOTA) {
        round->min_failed_pages[m->reason] =
            MIN(round->min_failed_pages[m->reason], size_that_counts(m));
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

/* Continue the round in the next tick, when more stops are paid off. */
static void continue_later(XenHostmemRetry *r, const Round *round)
{
    r->stops_limit = true;
    r->quota_returned = true;
    r->guest_has_room = !round->quota_only;
}

bool xen_hostmem_retry(XenHostmemRetry *r, XenHostmemMappings *all)
{
    Round round = { .stops = &r->stops };
    int64_t now = all->ops->now_ms(all->ops_opaque);
    bool may_help;

    if (!all->accepting) {
        return false;
    }
    pay_off_stops(&r->stops, now);
    r->stops_limit = false;
    may_help = time_may_help(all);
    round.quota_only = !may_help || !is_time(r, now);
    if (round.quota_only && !r->quota_returned) {
        r->guest_has_room &= may_help;
        return may_help;
    }
    r->quota_returned = false;
    r->guest_has_room = false;
    memset(round.min_failed_pages, 0xff, sizeof(round.min_failed_pages));
    try_all(&round, all, true);
    try_all(&round, all, false);
    if (round.stops_limit) {
        continue_later(r, &round);
        return true;
    }
    return time_may_help(all);
}
