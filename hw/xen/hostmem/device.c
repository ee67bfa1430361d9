/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the PV backend
 *
 * Life cycle of the backend, and the functions that the GPU device calls.
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/pci/pci_device.h"
#include "hw/xen/xen-bus-helper.h"
#include "hw/xen/xen-dmabuf-grant.h"
#include "hw/xen/interface/io/xs_wire.h"
#include "compat.h"
#include "device.h"
#include "room.h"
#include "trace.h"

/* Main loop */

static void start_timer(XenHostmem *h)
{
    timer_mod(h->timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + XEN_HOSTMEM_TICK_MS);
}

/*
 * End a guest that keeps memory for longer than the administrator allows.
 * Returns true if it keeps any, so that this must be called again.
 */
static bool check_hold(XenHostmem *h)
{
    switch (xen_hostmem_hold_tick(&h->hold,
                                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME),
                                  xen_hostmem_core_ops.guest_runs(h))) {
    case XEN_HOSTMEM_HOLD_NOTHING:
        return false;
    case XEN_HOSTMEM_HOLD_RUNNING:
        return true;
    case XEN_HOSTMEM_HOLD_EXPIRED:
        error_report("xen-hostmem: the guest keeps %" PRIu64 " KiB of host "
                     "memory for more than %u s after it should have unmapped "
                     "it (xen-hostmem-hold-limit), so it is ended",
                     h->hold.nr_pages * (XEN_HOSTMEM_PAGE_SIZE / 1024),
                     h->cfg.hold_limit);
        xen_hostmem_end_guest();
        return true;
    }
    g_assert_not_reached();
}

/*
 * Uses the PCI function's re-entrancy guard, because settled() makes the GPU
 * device answer commands.  So a tick, which may settle something, is left to
 * it, too.
 */
static void hostmem_bh(void *opaque)
{
    XenHostmem *h = opaque;
    bool again = true;

    if (h->tick_due) {
        h->tick_due = false;
        again = xen_hostmem_window_tick(h->window);
        again |= check_hold(h);
    } else {
        xen_hostmem_window_pump(h->window);
    }
    if (again && !timer_pending(h->timer)) {
        start_timer(h);
    }
}

static void hostmem_timer(void *opaque)
{
    XenHostmem *h = opaque;

    h->tick_due = true;
    qemu_bh_schedule(h->bh);
}

/* Creation and destruction */

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
        /* Granting host memory from a stub domain has never been tested. */
        error_setg(errp, "xen-hostmem: QEMU runs in domain %u, but host memory "
                   "is only supported in dom0: add xen-hostmem=off",
                   XEN_BUS(bus)->backend_id);
        return NULL;
    }
    h = XEN_HOSTMEM(qdev_new(TYPE_XEN_HOSTMEM));
    h->cfg = *cfg;
    if (!h->cfg.rules.quota) {
        h->cfg.rules.quota = xen_hostmem_room_default_quota(
            cfg->size, qemu_xen_gnttab_table_pages());
    }
    xen_hostmem_hold_init(&h->hold, cfg->hold_limit);
    h->window = xen_hostmem_window_new(cfg->size, &h->cfg.rules,
                                       &xen_hostmem_core_ops, h);
    xen_hostmem_window_limit_p2m(h->window,
                                 qemu_xen_gnttab_peer_p2m_pages(xen_domid));
    h->bh = qemu_bh_new_guarded(hostmem_bh, h,
                                &DEVICE(cfg->pci)->mem_reentrancy_guard);
    h->timer = timer_new_ms(QEMU_CLOCK_REALTIME, hostmem_timer, h);

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
     * Drop our own reference.  It kept the window alive in case the toolstack
     * had already unplugged the backend.
     */
    object_unref(OBJECT(h));
}

/*
 * A toolstack that knows this kind of device says so before it starts the
 * device model, and removes the nodes of a dead one itself.
 */
static bool toolstack_removes_nodes(XenDevice *xendev)
{
    g_autofree char *node = g_strdup_printf("device-model/%u/"
                                            "toolstack-removes/hostmem",
                                            xendev->frontend_id);
    unsigned int len;
    void *value = qemu_xen_xs_read(xendev->xsh, XBT_NULL, node, &len);

    free(value);
    return value != NULL;
}

/*
 * A killed QEMU leaves its xenstore nodes behind, and libxl only removes the
 * nodes of device types that it knows (I8).  So each QEMU removes the nodes of
 * dead domains when it starts.
 */
static void remove_stale_nodes(XenDevice *xendev)
{
    struct qemu_xs_handle *xsh = xendev->xsh;
    unsigned int n = 0, domid;
    char **domids = qemu_xen_xs_directory(xsh, XBT_NULL, "backend/hostmem",
                                          &n);

    for (unsigned int i = 0; domids && i < n; i++) {
        g_autofree char *domain = g_strdup_printf("/local/domain/%s",
                                                  domids[i]);
        g_autofree char *node = g_strdup_printf("backend/hostmem/%s",
                                                domids[i]);
        unsigned int len;
        void *alive = qemu_xen_xs_read(xsh, XBT_NULL, domain, &len);

        if (!alive && errno == ENOENT &&
            qemu_strtoui(domids[i], NULL, 10, &domid) == 0) {
            trace_xen_hostmem_sweep(domid);
            qemu_xen_xs_destroy(xsh, XBT_NULL, node);
        }
        free(alive);
    }
    free(domids);
}

static void probe_host(XenHostmem *h)
{
    XenHostmemHost *host = &h->host;
    g_autofree char *warning = NULL;
    XenHostmemReason reason;

    xen_hostmem_host_probe(host, XEN_DEVICE(h)->frontend_id);
    reason = xen_hostmem_check_type(h, XEN_HOSTMEM_MEMORY_TYPE_WRITE_COMBINED);
    trace_xen_hostmem_host(host->cpu, XenHostmemPaging_str(host->paging),
                           XenHostmemReason_str(reason));
    warning = xen_hostmem_memtype_warning(host, h->cfg.wc);
    if (warning) {
        warn_report("xen-hostmem: %s", warning);
    }
}

static void xen_hostmem_realize(XenDevice *xendev, Error **errp)
{
    XenHostmem *h = XEN_HOSTMEM(xendev);

    if (!h->window) {
        error_setg(errp, "xen-hostmem can only be created by a virtio GPU, see "
                   "docs/system/xen-virtio-gpu.rst");
        return;
    }
    if (!xen_hostmem_frontend_init(h, errp)) {
        return;
    }
    h->providers.choice = h->cfg.provider;
    h->providers.domid = xendev->frontend_id;
    if (h->cfg.rules.grant) {
        /* Now, because QEMU may be about to change to another user. */
        xen_hostmem_providers_open(&h->providers);
    }
    if (!toolstack_removes_nodes(xendev)) {
        remove_stale_nodes(xendev);
    }
    probe_host(h);
    /* R1: the guest is not running yet, so no frontend can have read it. */
    xen_device_backend_printf(xendev, XEN_HOSTMEM_NODE_VERSIONS, "%u",
                              XEN_HOSTMEM_VERSION);
    trace_xen_hostmem_realize(h->cfg.pci->name, h->cfg.size);
}

static void xen_hostmem_unrealize(XenDevice *xendev)
{
    XenHostmem *h = XEN_HOSTMEM(xendev);

    trace_xen_hostmem_unrealize();
    xen_hostmem_frontend_lost(h);
    xen_hostmem_frontend_fini(h);
}

static void xen_hostmem_finalize(Object *obj)
{
    XenHostmem *h = XEN_HOSTMEM(obj);

    if (!h->window) {
        return;                 /* was not created by xen_hostmem_new() */
    }
    xen_hostmem_window_free(h->window);     /* may still wake the bottom half */
    timer_free(h->timer);
    qemu_bh_delete(h->bh);
    xen_hostmem_hold_destroy(&h->hold);
    xen_hostmem_providers_close(&h->providers);
}

/* Functions that the GPU device calls */

XenHostmemReason xen_hostmem_check_type(const XenHostmem *h,
                                        XenHostmemMemoryType type)
{
    return xen_hostmem_memtype_reason(&h->host, h->cfg.wc, type);
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

void xen_hostmem_reset(XenHostmem *h)
{
    xen_hostmem_window_reset(h->window);
}

/* Type */

static char *xen_hostmem_get_name(XenDevice *xendev, Error **errp)
{
    /* One per guest: a machine has at most one virtio-gpu-gl. */
    return g_strdup("0");
}

static void xen_hostmem_class_init(ObjectClass *class,
                                   XenHostmemClassData *data)
{
    DeviceClass *dev_class = DEVICE_CLASS(class);
    XenDeviceClass *xendev_class = XEN_DEVICE_CLASS(class);

    dev_class->user_creatable = false;
    dev_class->desc = "Xen hostmem backend, part of a virtio GPU";
    xendev_class->backend = "hostmem";
    xendev_class->device = "hostmem";
    xendev_class->get_name = xen_hostmem_get_name;
    xendev_class->realize = xen_hostmem_realize;
    xendev_class->frontend_changed = xen_hostmem_frontend_changed;
    xendev_class->unrealize = xen_hostmem_unrealize;
}

static const TypeInfo xen_hostmem_type_info = {
    .name = TYPE_XEN_HOSTMEM,
    .parent = TYPE_XEN_DEVICE,
    .instance_size = sizeof(XenHostmem),
    .instance_finalize = xen_hostmem_finalize,
    .class_init = xen_hostmem_class_init,
};

static void xen_hostmem_register_types(void)
{
    type_register_static(&xen_hostmem_type_info);
}

type_init(xen_hostmem_register_types)
