/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: what grants dma-bufs on this host
 */
#ifndef HW_XEN_HOSTMEM_PROVIDER_H
#define HW_XEN_HOSTMEM_PROVIDER_H

typedef struct XenDmabufGranter XenDmabufGranter;

typedef struct XenHostmemProvider {
    XenDmabufGranter *granter;  /* NULL: none, or not yet looked for */
    bool told;                  /* what is wrong with it is in the log */
} XenHostmemProvider;

/**
 * xen_hostmem_provider_open: look for a provider, if there is none yet
 *
 * A kernel module may have been loaded since the last time.  Returns NULL, and
 * warns the first time, if there is none.
 */
XenDmabufGranter *xen_hostmem_provider_open(XenHostmemProvider *p);
void xen_hostmem_provider_close(XenHostmemProvider *p);

/**
 * xen_hostmem_provider_name: its name, for a person, or NULL
 */
const char *xen_hostmem_provider_name(const XenHostmemProvider *p);

#endif
