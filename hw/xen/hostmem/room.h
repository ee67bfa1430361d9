/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the quota of granted memory
 *
 * A part of it is reserved for rings: trapped accesses are slow and not atomic,
 * which bulk data tolerates and a ring does not (I5).
 */
#ifndef HW_XEN_HOSTMEM_ROOM_H
#define HW_XEN_HOSTMEM_ROOM_H

typedef struct XenHostmemRoom {
    uint64_t quota;             /* maximum number of granted pages */
    uint64_t reserved;          /* part of the quota that only rings may use */
    uint64_t granted;           /* pages of all imports, incl. quarantined */
} XenHostmemRoom;

/**
 * xen_hostmem_room_init: set the quota; nothing is granted yet
 * @quota: bytes
 * @window_size: bytes; if the quota is not smaller, everything fits and nothing
 * needs to be reserved
 */
void xen_hostmem_room_init(XenHostmemRoom *room, uint64_t quota,
                           uint64_t window_size);

/**
 * xen_hostmem_room_default_quota: a quota that is safe if nobody chose one
 * @window_size: bytes
 * @table_pages: number of entries of the table that all guests share, or 0 if
 * that is not known
 *
 * Returns bytes: the size of the window, but not more than a quarter of the
 * table.
 */
uint64_t xen_hostmem_room_default_quota(uint64_t window_size,
                                        uint64_t table_pages);

/**
 * xen_hostmem_room_has: may @nr_pages more pages be granted now?
 */
bool xen_hostmem_room_has(const XenHostmemRoom *room, uint64_t nr_pages,
                          bool ring);

/**
 * xen_hostmem_may_be_ring: could this memory be a ring?
 *
 * True for small shared memory.
 */
bool xen_hostmem_may_be_ring(bool shared_memory, uint64_t nr_pages);

#endif
