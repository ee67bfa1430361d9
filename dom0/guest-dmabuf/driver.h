/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-guest-dmabuf: declarations shared by the driver's files
 *
 *	device.c	descriptors, ioctl
 *	buffer.c	a buffer, and its dma-buf
 *	limits.c	how many pages each domain's buffers may have
 *	view.c		mappings of a buffer for the CPU
 *	pv.c		frames of another domain, in a PV domain
 *	translated.c	the same in any other domain
 *	frames.c	what pv.c and translated.c have in common
 *	grants.c	pages that another domain has granted
 */
#ifndef GUEST_DMABUF_DRIVER_H
#define GUEST_DMABUF_DRIVER_H

#include <linux/atomic.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <xen/interface/grant_table.h>
#include <xen/interface/xen.h>

#include "guest-dmabuf.h"

/* Entries of a list that are handled at once; arrays of it are on the stack. */
#define GUEST_DMABUF_BATCH 32

/**
 * struct guest_dmabuf_stats - what there is; shown in debugfs
 * @buffers: buffers
 * @pages: pages that are held for them
 * @attachments: mappings of them for devices
 * @views: mappings of them for the CPU
 * @lost: pages that Xen did not let go; should be 0
 */
struct guest_dmabuf_stats {
	atomic_t buffers;
	atomic_t pages;
	atomic_t attachments;
	atomic_t views;
	atomic_t lost;
};

extern struct guest_dmabuf_stats guest_dmabuf_stats;

struct dma_buf;
struct guest_dmabuf;

/**
 * struct guest_dmabuf_source - a way to get hold of another domain's memory
 * @entry_size: size in bytes of an entry of the list
 * @alloc: allocate @pages of the buffer, behind which there is no memory yet
 * @free: free them; none is held any more
 * @hold: put memory behind the next @nr of them, those from @nr_held on, and
 *	count them in @nr_held. Return 0 or an error as in guest-dmabuf.h. If it
 *	is one entry's fault, @bad is set to its index. If there may be memory
 *	behind others that are not counted, @lost is set.
 * @release: let go of the @nr pages from @first on. If any of them cannot be
 *	used again, @lost is set.
 */
struct guest_dmabuf_source {
	size_t entry_size;
	int (*alloc)(struct guest_dmabuf *buf);
	void (*free)(struct guest_dmabuf *buf);
	int (*hold)(struct guest_dmabuf *buf, const void *list, u32 nr);
	void (*release)(struct guest_dmabuf *buf, u32 first, u32 nr);
};

/**
 * struct guest_dmabuf - memory of another domain
 * @source: how it is held
 * @domid: the domain
 * @write: it may be written
 * @lost: its pages cannot be used again: there may still be memory behind them
 * @bad: index of the entry at fault, or XEN_GUEST_DMABUF_NO_ENTRY
 * @nr_pages: number of pages
 * @nr_held: number of those at the front behind which there is memory
 * @pages: the pages, which belong to this domain's address space only
 * @handles: of each page that is granted, Xen's handle; otherwise NULL
 */
struct guest_dmabuf {
	const struct guest_dmabuf_source *source;
	domid_t domid;
	bool write;
	bool lost;
	u32 bad;
	u32 nr_pages;
	u32 nr_held;
	struct page **pages;
	grant_handle_t *handles;
};

struct dma_buf *guest_dmabuf_create(const struct guest_dmabuf_source *source,
				    struct xen_guest_dmabuf_create *req);

int guest_dmabuf_alloc_unpopulated(struct guest_dmabuf *buf);
void guest_dmabuf_free_unpopulated(struct guest_dmabuf *buf);
int guest_dmabuf_check_frames(struct guest_dmabuf *buf, const u64 *gfn, u32 nr);
int guest_dmabuf_frame_error(struct guest_dmabuf *buf, u32 at, int err);

int guest_dmabuf_charge(domid_t domid, u32 nr_pages);
void guest_dmabuf_uncharge(domid_t domid, u32 nr_pages);
void guest_dmabuf_limits_exit(void);

int guest_dmabuf_view(struct guest_dmabuf *buf, struct vm_area_struct *vma);

extern const struct guest_dmabuf_source guest_dmabuf_grants;
extern const struct guest_dmabuf_source guest_dmabuf_translated;

#ifdef CONFIG_XEN_PV
extern const struct guest_dmabuf_source guest_dmabuf_pv;
#endif

#endif /* GUEST_DMABUF_DRIVER_H */
