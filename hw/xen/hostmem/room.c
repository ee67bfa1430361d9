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

static bool may_be_ring(const XenHostmemMapping *m)
{
    return m->buf.shared_memory && m->nr_pages <= RING_MAX_PAGES;
}

bool xen_hostmem_room_for(const XenHostmemMapping *m)
{
    const XenHostmemWindow *w = m->window;
    uint64_t quota = w->rules.quota >> XEN_HOSTMEM_PAGE_SHIFT;

    /* A quota as large as the window is none: what is in it fits. */
    if (w->rules.quota < w->size && !may_be_ring(m)) {
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

/*
 * Returns false if what stands in the way is not the quota: the kernel's
 * answer to the next blob would be the same.
 */
static bool try_again(XenHostmemMapping *m)
{
    XenHostmemWindow *w = m->window;

    if (!xen_hostmem_room_for(m)) {
        return true;
    }
    if (m->buf.dmabuf < 0) {
        w->ops->export(w->opaque, m->blob, &m->buf);
    }
    m->live = true;
    xen_hostmem_mapping_begin(m);
    return m->imported;
}

static bool try_all(XenHostmemWindow *w, GPtrArray *placed, bool rings)
{
    for (guint i = 0; i < placed->len; i++) {
        XenHostmemMapping *m = placed->pdata[i];

        if (waits_for_room(m) && may_be_ring(m) == rings && !try_again(m)) {
            return false;
        }
    }
    return true;
}

/*
 * Whether time may help any of them. Room in the quota returns only with what
 * is unmapped, and that is told.
 */
static bool any_waits_for_others(GPtrArray *placed)
{
    for (guint i = 0; i < placed->len; i++) {
        XenHostmemMapping *m = placed->pdata[i];

        if (waits_for_room(m) && m->reason != XEN_HOSTMEM_REASON_QUOTA) {
            return true;
        }
    }
    return false;
}

void xen_hostmem_room_returned(XenHostmemWindow *w)
{
    w->room_returned = true;
    w->retry_ms = 0;
    w->ops->wake(w->opaque);
}

bool xen_hostmem_room_retry(XenHostmemWindow *w)
{
    int64_t now = w->ops->now_ms(w->opaque);
    g_autoptr(GPtrArray) placed = NULL;

    if (!w->accepting) {
        return false;
    }
    if (!w->room_returned && now < w->retry_at) {
        return true;
    }
    placed = xen_hostmem_window_placed(w);
    w->room_returned = false;
    if (try_all(w, placed, true)) {
        try_all(w, placed, false);
    }
    /* Each try costs the guest something: less often if it does not help. */
    w->retry_ms = MIN(MAX(w->retry_ms * 2, RETRY_FIRST_MS), RETRY_LAST_MS);
    w->retry_at = now + w->retry_ms;
    return any_waits_for_others(placed);
}
