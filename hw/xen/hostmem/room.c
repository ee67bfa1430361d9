/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the quota of granted memory
 */

#include "qemu/osdep.h"
#include "ring.h"
#include "room.h"

/* Larger blobs are not rings. */
#define RING_MAX_PAGES          1024
/* Reserved for rings: an eighth of the quota, but not more than 16 MiB. */
#define RESERVED_SHARE          8
#define RESERVED_MAX_PAGES      4096
/* Part of the grant table that one guest may have by default. */
#define TABLE_SHARE             4

void xen_hostmem_room_init(XenHostmemRoom *room, uint64_t quota,
                           uint64_t window_size)
{
    *room = (XenHostmemRoom) {
        .quota = quota >> XEN_HOSTMEM_PAGE_SHIFT,
        .covers_window = quota >= window_size,
    };
    room->reserved = MIN(room->quota / RESERVED_SHARE, RESERVED_MAX_PAGES);
}

uint64_t xen_hostmem_room_default_quota(uint64_t window_size,
                                        uint64_t table_pages)
{
    uint64_t share = table_pages / TABLE_SHARE;

    if (!share || share > window_size >> XEN_HOSTMEM_PAGE_SHIFT) {
        return window_size;
    }
    return share << XEN_HOSTMEM_PAGE_SHIFT;
}

/*
 * Rings are whole buffers.  If all blobs are, and the quota is as large as the
 * window, there is room for each ring that has a place there.
 */
static bool needs_reserve(const XenHostmemRoom *room, uint64_t nr_pages,
                          uint64_t pinned)
{
    return !room->covers_window || pinned > nr_pages ||
           room->pinned > room->granted;
}

bool xen_hostmem_room_has(const XenHostmemRoom *room, uint64_t nr_pages,
                          uint64_t pinned, bool ring)
{
    bool reserve = !ring && needs_reserve(room, nr_pages, pinned);
    uint64_t quota = room->quota - (reserve ? room->reserved : 0);

    return room->pinned <= quota && pinned <= quota - room->pinned;
}

void xen_hostmem_room_use(XenHostmemRoom *room, uint64_t nr_pages,
                          uint64_t pinned)
{
    room->granted += nr_pages;
    room->pinned += pinned;
}

void xen_hostmem_room_return(XenHostmemRoom *room, uint64_t nr_pages,
                             uint64_t pinned)
{
    room->granted -= nr_pages;
    room->pinned -= pinned;
}

bool xen_hostmem_may_be_ring(bool shared_memory, uint64_t nr_pages)
{
    return shared_memory && nr_pages <= RING_MAX_PAGES;
}
