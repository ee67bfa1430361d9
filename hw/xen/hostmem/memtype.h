/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: which memory types can be granted
 *
 * A blob's memory type is the one that the guest is told to map it with; the
 * owner of the memory has chosen it.  What the guest gets is up to the CPU and
 * to Xen, so a blob that is not cached may only be granted where the guest's
 * choice counts (R26).
 */
#ifndef HW_XEN_HOSTMEM_MEMTYPE_H
#define HW_XEN_HOSTMEM_MEMTYPE_H

#include "qapi/qapi-types-common.h"
#include "qapi/qapi-types-xen-hostmem.h"

/* What decides the memory type of a granted page in the guest. */
typedef struct XenHostmemHost {
    char cpu[13];               /* the CPU's vendor as in CPUID; may be empty */
    XenHostmemPaging paging;
} XenHostmemHost;

/**
 * xen_hostmem_host_probe: find out what decides memory types
 * @domid: the guest
 *
 * What cannot be found out is "unknown".
 */
void xen_hostmem_host_probe(XenHostmemHost *host, uint32_t domid);

/**
 * xen_hostmem_memtype_reason: decide whether a blob may be granted
 * @wc: value of the property xen-hostmem-wc
 * @type: of the blob
 *
 * Returns %XEN_HOSTMEM_REASON_NONE, or why it has to be trapped.
 */
XenHostmemReason xen_hostmem_memtype_reason(const XenHostmemHost *host,
                                            OnOffAuto wc,
                                            XenHostmemMemoryType type);

/**
 * xen_hostmem_memtype_warning: what to say of the host when the device starts
 * @wc: value of the property xen-hostmem-wc
 *
 * Only the administrator may know what this host does, and should hear of it
 * before a blob needs it.
 *
 * Returns a text that the caller frees, or %NULL if the host is known.
 */
char *xen_hostmem_memtype_warning(const XenHostmemHost *host, OnOffAuto wc);

#endif
