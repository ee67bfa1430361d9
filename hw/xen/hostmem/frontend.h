/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the connection to the guest's driver
 */
#ifndef HW_XEN_HOSTMEM_FRONTEND_H
#define HW_XEN_HOSTMEM_FRONTEND_H

#include "hw/xen/xen-bus.h"
#include "hw/xen/xen_backend_ops.h"
#include "ring.h"

typedef struct XenHostmem XenHostmem;

typedef struct XenHostmemFrontend {
    xenevtchn_handle *evtchn;
    /* Only valid while a frontend is connected: */
    uint32_t port;              /* our end of the event channel; 0: none */
    uint32_t ring_ref;
    void *page;
    uint32_t buffer_refs[XEN_HOSTMEM_MAX_GREF_PAGES];
    uint32_t buffer_pages;
    uint32_t *buffer;
    XenHostmemRing *ring;
    bool accepting;             /* it accepts requests */
} XenHostmemFrontend;

/**
 * xen_hostmem_frontend_init: open what a connection will need
 *
 * While QEMU has all its privileges: it may change to another user before a
 * frontend connects.
 */
bool xen_hostmem_frontend_init(XenHostmem *h, Error **errp);
void xen_hostmem_frontend_fini(XenHostmem *h);

/* XenDeviceClass.frontend_changed; see docs/specs/xen-hostmem.rst. */
void xen_hostmem_frontend_changed(XenDevice *xendev, enum xenbus_state state,
                                  Error **errp);

/**
 * xen_hostmem_frontend_push: make posted requests visible, notify the frontend
 */
void xen_hostmem_frontend_push(XenHostmem *h);

/**
 * xen_hostmem_frontend_lost: the frontend is gone and has not closed (R21)
 */
void xen_hostmem_frontend_lost(XenHostmem *h);

#endif
