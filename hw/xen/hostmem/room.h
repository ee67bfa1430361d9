/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the quota of granted memory
 *
 * A blob may be a part of a buffer, of any size: a program of the guest chooses
 * it.  The kernel pins the whole buffer as long as the guest has any page of
 * it, so each blob counts as much as its buffer.
 *
 * A part of it is reserved for rings: trapped accesses are slow and not atomic,
 * which bulk data tolerates and a ring does not (I5).
 */
#ifndef HW_XEN_HOSTMEM_ROOM_H
#define HW_XEN_HOSTMEM_ROOM_H

typedef struct XenHostmemRoom {
    uint64_t quota;             /* maximum number of pinned pages */
    uint64_t reserved;          /* part of the quota that only rings may use */
    bool covers_window;         /* the quota is as large as the window */
    uint64_t granted;           /* pages of all imports, incl. quarantined */
    uint64_t pinned;            /* pages of the buffers that those are of */
} XenHostmemRoom;

/**
 * xen_hostmem_room_init: set the quota; nothing is granted yet
 * @quota: bytes
 * @window_size: bytes; if the quota is not smaller, all blobs fit that are
 * whole buffers, and nothing needs to be reserved from those
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
 * xen_hostmem_room_has: may a blob be granted now?
 * @nr_pages: of the blob
 * @pinned: pages of its buffer
 */
bool xen_hostmem_room_has(const XenHostmemRoom *room, uint64_t nr_pages,
                          uint64_t pinned, bool ring);

/**
 * xen_hostmem_room_use: a blob has been granted
 */
void xen_hostmem_room_use(XenHostmemRoom *room, uint64_t nr_pages,
                          uint64_t pinned);

/**
 * xen_hostmem_room_return: its grants have ended
 */
void xen_hostmem_room_return(XenHostmemRoom *room, uint64_t nr_pages,
                             uint64_t pinned);

/**
 * xen_hostmem_may_be_ring: could this memory be a ring?
 *
 * True for small shared memory.
 */
bool xen_hostmem_may_be_ring(bool shared_memory, uint64_t nr_pages);

#endif
