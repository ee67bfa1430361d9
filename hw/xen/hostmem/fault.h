/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: access to memory that may disappear
 */
#ifndef HW_XEN_HOSTMEM_FAULT_H
#define HW_XEN_HOSTMEM_FAULT_H

/**
 * xen_hostmem_copy_guarded: copy up to 8 bytes from or to a blob
 *
 * The memory of a blob belongs to a render server, which can truncate it, or to
 * a GPU driver, which can invalidate it, so an access may raise SIGBUS. The
 * guest can trigger such an access: it must not terminate QEMU (I4).
 *
 * Naturally aligned copies of 1, 2, 4 and 8 bytes are a single access, as rings
 * in the guest require.
 *
 * Returns false if the memory is gone. May be called from any thread.
 */
bool xen_hostmem_copy_guarded(void *dst, const void *src, size_t len);

#endif
