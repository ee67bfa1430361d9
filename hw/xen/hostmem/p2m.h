/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the tables of the guest's physical address space
 *
 * The first page that is mapped in a region of 2 MiB takes a page from the pool
 * of memory that Xen has for the guest's p2m, for ever: Xen frees a table only
 * with the domain.  Without a page for the table the guest cannot map anything
 * there.  So blobs other than rings may use at most a part of the pool (I5).
 */
#ifndef HW_XEN_HOSTMEM_P2M_H
#define HW_XEN_HOSTMEM_P2M_H

typedef struct XenHostmemP2m {
    uint64_t quota;             /* maximum of @used, for other blobs */
    uint64_t used;              /* number of regions that have been used */
    uint8_t *is_used;           /* by region */
} XenHostmemP2m;

/**
 * xen_hostmem_p2m_init: no region has been used yet, and nothing is limited
 * @window_size: bytes
 */
void xen_hostmem_p2m_init(XenHostmemP2m *p2m, uint64_t window_size);

/**
 * xen_hostmem_p2m_limit: set the size of the pool, or 0 if it is not known
 */
void xen_hostmem_p2m_limit(XenHostmemP2m *p2m, uint64_t pool_pages);
void xen_hostmem_p2m_destroy(XenHostmemP2m *p2m);

/**
 * xen_hostmem_p2m_has: may these pages of the window be mapped?
 */
bool xen_hostmem_p2m_has(const XenHostmemP2m *p2m, uint64_t offset,
                         uint64_t nr_pages, bool ring);

/**
 * xen_hostmem_p2m_use: the guest is about to map these pages of the window
 */
void xen_hostmem_p2m_use(XenHostmemP2m *p2m, uint64_t offset,
                         uint64_t nr_pages);

#endif
