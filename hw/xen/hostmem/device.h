/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the backend's state
 */
#ifndef HW_XEN_HOSTMEM_DEVICE_H
#define HW_XEN_HOSTMEM_DEVICE_H

#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/xen/xen-bus.h"
#include "hw/xen/xen-hostmem.h"
#include "frontend.h"
#include "hold.h"
#include "memtype.h"
#include "provider.h"
#include "trap.h"
#include "window.h"

#define TYPE_XEN_HOSTMEM "xen-hostmem"
OBJECT_DECLARE_SIMPLE_TYPE(XenHostmem, XEN_HOSTMEM)

struct XenHostmem {
    XenDevice xendev;           /* must be first */
    XenHostmemConfig cfg;
    XenHostmemHost host;
    XenHostmemWindow *window;
    XenHostmemTrap trap;
    XenHostmemProviders providers;
    XenHostmemFrontend frontend;
    XenHostmemHold hold;
    QEMUBH *bh;                 /* pumps the window */
    QEMUTimer *timer;
    bool tick_due;              /* the next run of @bh is a tick */
    bool reported[XEN_HOSTMEM_REASON__MAX]; /* reasons already logged */
};

/* core-ops.c: window operations; @opaque is the XenHostmem */
extern const XenHostmemOps xen_hostmem_core_ops;

#endif
