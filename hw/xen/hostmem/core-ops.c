/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the operations in ops.h, implemented with QEMU
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "hw/xen/xen-dmabuf-grant.h"
#include "device.h"
#include "reason.h"
#include "trace.h"

static int core_import(void *opaque, int dmabuf, uint32_t nr_pages,
                       uint32_t *refs, uint64_t *handle)
{
    XenHostmem *h = opaque;
    int rc = xen_hostmem_providers_import(&h->providers, dmabuf, nr_pages, refs,
                                          handle);

    trace_xen_hostmem_import(nr_pages, rc);
    return rc;
}

static int core_release(void *opaque, uint64_t handle, bool confirmed)
{
    XenHostmem *h = opaque;
    int rc = xen_hostmem_providers_release(&h->providers, handle, confirmed);

    trace_xen_hostmem_release(handle, rc);
    return rc;
}

static void core_export(void *opaque, uint32_t blob, XenHostmemBuffer *buf)
{
    XenHostmem *h = opaque;

    h->cfg.export(h->cfg.opaque, blob, buf);
}

static const char *operation_name(uint8_t operation)
{
    switch (operation) {
    case XEN_HOSTMEM_OP_MAP:
        return "map";
    case XEN_HOSTMEM_OP_UNMAP:
        return "unmap";
    default:
        return "unknown";
    }
}

static bool core_post(void *opaque, const XenHostmemRequest *req,
                      const uint32_t *refs)
{
    XenHostmem *h = opaque;

    if (!xen_hostmem_ring_post(h->frontend.ring, req, refs)) {
        return false;
    }
    trace_xen_hostmem_post(operation_name(req->operation), req->id,
                           req->offset, req->nr_pages, req->live);
    return true;
}

static void core_push(void *opaque)
{
    xen_hostmem_frontend_push(opaque);
}

static void core_wake(void *opaque)
{
    XenHostmem *h = opaque;

    qemu_bh_schedule(h->bh);
}

static void core_settled(void *opaque, uint32_t blob, XenHostmemResult result)
{
    XenHostmem *h = opaque;

    h->cfg.settled(h->cfg.opaque, blob, result);
}

/* Once per reason: otherwise the guest could flood the log. */
static void log_reason(XenHostmem *h, const XenHostmemTransition *t)
{
    if (!h->reported[t->reason]) {
        g_autofree char *part = NULL;

        h->reported[t->reason] = true;
        if (t->pinned > t->nr_pages) {
            part = g_strdup_printf(" of a buffer of %" PRIu64 " KiB",
                                   t->pinned * (XEN_HOSTMEM_PAGE_SIZE / 1024));
        }
        warn_report("xen-hostmem: blob %" PRIu32 " (%" PRIu64 " KiB%s) is "
                    "not granted, so %s: %s (%s)",
                    t->blob, t->nr_pages * (XEN_HOSTMEM_PAGE_SIZE / 1024),
                    part ?: "",
                    h->cfg.rules.trap ? "access to it is trapped and slow" :
                                        "the guest cannot map it",
                    xen_hostmem_reason_text(t->reason),
                    XenHostmemReason_str(t->reason));
    }
}

static int64_t core_now_ms(void *opaque)
{
    return qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
}

static void core_transition(void *opaque, const XenHostmemTransition *t)
{
    XenHostmem *h = opaque;

    trace_xen_hostmem_transition(t->blob, t->offset, t->nr_pages,
                                 XenHostmemState_str(t->from),
                                 XenHostmemState_str(t->to),
                                 XenHostmemReason_str(t->reason));
    xen_hostmem_hold_transition(&h->hold, t, core_now_ms(h));
    if (h->hold.nr_pages) {
        core_wake(h);           /* for the timer: the guest may stay silent */
    }
    if (t->to == XEN_HOSTMEM_STATE_TRAPPED &&
        t->reason != XEN_HOSTMEM_REASON_POLICY) {
        log_reason(h, t);
    }
}

static bool core_guest_runs(void *opaque)
{
    return qemu_xen_gnttab_peer_runs(XEN_DEVICE(opaque)->frontend_id);
}

const XenHostmemOps xen_hostmem_core_ops = {
    .import = core_import,
    .release = core_release,
    .export = core_export,
    .post = core_post,
    .push = core_push,
    .wake = core_wake,
    .settled = core_settled,
    .transition = core_transition,
    .now_ms = core_now_ms,
    .guest_runs = core_guest_runs,
};
