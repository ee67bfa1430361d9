/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the quota of granted memory
 *
 * A part of it is reserved for rings: a trapped access is slow and not atomic,
 * which bulk data can bear and a ring cannot (I5).
 */
#ifndef HW_XEN_HOSTMEM_ROOM_H
#define HW_XEN_HOSTMEM_ROOM_H

typedef struct XenHostmemRoom {
    uint64_t quota;             /* pages that may be granted at once */
    uint64_t reserved;          /* pages of them that only rings may use */
    uint64_t granted;           /* pages of all imports, also quarantined */
} XenHostmemRoom;

/**
 * xen_hostmem_room_init: nothing is granted yet
 * @quota: bytes
 * @window_size: bytes; a quota of that size or more limits nothing, so
 * nothing has to be reserved
 */
void xen_hostmem_room_init(XenHostmemRoom *room, uint64_t quota,
                           uint64_t window_size);

/**
 * xen_hostmem_room_has: may @nr_pages more pages be granted now?
 */
bool xen_hostmem_room_has(const XenHostmemRoom *room, uint64_t nr_pages,
                          bool ring);

/**
 * xen_hostmem_may_be_ring: is that memory of a ring, as far as one can tell?
 *
 * Shared memory, and small.
 */
bool xen_hostmem_may_be_ring(bool shared_memory, uint64_t nr_pages);

#endif
