/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the tables of the guest's physical address space
 */

#include "qemu/osdep.h"
#include "ring.h"
#include "p2m.h"

#define REGION_SHIFT    21
/* Part of the pool that is left to rings and to the guest's own memory. */
#define KEPT_SHARE      2

void xen_hostmem_p2m_init(XenHostmemP2m *p2m, uint64_t window_size)
{
    *p2m = (XenHostmemP2m) {
        .quota = UINT64_MAX,
        .is_used = g_new0(uint8_t, (window_size >> REGION_SHIFT) + 1),
    };
}

void xen_hostmem_p2m_limit(XenHostmemP2m *p2m, uint64_t pool_pages)
{
    p2m->quota = pool_pages ? pool_pages - pool_pages / KEPT_SHARE : UINT64_MAX;
}

void xen_hostmem_p2m_destroy(XenHostmemP2m *p2m)
{
    g_free(p2m->is_used);
}

static uint64_t first_region(uint64_t offset)
{
    return offset >> REGION_SHIFT;
}

static uint64_t last_region(uint64_t offset, uint64_t nr_pages)
{
    return (offset + (nr_pages << XEN_HOSTMEM_PAGE_SHIFT) - 1) >> REGION_SHIFT;
}

bool xen_hostmem_p2m_has(const XenHostmemP2m *p2m, uint64_t offset,
                         uint64_t nr_pages, bool ring)
{
    uint64_t last = last_region(offset, nr_pages), more = 0;

    if (ring || p2m->quota == UINT64_MAX) {
        return true;
    }
    for (uint64_t i = first_region(offset); i <= last; i++) {
        more += !p2m->is_used[i];
    }
    return !more || p2m->used + more <= p2m->quota;
}

void xen_hostmem_p2m_use(XenHostmemP2m *p2m, uint64_t offset, uint64_t nr_pages)
{
    uint64_t last = last_region(offset, nr_pages);

    for (uint64_t i = first_region(offset); i <= last; i++) {
        p2m->used += !p2m->is_used[i];
        p2m->is_used[i] = true;
    }
}
