/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the ranges of a window
 *
 * Two kinds of mappings occupy a range: those that are placed (all but WAITING
 * ones), and those that the GPU device wants (WAITING or placed, but not being
 * unmapped).  Within one kind, ranges never overlap.  A WAITING mapping
 * overlaps placed ones that are being unmapped; it waits for one of them at a
 * time, so that the end of a mapping costs nothing for those that wait for
 * others.
 */
#ifndef HW_XEN_HOSTMEM_RANGES_H
#define HW_XEN_HOSTMEM_RANGES_H

#include "mapping.h"

typedef struct XenHostmemRanges {
    GTree *placed, *wanted;     /* by range */
    GQueue freed;               /* WAITING; what each waited for is gone */
} XenHostmemRanges;

void xen_hostmem_ranges_init(XenHostmemRanges *r);
void xen_hostmem_ranges_destroy(XenHostmemRanges *r);

/**
 * xen_hostmem_ranges_find: find a placed mapping in a range
 *
 * Returns any of them if there are several, NULL if there is none.
 */
XenHostmemMapping *xen_hostmem_ranges_find(const XenHostmemRanges *r,
                                           XenHostmemRange range);

/**
 * xen_hostmem_ranges_is_taken: is a wanted mapping in the range?
 */
bool xen_hostmem_ranges_is_taken(const XenHostmemRanges *r,
                                 XenHostmemRange range);

/**
 * xen_hostmem_ranges_add: add a wanted mapping, whose range is not taken
 */
void xen_hostmem_ranges_add(XenHostmemRanges *r, XenHostmemMapping *m);

/**
 * xen_hostmem_ranges_place: place a wanted mapping
 *
 * Returns false, and makes it wait, if a placed mapping is in its range.
 */
bool xen_hostmem_ranges_place(XenHostmemRanges *r, XenHostmemMapping *m);

/**
 * xen_hostmem_ranges_place_freed: place a mapping that has waited
 *
 * Returns NULL if none can be placed.
 */
XenHostmemMapping *xen_hostmem_ranges_place_freed(XenHostmemRanges *r);

/**
 * xen_hostmem_ranges_unwant: the GPU device does not want it any more
 */
void xen_hostmem_ranges_unwant(XenHostmemRanges *r, XenHostmemMapping *m);

/**
 * xen_hostmem_ranges_remove: remove a placed or waiting mapping
 *
 * Returns true if xen_hostmem_ranges_place_freed() has something to do.
 */
bool xen_hostmem_ranges_remove(XenHostmemRanges *r, XenHostmemMapping *m);

/* The placed mappings in order: a copy, for loops that may remove some. */
GPtrArray *xen_hostmem_ranges_list(const XenHostmemRanges *r);

/* The number of placed mappings. */
unsigned xen_hostmem_ranges_placed(const XenHostmemRanges *r);

#endif
