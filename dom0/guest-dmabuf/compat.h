/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-guest-dmabuf: what differs between kernels 6.1 and newer
 *
 * Kbuild looks in the kernel's headers for what they have, and defines
 * GUEST_DMABUF_HAVE_...: stable kernels take over changes of newer ones, so a
 * version number would not tell.
 */
#ifndef GUEST_DMABUF_COMPAT_H
#define GUEST_DMABUF_COMPAT_H

#include <linux/mm.h>

/* The name that newer kernels give to zap_vma_ptes(). */
#ifdef GUEST_DMABUF_HAVE_ZAP_SPECIAL
#define guest_dmabuf_zap_range	zap_special_vma_range
#else
#define guest_dmabuf_zap_range	zap_vma_ptes
#endif

/* From 6.3 on the flags are not written directly. */
#ifdef GUEST_DMABUF_HAVE_FLAGS_MOD
#define guest_dmabuf_flags_mod	vm_flags_mod
#else
static inline void guest_dmabuf_flags_mod(struct vm_area_struct *vma,
					  vm_flags_t set, vm_flags_t clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

#endif /* GUEST_DMABUF_COMPAT_H */
