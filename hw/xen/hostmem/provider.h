/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the provider of grants for dma-bufs on this host
 */
#ifndef HW_XEN_HOSTMEM_PROVIDER_H
#define HW_XEN_HOSTMEM_PROVIDER_H

typedef struct XenDmabufGranter XenDmabufGranter;

typedef struct XenHostmemProvider {
    XenDmabufGranter *granter;  /* NULL: none, or not opened yet */
    bool reported;              /* the error has been logged */
} XenHostmemProvider;

/**
 * xen_hostmem_provider_open: open a provider unless one is open
 *
 * Called repeatedly, because the kernel module may be loaded at any time.
 * Returns NULL if there is no provider, with a warning the first time.
 */
XenDmabufGranter *xen_hostmem_provider_open(XenHostmemProvider *p);
void xen_hostmem_provider_close(XenHostmemProvider *p);

/**
 * xen_hostmem_provider_name: the provider's name for messages, or NULL
 */
const char *xen_hostmem_provider_name(const XenHostmemProvider *p);

#endif
