/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the backend's state, shared by device.c and client.c
 */
#ifndef HW_XEN_HOSTMEM_DEVICE_H
#define HW_XEN_HOSTMEM_DEVICE_H

#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/xen/xen-bus.h"
#include "hw/xen/xen-dmabuf-grant.h"
#include "hw/xen/xen-hostmem.h"
#include "trap.h"

#define TYPE_XEN_HOSTMEM "xen-hostmem"
OBJECT_DECLARE_SIMPLE_TYPE(XenHostmem, XEN_HOSTMEM)

struct XenHostmem {
    XenDevice xendev;           /* must be first */
    XenHostmemConfig cfg;
    XenHostmemWindow *window;
    XenHostmemTrap trap;
    XenDmabufGranter *granter;  /* NULL: none, or not yet looked for */
    QEMUBH *bh;
    QEMUTimer *timer;
    bool told_provider;         /* what is wrong with it is in the log */
    bool told[XEN_HOSTMEM_REASON__MAX]; /* reasons that are in the log */

    /* While a frontend is connected: */
    XenEventChannel *event_channel;
    uint32_t ring_ref;
    void *page;
    uint32_t buffer_refs[XEN_HOSTMEM_MAX_GREF_PAGES];
    uint32_t buffer_pages;
    uint32_t *buffer;
    XenHostmemRing *ring;
    bool taking;                /* it takes requests */
};

/**
 * xen_hostmem_open_provider: look for what grants dma-bufs, if there is none
 *
 * A module may have been loaded since the last time.
 */
void xen_hostmem_open_provider(XenHostmem *h);

/* Undoes what xen_hostmem_new() did beside realizing the device. */
void xen_hostmem_fini(XenHostmem *h);

#endif
