// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-guest-dmabuf: memory that is named by frame numbers
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <xen/xen.h>

#include "driver.h"

/* Above that a page table entry has flags: 2^40 would be frame 0. */
#define GUEST_DMABUF_FRAMES_END BIT_ULL(52 - PAGE_SHIFT)

/**
 * guest_dmabuf_alloc_unpopulated() - allocate pages without memory
 * @buf: the buffer, with an array for them
 *
 * Return: 0 or a negative error code.
 */
int guest_dmabuf_alloc_unpopulated(struct guest_dmabuf *buf)
{
	return xen_alloc_unpopulated_pages(buf->nr_pages, buf->pages);
}

/**
 * guest_dmabuf_free_unpopulated() - free them
 * @buf: the buffer, which holds none of them any more
 */
void guest_dmabuf_free_unpopulated(struct guest_dmabuf *buf)
{
	xen_free_unpopulated_pages(buf->nr_pages, buf->pages);
}

/**
 * guest_dmabuf_check_frames() - can these be frame numbers?
 * @buf: the buffer
 * @gfn: the numbers of the next frames
 * @nr: how many they are
 *
 * Return: 0 or -ERANGE.
 */
int guest_dmabuf_check_frames(struct guest_dmabuf *buf, const u64 *gfn, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (gfn[i] >= GUEST_DMABUF_FRAMES_END) {
			buf->bad = buf->nr_held + i;
			return -ERANGE;
		}
	}
	return 0;
}

/**
 * guest_dmabuf_frame_error() - what an error of Xen means to the caller
 * @buf: the buffer
 * @at: index of the entry for which Xen returned it
 * @err: the error
 *
 * Return: The error as in guest-dmabuf.h.
 */
int guest_dmabuf_frame_error(struct guest_dmabuf *buf, u32 at, int err)
{
	switch (err) {
	case -EPERM:
	case -ESRCH:
	case -ENOMEM:
		return err;
	}
	buf->bad = at;
	switch (err) {
	case -EINVAL:
		return -ENXIO;
	case -ENOENT:
		return -EAGAIN;
	default:
		return -EIO;
	}
}
