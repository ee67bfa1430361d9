/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of xen-dmabuf-grant know of each other.
 *
 *	device.c	descriptors, handles, ioctl
 *	import.c	a dma-buf and its pages, as one import
 *	grants.c	a set of grant references
 *	dma.c		the importing struct device
 *	reaper.c	imports that outlive their descriptor
 */
#ifndef XDG_H
#define XDG_H

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/list.h>
#include <linux/types.h>
#include <xen/interface/xen.h>

#include "dmabuf-grant.h"

/* Shown in debugfs: with all three at 0 nothing is held. */
struct xdg_stats {
	atomic_t imports;	/* all of them, pending ones included */
	atomic_t references;	/* granted and not ended */
	atomic_t pending;	/* imports whose descriptor is gone */
};

extern struct xdg_stats xdg_stats;

/* References that are granted: refs[0] to refs[live - 1], in no order. */
struct xdg_grants {
	u32 *refs;
	u32 size;
	u32 live;
	u32 next;		/* where a bounded pass goes on */
};

int xdg_grants_init(struct xdg_grants *grants, u32 size);
void xdg_grants_free(struct xdg_grants *grants);
int xdg_grants_add(struct xdg_grants *grants, domid_t domid,
		   unsigned long gfn);
u32 xdg_grants_end(struct xdg_grants *grants, u32 max);

/*
 * The dma-buf stays mapped, attached and referenced for as long as any of the
 * references is live: that is what keeps the exporter from using the pages
 * for something else while the peer can still reach them.
 */
struct xdg_import {
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	struct xdg_grants grants;
	struct list_head node;	/* in the reaper's list */
};

struct xdg_import *
xdg_import_create(const struct xen_dmabuf_grant_import *req);
void xdg_import_free(struct xdg_import *imp);
void xdg_import_abandon(struct xdg_import *imp);

struct device *xdg_dma_device(void);
bool xdg_dma_to_pfn(dma_addr_t addr, unsigned long *pfn);
int xdg_dma_refusals(void);
int xdg_dma_init(void);
void xdg_dma_exit(void);

void xdg_reaper_add(struct xdg_import *imp);
void xdg_reaper_exit(void);

#endif /* XDG_H */
