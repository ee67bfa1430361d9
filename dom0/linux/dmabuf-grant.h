/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * User interface of the dmabuf-grant module: grant the pages of a dma-buf to
 * another domain, and know when that domain has let go of them.
 *
 * Every import belongs to the file descriptor of the device it was made
 * through. Closing that descriptor (also by the death of its owner) starts
 * the release of all its imports; the kernel carries it to the end.
 */
#ifndef XEN_DMABUF_GRANT_H
#define XEN_DMABUF_GRANT_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define XEN_DMABUF_GRANT_PATH "/dev/xen/dmabuf-grant"

/*
 * Grant pages of a dma-buf, read and write, to a domain.
 *
 * The module takes its own reference on the dma-buf: the caller may close
 * fd at once. All or nothing: on error no reference is left granted.
 *
 * EINVAL       domid, flags, offset or nr_pages is not valid, or the range is
 *              not within the buffer
 * EBADF        fd is not a descriptor; ENOTTY/EINVAL: not a dma-buf
 * EOPNOTSUPP   the buffer has no pages of system memory to grant
 * ENOSPC       this domain's grant table is full (gnttab_max_frames)
 * ENOMEM       no kernel memory
 * EFAULT       refs is not writable
 */
struct xen_dmabuf_grant_import {
	__s32 fd;		/* in: the dma-buf */
	__u32 domid;		/* in: the domain that may map the pages */
	__u64 offset;		/* in: bytes from the start, multiple of 4096 */
	__u32 nr_pages;		/* in: pages of 4096 bytes, 1 or more */
	__u32 flags;		/* in: 0 */
	__u64 refs;		/* in: address of nr_pages __u32; out: there */
	__u64 handle;		/* out: names the import, never 0 */
};

/*
 * End the references of an import.
 *
 * References that the peer has not mapped end at once. busy counts those that
 * it has: as long as there are any, the buffer stays referenced and the
 * handle valid, and the caller asks again when it likes. With busy 0 it is
 * proven that the peer has no mapping left; the buffer is put and the handle
 * is gone.
 *
 * ENOENT       no such handle on this descriptor
 * EINVAL       flags is not 0
 */
struct xen_dmabuf_grant_release {
	__u64 handle;		/* in */
	__u32 flags;		/* in: 0 */
	__u32 busy;		/* out: references the peer still has mapped */
};

#define XEN_DMABUF_GRANT_IMPORT \
	_IOWR('X', 0xd0, struct xen_dmabuf_grant_import)
#define XEN_DMABUF_GRANT_RELEASE \
	_IOWR('X', 0xd1, struct xen_dmabuf_grant_release)

#endif /* XEN_DMABUF_GRANT_H */
