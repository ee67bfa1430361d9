/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the window as one I/O region
 */
#ifndef HW_XEN_HOSTMEM_TRAP_H
#define HW_XEN_HOSTMEM_TRAP_H

#include "compat.h"
#include "window.h"

typedef struct XenHostmemTrap {
    MemoryRegion region;
    XenHostmemWindow *window;   /* borrowed */
    uint64_t reads, writes;     /* accesses served */
    uint64_t strays;            /* accesses with no blob behind */
} XenHostmemTrap;

/**
 * xen_hostmem_trap_init: put the whole window into its BAR as one region
 *
 * One region, and so one range at Xen's ioreq server (which has 256 of them),
 * however many blobs are mapped. Each access finds its blob by offset.
 */
void xen_hostmem_trap_init(XenHostmemTrap *trap, Object *owner,
                           MemoryRegion *bar, XenHostmemWindow *window,
                           uint64_t size);
void xen_hostmem_trap_fini(XenHostmemTrap *trap, MemoryRegion *bar);

#endif
