/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the PV backend
 *
 * Life cycle and negotiation; docs/specs/xen-hostmem.rst has the rules.
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_bus.h"
#include "hw/xen/xen-bus.h"
#include "hw/xen/xen-bus-helper.h"
#include "hw/xen/interface/io/xs_wire.h"
#include "device.h"
#include "reason.h"
#include "trace.h"

/* Ring and buffer */

static void hostmem_break(XenHostmem *h)
{
    error_report_once("xen-hostmem: the frontend's ring indexes make no "
                      "sense, closing");
    h->taking = false;
    xen_hostmem_window_leaving(h->window);
    xen_device_backend_set_state(XEN_DEVICE(h), XenbusStateClosing);
}

static bool hostmem_event(void *opaque)
{
    XenHostmem *h = opaque;
    XenHostmemReply reply;
    bool done_something = false;

    while (h->taking) {
        switch (xen_hostmem_ring_next(h->ring, &reply)) {
        case XEN_HOSTMEM_RING_REPLY:
            trace_xen_hostmem_reply(reply.operation, reply.id, reply.status);
            xen_hostmem_window_reply(h->window, &reply);
            done_something = true;
            break;
        case XEN_HOSTMEM_RING_BROKEN:
            hostmem_break(h);
            return true;
        case XEN_HOSTMEM_RING_EMPTY:
            if (xen_hostmem_ring_unexpected(h->ring)) {         /* R22 */
                warn_report_once("xen-hostmem: the frontend answers what was "
                                 "not asked");
            }
            if (done_something) {
                xen_hostmem_window_pump(h->window);
            }
            return done_something;
        }
    }
    return done_something;
}

/* Connection */

static bool hostmem_read_version(XenDevice *xendev, Error **errp)
{
    unsigned int version;

    if (xen_device_frontend_scanf(xendev, XEN_HOSTMEM_NODE_VERSION, "%u",
                                  &version) != 1) {
        error_setg(errp, "failed to read " XEN_HOSTMEM_NODE_VERSION);
        return false;
    }
    if (version != XEN_HOSTMEM_VERSION) {       /* R3 */
        error_setg(errp, "the frontend speaks version %u of the protocol, "
                   "this QEMU speaks version %u", version,
                   XEN_HOSTMEM_VERSION);
        return false;
    }
    return true;
}

static bool hostmem_map_ring(XenHostmem *h, Error **errp)
{
    XenDevice *xendev = XEN_DEVICE(h);

    if (xen_device_frontend_scanf(xendev, XEN_HOSTMEM_NODE_RING_REF, "%u",
                                  &h->ring_ref) != 1) {
        error_setg(errp, "failed to read " XEN_HOSTMEM_NODE_RING_REF);
        return false;
    }
    h->page = xen_device_map_grant_refs(xendev, &h->ring_ref, 1,
                                        PROT_READ | PROT_WRITE, errp);
    if (!h->page) {
        error_prepend(errp, "failed to map the ring: ");
        return false;
    }
    return true;
}

static bool hostmem_map_buffer(XenHostmem *h, Error **errp)
{
    XenDevice *xendev = XEN_DEVICE(h);
    unsigned int n;

    if (xen_device_frontend_scanf(xendev, XEN_HOSTMEM_NODE_GREF_PAGES, "%u",
                                  &n) != 1 ||
        n < 1 || n > XEN_HOSTMEM_MAX_GREF_PAGES) {      /* R4 */
        error_setg(errp, XEN_HOSTMEM_NODE_GREF_PAGES " is not 1 to %u",
                   XEN_HOSTMEM_MAX_GREF_PAGES);
        return false;
    }
    for (unsigned int i = 0; i < n; i++) {
        g_autofree char *node = g_strdup_printf(XEN_HOSTMEM_NODE_GREF_REF, i);

        if (xen_device_frontend_scanf(xendev, node, "%u",
                                      &h->buffer_refs[i]) != 1) {
            error_setg(errp, "failed to read %s", node);
            return false;
        }
    }
    h->buffer = xen_device_map_grant_refs(xendev, h->buffer_refs, n,
                                          PROT_READ | PROT_WRITE, errp);
    if (!h->buffer) {
        error_prepend(errp, "failed to map the reference buffer: ");
        return false;
    }
    h->buffer_pages = n;
    return true;
}

/* Bus numbers are the firmware's: known now, not at realize (R5). */
static void hostmem_publish_window(XenHostmem *h)
{
    XenDevice *xendev = XEN_DEVICE(h);
    PCIDevice *pci = h->cfg.pci;

    xen_device_backend_printf(xendev, XEN_HOSTMEM_NODE_PCI_ADDRESS,
                              "0000:%02x:%02x.%x", pci_dev_bus_num(pci),
                              PCI_SLOT(pci->devfn), PCI_FUNC(pci->devfn));
    xen_device_backend_printf(xendev, XEN_HOSTMEM_NODE_SHM_ID, "%u",
                              h->cfg.shm_id);
    xen_device_backend_printf(xendev, XEN_HOSTMEM_NODE_WINDOW_SIZE,
                              "%" PRIu64, h->cfg.size);
}

static bool hostmem_connect(XenHostmem *h, Error **errp)
{
    ERRP_GUARD();
    XenDevice *xendev = XEN_DEVICE(h);
    unsigned int port;

    if (!hostmem_read_version(xendev, errp) ||
        !hostmem_map_ring(h, errp) ||
        !hostmem_map_buffer(h, errp)) {
        return false;
    }
    if (xen_device_frontend_scanf(xendev, XEN_HOSTMEM_NODE_EVENT_CHANNEL, "%u",
                                  &port) != 1) {
        error_setg(errp, "failed to read " XEN_HOSTMEM_NODE_EVENT_CHANNEL);
        return false;
    }
    h->ring = xen_hostmem_ring_new(h->page, h->buffer, h->buffer_pages *
                                   XEN_HOSTMEM_REFS_PER_PAGE);
    h->event_channel = xen_device_bind_event_channel(xendev, port,
                                                     hostmem_event, h, errp);
    if (!h->event_channel) {
        return false;
    }
    hostmem_publish_window(h);
    trace_xen_hostmem_connect(h->ring_ref, port, h->buffer_pages);
    return true;
}

static void hostmem_disconnect(XenHostmem *h)
{
    XenDevice *xendev = XEN_DEVICE(h);

    if (h->event_channel || h->page) {
        trace_xen_hostmem_disconnect();
    }
    if (h->event_channel) {
        xen_device_unbind_event_channel(xendev, h->event_channel, NULL);
        h->event_channel = NULL;
    }
    g_clear_pointer(&h->ring, xen_hostmem_ring_free);
    if (h->buffer) {
        xen_device_unmap_grant_refs(xendev, h->buffer, h->buffer_refs,
                                    h->buffer_pages, NULL);
        h->buffer = NULL;
    }
    if (h->page) {
        xen_device_unmap_grant_refs(xendev, h->page, &h->ring_ref, 1, NULL);
        h->page = NULL;
    }
}

/* Frontend states */

static void hostmem_arrived(XenHostmem *h)
{
    if (h->taking || !h->ring || xen_device_backend_get_state(XEN_DEVICE(h)) !=
                                 XenbusStateConnected) {
        return;
    }
    xen_hostmem_open_provider(h);
    trace_xen_hostmem_arrived(h->granter ?
                              qemu_xen_gnttab_dmabuf_name(h->granter) :
                              "none");
    h->taking = true;
    /* A quarter of the buffer: the guest maps one while the next is written */
    xen_hostmem_window_arrived(h->window,
                               h->buffer_pages * XEN_HOSTMEM_REFS_PER_PAGE / 4);
}

static void hostmem_left(XenHostmem *h, bool clean)
{
    if (h->ring) {
        trace_xen_hostmem_left(clean);
        h->taking = false;
        xen_hostmem_window_left(h->window, clean);
    }
    hostmem_disconnect(h);
}

static void hostmem_initialised(XenHostmem *h, Error **errp)
{
    ERRP_GUARD();
    XenDevice *xendev = XEN_DEVICE(h);

    if (xen_device_backend_get_state(xendev) == XenbusStateConnected) {
        return;
    }
    hostmem_left(h, false);
    if (!hostmem_connect(h, errp)) {
        error_prepend(errp, "xen-hostmem: ");
        hostmem_disconnect(h);
        xen_device_backend_set_state(xendev, XenbusStateClosing);
        return;
    }
    xen_device_backend_set_state(xendev, XenbusStateConnected);
}

/*
 * "Closed" alone is not the frontend's word: a crash kernel's xenbus writes it
 * for devices that were connected, before any driver is there (R19).
 */
static bool hostmem_is_clean(XenHostmem *h)
{
    unsigned int unmapped;

    return xen_device_frontend_scanf(XEN_DEVICE(h), XEN_HOSTMEM_NODE_UNMAPPED,
                                     "%u", &unmapped) == 1 && unmapped == 1;
}

static void xen_hostmem_frontend_changed(XenDevice *xendev,
                                         enum xenbus_state frontend_state,
                                         Error **errp)
{
    XenHostmem *h = XEN_HOSTMEM(xendev);

    switch (frontend_state) {
    case XenbusStateInitialising:
        if (h->ring) {                                  /* R21 */
            warn_report_once("xen-hostmem: the frontend started anew without "
                             "having closed");
            hostmem_left(h, false);
            xen_device_backend_set_state(xendev, XenbusStateInitWait);
        }
        break;

    case XenbusStateInitialised:
        hostmem_initialised(h, errp);
        break;

    case XenbusStateConnected:
        hostmem_arrived(h);                             /* R7 */
        break;

    case XenbusStateClosing:
        h->taking = false;                              /* R18 */
        xen_hostmem_window_leaving(h->window);
        xen_device_backend_set_state(xendev, XenbusStateClosing);
        break;

    case XenbusStateClosed:
    case XenbusStateUnknown:
        hostmem_left(h, frontend_state == XenbusStateClosed &&
                        hostmem_is_clean(h));
        xen_device_backend_set_state(xendev, XenbusStateClosed);
        break;

    default:
        break;
    }
}

/* QEMU */

static char *xen_hostmem_get_name(XenDevice *xendev, Error **errp)
{
    /* One a guest: virtio-gpu-gl is one a machine. */
    return g_strdup("0");
}

static void xen_hostmem_unrealize(XenDevice *xendev)
{
    XenHostmem *h = XEN_HOSTMEM(xendev);

    trace_xen_hostmem_unrealize();
    hostmem_left(h, false);
}

/*
 * A QEMU that was killed leaves its nodes, and libxl removes only the kinds
 * it knows (I8). Whoever starts next sweeps up behind dead domains.
 */
static void sweep_dead_domains(XenDevice *xendev)
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

static void xen_hostmem_realize(XenDevice *xendev, Error **errp)
{
    XenHostmem *h = XEN_HOSTMEM(xendev);

    if (!h->window) {
        error_setg(errp, "xen-hostmem is created by a GPU device, see "
                   "docs/system/xen-virtio-gpu.rst");
        return;
    }
    sweep_dead_domains(xendev);
    /* R1: the guest does not run yet, so no frontend can be early. */
    xen_device_backend_printf(xendev, XEN_HOSTMEM_NODE_VERSIONS, "%u",
                              XEN_HOSTMEM_VERSION);
    trace_xen_hostmem_realize(h->cfg.pci->name, h->cfg.size);
}

static void xen_hostmem_finalize(Object *obj)
{
    XenHostmem *h = XEN_HOSTMEM(obj);

    xen_hostmem_fini(h);
}

static void xen_hostmem_class_init(ObjectClass *class, void *data)
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
