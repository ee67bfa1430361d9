/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * User interface of the xen-guest-dmabuf module: make a dma-buf of the memory
 * of another domain, named by its frame numbers or by grant references.
 *
 * From its creation on a buffer holds the memory that it was made of: each
 * mmap() and each device sees the same pages, whatever the domain does with its
 * frame numbers afterwards, and if it ends. The buffer is an ordinary dma-buf.
 * It does not depend on the descriptor through which it was made, and the
 * memory is let go when its last user, whoever that is, lets go of it.
 */
#ifndef XEN_GUEST_DMABUF_H
#define XEN_GUEST_DMABUF_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define XEN_GUEST_DMABUF_PATH "/dev/xen/guest-dmabuf"

/*
 * The buffer may be written. Without this it is for reading only: mmap() with
 * PROT_WRITE fails with EACCES, and a device can be attached for reading only.
 * GPU drivers attach for both, so a buffer for them needs it.
 */
#define XEN_GUEST_DMABUF_WRITE	1u

/* The value of bad when no single entry is at fault */
#define XEN_GUEST_DMABUF_NO_ENTRY	0xffffffffu

/*
 * Make a dma-buf of nr_pages * 4096 bytes. It is all or nothing: on error
 * nothing is held. The descriptor has FD_CLOEXEC set.
 *
 * The list is an array of
 *   XEN_GUEST_DMABUF_FRAMES	__u64, guest frame numbers: addresses / 4096.
 *				The caller's domain needs control over the other
 *				(dom0 has it); the guest needs no driver.
 *   XEN_GUEST_DMABUF_GRANTS	__u32, grant references to this domain. The
 *				guest decides what it grants.
 * An entry may occur more than once.
 *
 * If one entry is at fault, bad is its index, otherwise it is
 * XEN_GUEST_DMABUF_NO_ENTRY. It is set if the call succeeds, too, and if it
 * fails with anything but EFAULT.
 *
 * With bad set to an entry:
 * ERANGE       no address has this frame number (2^40 or more)
 * ENXIO        the domain has no memory there: a hole, a device, or memory
 *              that is not its own; or no reference can have this number
 * EACCES       a reference that is not in use, is for another domain, or is for
 *              reading only; Xen does not say which
 * EAGAIN       the memory is swapped out by Xen; try again
 * EIO          Xen refused the entry for another reason
 *
 * Without:
 * EINVAL       domid, flags or nr_pages is not valid, or domid is this domain
 * EPERM        the descriptor is tied to another domain; or this domain has no
 *              control over the other
 * ESRCH        there is no such domain
 * EDQUOT       the domain's buffers would have more pages than one domain may
 *              (the module's parameter domain_limit)
 * ENOSPC       all buffers would have more pages than all may (total_limit);
 *              or Xen's table of mapped grants is full
 *              (gnttab_max_maptrack_frames)
 * ENOMEM       the kernel or Xen is out of memory
 * EMFILE, ENFILE  no descriptor is left
 * EFAULT       the list is not readable or the structure not writable
 */
struct xen_guest_dmabuf_create {
	__u32 domid;		/* in: the domain whose memory it is */
	__u32 flags;		/* in: XEN_GUEST_DMABUF_WRITE or 0 */
	__u64 list;		/* in: address of the array */
	__u32 nr_pages;		/* in: its number of entries, 1 or more */
	__u32 bad;		/* out */
	__s32 fd;		/* out: the dma-buf */
	__u32 reserved;		/* in: 0 */
};

/*
 * Tie the descriptor to one domain: from now on it makes buffers of no other's
 * memory. This cannot be undone.
 *
 * EINVAL       domid or flags is not valid
 * EPERM        the descriptor is tied to another domain
 */
struct xen_guest_dmabuf_restrict {
	__u32 domid;		/* in */
	__u32 flags;		/* in: 0 */
};

#define XEN_GUEST_DMABUF_FRAMES \
	_IOWR('X', 0xd8, struct xen_guest_dmabuf_create)
#define XEN_GUEST_DMABUF_GRANTS \
	_IOWR('X', 0xd9, struct xen_guest_dmabuf_create)
#define XEN_GUEST_DMABUF_RESTRICT \
	_IOW('X', 0xda, struct xen_guest_dmabuf_restrict)

#endif /* XEN_GUEST_DMABUF_H */
