/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen: dma-bufs of the guest's memory, made by the module xen-guest-dmabuf
 */
#ifndef HW_XEN_GUEST_DMABUF_H
#define HW_XEN_GUEST_DMABUF_H

#include "hw/xen/xen_backend_ops.h"

/**
 * xen_guest_dmabuf_open: open the module's device, for one guest
 *
 * Called once while QEMU has all its privileges, and by each create, because a
 * kernel module may be loaded at any time.  Returns false with *@why set to a
 * new string, unless @why is NULL.
 */
bool xen_guest_dmabuf_open(uint32_t domid, char **why);

/**
 * xen_guest_dmabuf_create: make a dma-buf of guest frames, in this order
 * @writable: devices may be attached, which GPU drivers do for reading and
 *            writing; if not, the buffer can only be read
 *
 * Returns a descriptor, which the caller closes, or -1 with *@why set to a new
 * string: the reason, and what to change.
 */
int xen_guest_dmabuf_create(uint32_t domid, const xen_pfn_t *frames,
                            uint32_t nr_pages, bool writable, char **why);

#endif
