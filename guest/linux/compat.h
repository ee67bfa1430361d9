/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-hostmem: what differs between kernels 6.1 and newer
 *
 * Kbuild looks in the kernel's headers for what they have, and defines
 * HOSTMEM_HAVE_...: stable kernels take over changes of newer ones, so a
 * version number would not tell.
 */
#ifndef XEN_HOSTMEM_COMPAT_H
#define XEN_HOSTMEM_COMPAT_H

#include <linux/mm.h>
#include <xen/xenbus.h>

/* In 7.x a device that has vanished from xenstore reads as Unknown. */
static inline enum xenbus_state
hostmem_read_driver_state(const struct xenbus_device *dev, const char *path)
{
#ifdef HOSTMEM_HAVE_READ_STATE_OF_DEVICE
	return xenbus_read_driver_state(dev, path);
#else
	return xenbus_read_driver_state(path);
#endif
}

#ifndef HOSTMEM_HAVE_VM_FLAGS
static inline void vm_flags_init(struct vm_area_struct *vma,
				 unsigned long flags)
{
	vma->vm_flags = flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma,
				  unsigned long flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* Its name since 7.3 */
#ifndef HOSTMEM_HAVE_ZAP_SPECIAL
#define zap_special_vma_range	zap_vma_ptes
#endif

#endif /* XEN_HOSTMEM_COMPAT_H */
