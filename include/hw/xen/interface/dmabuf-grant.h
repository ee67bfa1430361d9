/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * User interface of the dmabuf-grant module: grant the pages of a dma-buf to
 * another domain, and find out when that domain has unmapped them.
 *
 * Every import belongs to the file descriptor through which it was made. When
 * that descriptor is closed, or its owner dies, the kernel releases all of its
 * imports, however long that takes.
 */
#ifndef XEN_DMABUF_GRANT_H
#define XEN_DMABUF_GRANT_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define XEN_DMABUF_GRANT_PATH "/dev/xen/dmabuf-grant"

/*
 * Grant pages of a dma-buf to a domain, for reading and writing.
 *
 * The module takes its own reference on the dma-buf, so the caller may close
 * fd at once. It is all or nothing: on error no reference stays granted.
 *
 * EINVAL       domid, flags, offset or nr_pages is not valid, or the range is
 *              not within the buffer, or fd is not a dma-buf
 * EPERM        the descriptor is tied to another domain
 * EBADF        fd is not an open descriptor
 * EOPNOTSUPP   the buffer does not consist of whole pages of system memory, or
 *              its driver is being unbound
 * EDQUOT       the peer holds as many pages as one peer may, counting those of
 *              earlier imports that it still has mapped, whoever made them
 *              (the module's parameter peer_limit)
 * ENOBUFS      the peer would keep more memory pinned than one peer may: a
 *              buffer counts as a whole, however few of its pages are granted,
 *              until the last one is released (peer_pinned)
 * ENOSPC       this domain's grant table is full, but for what is kept for
 *              small imports of peers that have few (gnttab_max_frames)
 * ENOMEM       the kernel is out of memory
 * EFAULT       refs is not writable
 */
struct xen_dmabuf_grant_import {
	__s32 fd;		/* in: the dma-buf */
	__u32 domid;		/* in: the domain that may map the pages */
	__u64 offset;		/* in: bytes from the start, multiple of 4096 */
	__u32 nr_pages;		/* in: pages of 4096 bytes, 1 or more */
	__u32 flags;		/* in: 0 */
	__u64 refs;		/* in: address of __u32[nr_pages], filled in */
	__u64 handle;		/* out: handle of the import, never 0 */
};

/*
 * End the references of an import.
 *
 * References that the peer has not mapped end at once. busy is the number of
 * those that it has mapped. As long as it is not 0, the buffer stays referenced
 * and the handle stays valid, and the caller can try again at any time. If it
 * is 0, the peer is proven to have no mapping left: the reference on the buffer
 * is dropped and the handle is no longer valid.
 *
 * ENOENT       this descriptor has no such handle
 * EINVAL       flags is not 0
 */
struct xen_dmabuf_grant_release {
	__u64 handle;		/* in */
	__u32 flags;		/* in: 0 */
	__u32 busy;		/* out: references the peer still has mapped */
};

/*
 * Tie the descriptor to one domain: from now on it grants to no other. This
 * cannot be undone. Imports for other domains that exist already can still be
 * released.
 *
 * EINVAL       domid or flags is not valid
 * EPERM        the descriptor is tied to another domain
 */
struct xen_dmabuf_grant_restrict {
	__u32 domid;		/* in */
	__u32 flags;		/* in: 0 */
};

#define XEN_DMABUF_GRANT_IMPORT \
	_IOWR('X', 0xd0, struct xen_dmabuf_grant_import)
#define XEN_DMABUF_GRANT_RELEASE \
	_IOWR('X', 0xd1, struct xen_dmabuf_grant_release)
#define XEN_DMABUF_GRANT_RESTRICT \
	_IOW('X', 0xd2, struct xen_dmabuf_grant_restrict)

#endif /* XEN_DMABUF_GRANT_H */
