/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: memory that may be gone when it is touched
 */
#ifndef HW_XEN_HOSTMEM_FAULT_H
#define HW_XEN_HOSTMEM_FAULT_H

/**
 * xen_hostmem_copy_guarded: copy up to 8 bytes from or to a blob
 *
 * A blob's memory belongs to a render server, which can truncate it, and to a
 * GPU driver, which can lose it: touching it may raise SIGBUS. The guest
 * chooses the moment, so that must not end QEMU (I4).
 *
 * 1, 2, 4 and 8 bytes at an address aligned to that are one access, as a
 * guest's rings expect.
 *
 * Returns false if the memory is gone. Any thread.
 */
bool xen_hostmem_copy_guarded(void *dst, const void *src, size_t len);

#endif
