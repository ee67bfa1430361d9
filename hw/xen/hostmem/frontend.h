/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the connection to the guest's driver
 */
#ifndef HW_XEN_HOSTMEM_FRONTEND_H
#define HW_XEN_HOSTMEM_FRONTEND_H

#include "hw/xen/xen-bus.h"
#include "ring.h"

typedef struct XenHostmem XenHostmem;

/* Only valid while a frontend is connected. */
typedef struct XenHostmemFrontend {
    XenEventChannel *event_channel;
    uint32_t ring_ref;
    void *page;
    uint32_t buffer_refs[XEN_HOSTMEM_MAX_GREF_PAGES];
    uint32_t buffer_pages;
    uint32_t *buffer;
    XenHostmemRing *ring;
    bool accepting;             /* it accepts requests */
} XenHostmemFrontend;

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
