/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the side of the GPU device
 *
 * Joins a window to the backend, the kernel, the log and the main loop.
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "device.h"
#include "reason.h"
#include "trace.h"

#define TICK_MS 1000

/* What the window asks for */

static int client_import(void *opaque, int dmabuf, uint32_t nr_pages,
                         uint32_t *refs, uint64_t *handle)
{
    XenHostmem *h = opaque;
    int rc;

    xen_hostmem_open_provider(h);
    if (!h->granter) {
        rc = xen_hostmem_out_of_descriptors() ? -EMFILE : -ENOSYS;
    } else {
        rc = qemu_xen_gnttab_dmabuf_import(h->granter,
                                           XEN_DEVICE(h)->frontend_id, dmabuf,
                                           nr_pages, refs, handle);
    }
    trace_xen_hostmem_import(nr_pages, rc);
    return rc;
}

static int client_release(void *opaque, uint64_t handle, bool confirmed)
{
    XenHostmem *h = opaque;
    int rc = qemu_xen_gnttab_dmabuf_release(h->granter, handle, confirmed);

    trace_xen_hostmem_release(handle, rc);
    return rc;
}

static void client_export(void *opaque, uint32_t blob, XenHostmemBuffer *buf)
{
    XenHostmem *h = opaque;

    h->cfg.export(h->cfg.opaque, blob, buf);
}

static bool client_post(void *opaque, const XenHostmemRequest *req,
                        const uint32_t *refs)
{
    XenHostmem *h = opaque;

    if (!xen_hostmem_ring_post(h->ring, req, refs)) {
        return false;
    }
    trace_xen_hostmem_post(refs ? "map" : "unmap", req->id, req->offset,
                           req->nr_pages, req->live);
    return true;
}

static void client_push(void *opaque)
{
    XenHostmem *h = opaque;

    if (xen_hostmem_ring_push(h->ring)) {
        xen_device_notify_event_channel(XEN_DEVICE(h), h->event_channel, NULL);
    }
}

static void client_wake(void *opaque)
{
    XenHostmem *h = opaque;

    qemu_bh_schedule(h->bh);
}

static void client_settled(void *opaque, uint32_t blob)
{
    XenHostmem *h = opaque;

    h->cfg.settled(h->cfg.opaque, blob);
}

/* Once for each reason: a guest could make these by the thousand. */
static void tell_reason(XenHostmem *h, const XenHostmemTransition *t)
{
    if (!h->told[t->reason]) {
        h->told[t->reason] = true;
        warn_report("xen-hostmem: blob %" PRIu32 " (%" PRIu64 " KiB) is "
                    "not granted, so %s: %s (%s)",
                    t->blob, t->nr_pages * (XEN_HOSTMEM_PAGE_SIZE / 1024),
                    h->cfg.rules.trap ? "access to it is trapped and slow" :
                                        "the guest cannot map it",
                    xen_hostmem_reason_text(t->reason),
                    xen_hostmem_reason_name(t->reason));
    }
}

static void client_transition(void *opaque, const XenHostmemTransition *t)
{
    XenHostmem *h = opaque;

    trace_xen_hostmem_transition(t->blob, t->offset, t->nr_pages,
                                 xen_hostmem_state_name(t->from),
                                 xen_hostmem_state_name(t->to),
                                 xen_hostmem_reason_name(t->reason));
    if (t->to == XEN_HOSTMEM_TRAPPED &&
        t->reason != XEN_HOSTMEM_REASON_POLICY) {
        tell_reason(h, t);
    }
}

static int64_t client_now_ms(void *opaque)
{
    return qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
}

static const XenHostmemWindowOps client_ops = {
    .import = client_import,
    .release = client_release,
    .export = client_export,
    .post = client_post,
    .push = client_push,
    .wake = client_wake,
    .settled = client_settled,
    .transition = client_transition,
    .now_ms = client_now_ms,
};

void xen_hostmem_open_provider(XenHostmem *h)
{
    Error *err = NULL;

    if (h->granter) {
        return;
    }
    h->granter = qemu_xen_gnttab_dmabuf_open(&err);
    if (err && !h->told_provider) {
        h->told_provider = true;
        warn_reportf_err(err, "xen-hostmem: ");
    } else {
        error_free(err);
    }
}

/* Main loop */

static void client_bh(void *opaque)
{
    XenHostmem *h = opaque;

    xen_hostmem_window_pump(h->window);
    if (!timer_pending(h->timer)) {
        timer_mod(h->timer, client_now_ms(h) + TICK_MS);
    }
}

static void client_tick(void *opaque)
{
    XenHostmem *h = opaque;

    if (xen_hostmem_window_tick(h->window)) {
        timer_mod(h->timer, client_now_ms(h) + TICK_MS);
    }
}

/* The GPU device's calls */

static BusState *find_xen_bus(Error **errp)
{
    Object *bus = object_resolve_path_type("", TYPE_XEN_BUS, NULL);

    if (!bus) {
        error_setg(errp, "this machine has no Xen bus");
    }
    return bus ? BUS(bus) : NULL;
}

XenHostmem *xen_hostmem_new(const XenHostmemConfig *cfg, Error **errp)
{
    BusState *bus = find_xen_bus(errp);
    XenHostmem *h;

    if (!bus) {
        return NULL;
    }
    if (XEN_BUS(bus)->backend_id) {
        /* Nobody has seen a stub domain grant host memory. */
        error_setg(errp, "xen-hostmem: QEMU runs in domain %u, and only dom0 "
                   "grants host memory: add xen-hostmem=off",
                   XEN_BUS(bus)->backend_id);
        return NULL;
    }
    h = XEN_HOSTMEM(qdev_new(TYPE_XEN_HOSTMEM));
    h->cfg = *cfg;
    h->window = xen_hostmem_window_new(cfg->size, &cfg->rules, &client_ops, h);
    h->bh = qemu_bh_new_guarded(client_bh, h,
                                &DEVICE(h)->mem_reentrancy_guard);
    h->timer = timer_new_ms(QEMU_CLOCK_REALTIME, client_tick, h);

    if (!qdev_realize(DEVICE(h), bus, errp)) {
        error_prepend(errp, "xen-hostmem: ");
        object_unparent(OBJECT(h));
        object_unref(OBJECT(h));
        return NULL;
    }
    xen_hostmem_trap_init(&h->trap, OBJECT(h), cfg->bar, h->window, cfg->size);
    return h;
}

void xen_hostmem_free(XenHostmem *h)
{
    xen_hostmem_trap_fini(&h->trap, h->cfg.bar);
    object_unparent(OBJECT(h));
    /*
     * Our own reference, which kept the window alive should the toolstack
     * have unplugged the backend before.
     */
    object_unref(OBJECT(h));
}

void xen_hostmem_fini(XenHostmem *h)
{
    if (!h->window) {
        return;
    }
    timer_free(h->timer);
    qemu_bh_delete(h->bh);
    xen_hostmem_window_free(h->window);
    h->window = NULL;
    if (h->granter) {
        qemu_xen_gnttab_dmabuf_close(h->granter);
        h->granter = NULL;
    }
}

int xen_hostmem_map(XenHostmem *h, uint32_t blob, uint64_t offset,
                    const XenHostmemBuffer *buf)
{
    return xen_hostmem_window_map(h->window, blob, offset, buf);
}

int xen_hostmem_unmap(XenHostmem *h, uint32_t blob)
{
    return xen_hostmem_window_unmap(h->window, blob);
}

int xen_hostmem_status(XenHostmem *h, uint32_t blob)
{
    return xen_hostmem_window_status(h->window, blob);
}

void xen_hostmem_reset(XenHostmem *h)
{
    xen_hostmem_window_reset(h->window);
}
