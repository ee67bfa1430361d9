/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the connection to the guest's driver
 *
 * Negotiation, states and events; see docs/specs/xen-hostmem.rst.
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/report-limit.h"
#include "qapi/error.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_bus.h"
#include "hw/xen/xen-bus-helper.h"
#include "device.h"
#include "trace.h"

/* Ring and buffer */

void xen_hostmem_frontend_push(XenHostmem *h)
{
    XenHostmemFrontend *f = &h->frontend;

    if (xen_hostmem_ring_push(f->ring)) {
        qemu_xen_evtchn_notify(f->evtchn, f->port);
    }
}

static void frontend_broken(XenHostmem *h)
{
    error_report_once("xen-hostmem: invalid ring indexes from the frontend, "
                      "closing the connection");
    h->frontend.accepting = false;
    xen_hostmem_window_leaving(h->window);
    xen_device_backend_set_state(XEN_DEVICE(h), XenbusStateClosing);
}

static void handle_replies(XenHostmem *h)
{
    XenHostmemFrontend *f = &h->frontend;
    XenHostmemReply reply;
    bool any = false;

    while (f->accepting) {
        switch (xen_hostmem_ring_next(f->ring, &reply)) {
        case XEN_HOSTMEM_RING_REPLY:
            trace_xen_hostmem_reply(reply.operation, reply.id, reply.status);
            xen_hostmem_window_reply(h->window, &reply);
            any = true;
            break;
        case XEN_HOSTMEM_RING_BROKEN:
            frontend_broken(h);
            return;
        case XEN_HOSTMEM_RING_EMPTY:
            if (xen_hostmem_ring_unexpected(f->ring)) {         /* R22 */
                warn_report_once("xen-hostmem: unexpected response from the "
                                 "frontend");
            }
            if (any) {
                xen_hostmem_window_post(h->window);
            }
            return;
        }
    }
}

static void frontend_event(void *opaque)
{
    XenHostmem *h = opaque;
    XenHostmemFrontend *f = &h->frontend;
    xenevtchn_port_or_error_t port = qemu_xen_evtchn_pending(f->evtchn);

    /* Another port is that of an earlier connection, and no longer bound. */
    if (port > 0 && port == f->port) {
        handle_replies(h);
        qemu_xen_evtchn_unmask(f->evtchn, port);
    }
}

/* Connection */

static bool read_version(XenDevice *xendev, Error **errp)
{
    unsigned int version;

    if (xen_device_frontend_scanf(xendev, XEN_HOSTMEM_NODE_VERSION, "%u",
                                  &version) != 1) {
        error_setg(errp, "failed to read " XEN_HOSTMEM_NODE_VERSION);
        return false;
    }
    if (version != XEN_HOSTMEM_VERSION) {       /* R3 */
        error_setg(errp, "the frontend speaks version %u of the hostmem "
                   "protocol, but this QEMU only speaks version %u", version,
                   XEN_HOSTMEM_VERSION);
        return false;
    }
    return true;
}

static bool map_ring(XenHostmem *h, Error **errp)
{
    XenDevice *xendev = XEN_DEVICE(h);
    XenHostmemFrontend *f = &h->frontend;

    if (xen_device_frontend_scanf(xendev, XEN_HOSTMEM_NODE_RING_REF, "%u",
                                  &f->ring_ref) != 1) {
        error_setg(errp, "failed to read " XEN_HOSTMEM_NODE_RING_REF);
        return false;
    }
    f->page = xen_device_map_grant_refs(xendev, &f->ring_ref, 1,
                                        PROT_READ | PROT_WRITE, errp);
    if (!f->page) {
        error_prepend(errp, "failed to map the ring: ");
        return false;
    }
    return true;
}

static bool map_buffer(XenHostmem *h, Error **errp)
{
    XenDevice *xendev = XEN_DEVICE(h);
    XenHostmemFrontend *f = &h->frontend;
    unsigned int n;

    if (xen_device_frontend_scanf(xendev, XEN_HOSTMEM_NODE_GREF_PAGES, "%u",
                                  &n) != 1 ||
        n < 1 || n > XEN_HOSTMEM_MAX_GREF_PAGES) {      /* R4 */
        error_setg(errp, XEN_HOSTMEM_NODE_GREF_PAGES " is missing or not "
                   "between 1 and %u", XEN_HOSTMEM_MAX_GREF_PAGES);
        return false;
    }
    for (unsigned int i = 0; i < n; i++) {
        g_autofree char *node = g_strdup_printf(XEN_HOSTMEM_NODE_GREF_REF, i);

        if (xen_device_frontend_scanf(xendev, node, "%u",
                                      &f->buffer_refs[i]) != 1) {
            error_setg(errp, "failed to read %s", node);
            return false;
        }
    }
    f->buffer = xen_device_map_grant_refs(xendev, f->buffer_refs, n,
                                          PROT_READ | PROT_WRITE, errp);
    if (!f->buffer) {
        error_prepend(errp, "failed to map the reference buffer: ");
        return false;
    }
    f->buffer_pages = n;
    return true;
}

/*
 * The guest's firmware assigns bus numbers, so they are known only now, not at
 * realize (R5).
 */
static void publish_window(XenHostmem *h)
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

static uint32_t buffer_nr_refs(const XenHostmemFrontend *f)
{
    return f->buffer_pages * XEN_HOSTMEM_REFS_PER_PAGE;
}

/*
 * XenDevice's event channels open the device when they are bound, which is too
 * late for a QEMU that runs as another user by then.
 */
static bool bind_event_channel(XenHostmem *h, Error **errp)
{
    XenDevice *xendev = XEN_DEVICE(h);
    XenHostmemFrontend *f = &h->frontend;
    xenevtchn_port_or_error_t local;
    unsigned int port;

    if (xen_device_frontend_scanf(xendev, XEN_HOSTMEM_NODE_EVENT_CHANNEL, "%u",
                                  &port) != 1) {
        error_setg(errp, "failed to read " XEN_HOSTMEM_NODE_EVENT_CHANNEL);
        return false;
    }
    local = qemu_xen_evtchn_bind_interdomain(f->evtchn, xendev->frontend_id,
                                             port);
    if (local < 0) {
        error_setg_errno(errp, errno, "failed to bind the event channel");
        return false;
    }
    f->port = local;
    qemu_set_fd_handler(qemu_xen_evtchn_fd(f->evtchn), frontend_event, NULL, h);
    return true;
}

static void unbind_event_channel(XenHostmemFrontend *f)
{
    if (f->port) {
        qemu_set_fd_handler(qemu_xen_evtchn_fd(f->evtchn), NULL, NULL, NULL);
        qemu_xen_evtchn_unbind(f->evtchn, f->port);
        f->port = 0;
    }
}

static bool frontend_connect(XenHostmem *h, Error **errp)
{
    XenHostmemFrontend *f = &h->frontend;

    if (!read_version(XEN_DEVICE(h), errp) || !map_ring(h, errp) ||
        !map_buffer(h, errp)) {
        return false;
    }
    f->ring = xen_hostmem_ring_new(f->page, f->buffer, buffer_nr_refs(f));
    if (!bind_event_channel(h, errp)) {
        return false;
    }
    publish_window(h);
    trace_xen_hostmem_connect(f->ring_ref, f->port, f->buffer_pages);
    return true;
}

static void frontend_disconnect(XenHostmem *h)
{
    XenDevice *xendev = XEN_DEVICE(h);
    XenHostmemFrontend *f = &h->frontend;

    if (f->port || f->page) {
        trace_xen_hostmem_disconnect();
    }
    unbind_event_channel(f);
    g_clear_pointer(&f->ring, xen_hostmem_ring_free);
    if (f->buffer) {
        xen_device_unmap_grant_refs(xendev, f->buffer, f->buffer_refs,
                                    f->buffer_pages, NULL);
        f->buffer = NULL;
    }
    if (f->page) {
        xen_device_unmap_grant_refs(xendev, f->page, &f->ring_ref, 1, NULL);
        f->page = NULL;
    }
}

bool xen_hostmem_frontend_init(XenHostmem *h, Error **errp)
{
    h->frontend.evtchn = qemu_xen_evtchn_open();
    if (!h->frontend.evtchn) {
        error_setg_errno(errp, errno, "failed to open the device of event "
                         "channels");
    }
    return h->frontend.evtchn;
}

void xen_hostmem_frontend_fini(XenHostmem *h)
{
    g_clear_pointer(&h->frontend.evtchn, qemu_xen_evtchn_close);
}

/* States */

static void frontend_arrived(XenHostmem *h)
{
    XenHostmemFrontend *f = &h->frontend;

    if (f->accepting || !f->ring ||
        xen_device_backend_get_state(XEN_DEVICE(h)) != XenbusStateConnected) {
        return;
    }
    if (h->cfg.rules.grant) {
        xen_hostmem_providers_open(&h->providers);
    }
    trace_xen_hostmem_arrived(xen_hostmem_providers_name(&h->providers) ?:
                              "none");
    f->accepting = true;
    /*
     * A quarter of the buffer, so that the next requests can be written while
     * the guest maps this one.
     */
    xen_hostmem_window_arrived(h->window, buffer_nr_refs(f) / 4);
}

static void frontend_left(XenHostmem *h, bool clean)
{
    if (h->frontend.ring) {
        trace_xen_hostmem_left(clean);
        h->frontend.accepting = false;
        xen_hostmem_window_left(h->window, clean);
    }
    frontend_disconnect(h);
}

void xen_hostmem_frontend_lost(XenHostmem *h)
{
    frontend_left(h, false);
}

/* A frontend can fail to connect as often as it likes. */
static void limit_error(Error **errp)
{
    static ReportLimit limit = { .what = "xen-hostmem: failed connections" };

    error_prepend(errp, "xen-hostmem: ");
    if (!report_limit_pass(&limit)) {
        error_free(*errp);
        *errp = NULL;
    }
}

static void frontend_initialised(XenHostmem *h, Error **errp)
{
    ERRP_GUARD();
    XenDevice *xendev = XEN_DEVICE(h);

    if (xen_device_backend_get_state(xendev) == XenbusStateConnected) {
        return;
    }
    frontend_left(h, false);
    if (!frontend_connect(h, errp)) {
        limit_error(errp);
        frontend_disconnect(h);
        xen_device_backend_set_state(xendev, XenbusStateClosing);
        return;
    }
    xen_device_backend_set_state(xendev, XenbusStateConnected);
}

/*
 * The state Closed is not sufficient: the xenbus of a crash kernel sets it for
 * devices that were connected, before any driver is loaded (R19).
 */
static bool frontend_is_clean(XenHostmem *h)
{
    unsigned int unmapped;

    return xen_device_frontend_scanf(XEN_DEVICE(h), XEN_HOSTMEM_NODE_UNMAPPED,
                                     "%u", &unmapped) == 1 && unmapped == 1;
}

void xen_hostmem_frontend_changed(XenDevice *xendev, enum xenbus_state state,
                                  Error **errp)
{
    XenHostmem *h = XEN_HOSTMEM(xendev);

    switch (state) {
    case XenbusStateInitialising:
        if (h->frontend.ring) {                         /* R21 */
            warn_report_once("xen-hostmem: the frontend restarted without "
                             "closing the connection first");
            frontend_left(h, false);
            xen_device_backend_set_state(xendev, XenbusStateInitWait);
        }
        break;

    case XenbusStateInitialised:
        frontend_initialised(h, errp);
        break;

    case XenbusStateConnected:
        frontend_arrived(h);                            /* R7 */
        break;

    case XenbusStateClosing:
        h->frontend.accepting = false;                  /* R18 */
        xen_hostmem_window_leaving(h->window);
        xen_device_backend_set_state(xendev, XenbusStateClosing);
        break;

    case XenbusStateClosed:
    case XenbusStateUnknown:
        frontend_left(h, state == XenbusStateClosed && frontend_is_clean(h));
        xen_device_backend_set_state(xendev, XenbusStateClosed);
        break;

    default:
        break;
    }
}
