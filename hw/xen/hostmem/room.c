/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: room for grants
 *
 * A quota for the device, a part of it that only rings may use, and the next
 * try for blobs that are trapped because there was no room.
 */

#include "qemu/osdep.h"
#include "mapping.h"
#include "reason.h"

/*
 * Rings come first: a trapped access is slow and not atomic, which bulk data
 * can bear and a ring cannot. What is larger is no ring.
 */
#define RING_MAX_PAGES          1024
/* Kept for rings: an eighth of the quota, but not more than 16 MiB. */
#define KEPT_SHARE              8
#define KEPT_MAX_PAGES          4096

#define RETRY_FIRST_MS          1000
#define RETRY_LAST_MS           64000

bool xen_hostmem_may_be_ring(const XenHostmemMapping *m)
{
    return m->buf.shared_memory && m->nr_pages <= RING_MAX_PAGES;
}

bool xen_hostmem_room_for(const XenHostmemMapping *m)
{
    const XenHostmemWindow *w = m->window;
    uint64_t quota = w->rules.quota >> XEN_HOSTMEM_PAGE_SHIFT;

    /* A quota as large as the window is none: what is in it fits. */
    if (w->rules.quota < w->size && !xen_hostmem_may_be_ring(m)) {
        quota -= MIN(quota / KEPT_SHARE, KEPT_MAX_PAGES);
    }
    return w->granted_pages <= quota &&
           m->nr_pages <= quota - w->granted_pages;
}

static bool waits_for_room(const XenHostmemMapping *m)
{
    return m->wanted && !m->owed && m->state == XEN_HOSTMEM_TRAPPED &&
           xen_hostmem_reason_may_pass(m->reason);
}

/* One look at all that wait. */
typedef struct Round {
    bool quota_only;
    /* By reason: who has as many pages need not be tried in this round. */
    uint64_t hopeless_from[XEN_HOSTMEM_REASON__MAX];
} Round;

static bool is_hopeless(const Round *r, const XenHostmemMapping *m)
{
    if (m->reason == XEN_HOSTMEM_REASON_QUOTA) {
        return !xen_hostmem_room_for(m);
    }
    return r->quota_only ||
           m->nr_pages >= r->hopeless_from[m->reason];
}

static void try_again(Round *r, XenHostmemMapping *m)
{
    XenHostmemWindow *w = m->window;
    XenHostmemReason before = m->reason;

    if (m->buf.dmabuf < 0) {
        w->ops->export(w->opaque, m->blob, &m->buf);
    }
    m->live = true;
    xen_hostmem_mapping_begin(m);
    if (m->imported) {
        /*
         * What the guest had no room for is asked of it one at a time: each
         * try stops its CPUs.
         */
        if (before == XEN_HOSTMEM_REASON_GUEST_NO_MEMORY ||
            before == XEN_HOSTMEM_REASON_GUEST_NO_WINDOW) {
            r->hopeless_from[before] = 0;
        }
    } else if (m->reason != XEN_HOSTMEM_REASON_QUOTA) {
        r->hopeless_from[m->reason] = MIN(r->hopeless_from[m->reason],
                                          m->nr_pages);
    }
}

static void try_all(Round *r, GPtrArray *placed, bool rings)
{
    for (guint i = 0; i < placed->len; i++) {
        XenHostmemMapping *m = placed->pdata[i];

        if (waits_for_room(m) && xen_hostmem_may_be_ring(m) == rings &&
            !is_hopeless(r, m)) {
            try_again(r, m);
        }
    }
}

/*
 * Whether time may help any of them. Room in the quota returns only with what
 * ends here, and that is told.
 */
static bool time_may_help(GPtrArray *placed)
{
    for (guint i = 0; i < placed->len; i++) {
        XenHostmemMapping *m = placed->pdata[i];

        if (waits_for_room(m) && m->reason != XEN_HOSTMEM_REASON_QUOTA) {
            return true;
        }
    }
    return false;
}

/* Whether a try, of any blob, has not come to its end. */
static bool is_trying(GPtrArray *placed)
{
    for (guint i = 0; i < placed->len; i++) {
        XenHostmemMapping *m = placed->pdata[i];

        if (m->wanted && m->live && m->imported &&
            m->state != XEN_HOSTMEM_MAPPED &&
            m->state != XEN_HOSTMEM_QUARANTINED) {
            return true;
        }
    }
    return false;
}

void xen_hostmem_room_returned(XenHostmemWindow *w, bool unmapped)
{
    w->try_quota = true;
    if (unmapped) {
        /* It may be what others lacked, too; but a guest unmaps as it likes. */
        w->retry_at = MIN(w->retry_at,
                          w->ops->now_ms(w->opaque) + RETRY_FIRST_MS);
    }
    w->ops->wake(w->opaque);
}

void xen_hostmem_room_found(XenHostmemWindow *w)
{
    w->try_others = true;
    w->retry_ms = 0;
    w->ops->wake(w->opaque);
}

bool xen_hostmem_room_retry(XenHostmemWindow *w)
{
    int64_t now = w->ops->now_ms(w->opaque);
    g_autoptr(GPtrArray) placed = NULL;
    bool may_help;
    Round r;

    if (!w->accepting) {
        return false;
    }
    if (!w->nr_lacking && !w->retry_ms) {
        /* Nobody to look for among, perhaps, thousands. */
        w->try_quota = false;
        w->try_others = false;
        return false;
    }
    placed = xen_hostmem_window_placed(w);
    may_help = time_may_help(placed);
    if (!may_help) {
        w->try_others = false;
        if (!is_trying(placed)) {
            w->retry_ms = 0;
        }
    } else if (!w->retry_ms) {
        w->retry_ms = RETRY_FIRST_MS;
        w->retry_at = now + RETRY_FIRST_MS;
    }
    r.quota_only = !may_help || (!w->try_others && now < w->retry_at);
    if (r.quota_only && !w->try_quota) {
        return may_help;
    }
    w->try_quota = false;
    w->try_others = false;
    if (!r.quota_only) {
        /* Each try costs the guest something: less often if none helps. */
        w->retry_ms = MIN(w->retry_ms * 2, RETRY_LAST_MS);
        w->retry_at = now + w->retry_ms;
    }
    memset(r.hopeless_from, 0xff, sizeof(r.hopeless_from));
    try_all(&r, placed, true);
    try_all(&r, placed, false);
    return time_may_help(placed);
}
