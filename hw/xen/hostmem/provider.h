/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the providers of grants for dma-bufs on this host
 */
#ifndef HW_XEN_HOSTMEM_PROVIDER_H
#define HW_XEN_HOSTMEM_PROVIDER_H

#include "qapi/qapi-types-xen-hostmem.h"

typedef struct XenDmabufGranter XenDmabufGranter;

/*
 * With gntdev, both may be open: what gntdev has granted before the module was
 * loaded is released by gntdev.
 */
typedef struct XenHostmemProviders {
    XenHostmemProvider choice;
    uint32_t domid;             /* the guest */
    XenDmabufGranter *module;   /* NULL: not there, or not opened yet */
    XenDmabufGranter *gntdev;   /* the same */
    unsigned int reported;      /* bits: problems that have been logged */
} XenHostmemProviders;

/**
 * xen_hostmem_providers_open: open the best provider that may be used
 *
 * Called once while QEMU has all its privileges, and by each import, because a
 * kernel module may be loaded at any time.  Returns 0 or a negative errno,
 * -ENOSYS if there is none.  Each kind of problem is logged once.
 */
int xen_hostmem_providers_open(XenHostmemProviders *p);
void xen_hostmem_providers_close(XenHostmemProviders *p);

/**
 * xen_hostmem_providers_name: the name of the one in use, or NULL
 */
const char *xen_hostmem_providers_name(const XenHostmemProviders *p);

/**
 * xen_hostmem_providers_import: see XenHostmemOps.import
 */
int xen_hostmem_providers_import(XenHostmemProviders *p, int dmabuf,
                                 uint32_t nr_pages, uint32_t *refs,
                                 uint64_t *handle);

/**
 * xen_hostmem_providers_release: see XenHostmemOps.release
 */
int xen_hostmem_providers_release(XenHostmemProviders *p, uint64_t handle,
                                  bool confirmed);

#endif
