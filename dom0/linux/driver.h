/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-dmabuf-grant: declarations shared by the driver's files
 *
 *	device.c	descriptors, handles, ioctl
 *	import.c	a dma-buf and its pages, as one import
 *	grants.c	a set of grant references
 *	peers.c		how many of them, and how much memory, a peer may hold
 *	dma.c		the importing struct device
 *	reaper.c	imports that outlive their descriptor
 *	unbind.c	drivers that are unbound
 */
#ifndef DMABUF_GRANT_DRIVER_H
#define DMABUF_GRANT_DRIVER_H

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/list.h>
#include <linux/types.h>
#include <xen/interface/xen.h>

#include "dmabuf-grant.h"

/**
 * struct dmabuf_grant_stats - what is held; shown in debugfs
 * @imports: all imports, including pending ones
 * @references: references that are granted and have not been ended
 * @pending: imports whose descriptor is gone
 * @pinned: pages of the buffers of all imports
 */
struct dmabuf_grant_stats {
	atomic_t imports;
	atomic_t references;
	atomic_t pending;
	u64 pinned;
};

extern struct dmabuf_grant_stats dmabuf_grant_stats;

/* Parts of the grant table; see peers.c */
enum dmabuf_grant_part {
	DMABUF_GRANT_SMALL,
	DMABUF_GRANT_BULK,
	DMABUF_GRANT_PARTS,
};

/**
 * struct dmabuf_grant_peer - a domain that holds pages
 * @domid: the domain
 * @held: number of pages that are granted to it, or about to be
 * @pinned: number of pages of the buffers that these are of
 */
struct dmabuf_grant_peer {
	domid_t domid;
	u64 held[DMABUF_GRANT_PARTS];
	u64 pinned;
};

/**
 * struct dmabuf_grant_charge - what one import counts for
 * @peer: the peer; valid as long as @nr_pages is not 0
 * @part: the part of the table
 * @nr_pages: number of pages
 */
struct dmabuf_grant_charge {
	struct dmabuf_grant_peer *peer;
	enum dmabuf_grant_part part;
	u32 nr_pages;
};

int dmabuf_grant_charge(struct dmabuf_grant_charge *charge, domid_t domid,
			u32 nr_pages);
void dmabuf_grant_charge_shrink(struct dmabuf_grant_charge *charge,
				u32 nr_pages);

/**
 * struct dmabuf_grant_pin - what the buffer of one import counts for
 * @peer: the peer; valid until dmabuf_grant_pin_uncharge()
 * @nr_pages: number of pages
 */
struct dmabuf_grant_pin {
	struct dmabuf_grant_peer *peer;
	u64 nr_pages;
};

int dmabuf_grant_pin_charge(struct dmabuf_grant_pin *pin, domid_t domid,
			    u64 nr_pages);
void dmabuf_grant_pin_uncharge(struct dmabuf_grant_pin *pin);
void dmabuf_grant_peers_exit(void);

/**
 * struct dmabuf_grant_refs - a set of grant references
 * @domid: the domain that may map the pages
 * @charge: what the peer is charged for: @live, and while pages are being
 *	granted those that are to come
 * @ref: the references; those from 0 to @live - 1 are granted, in any order
 * @folio: for each of them the folio that is held for it, or NULL
 * @size: number of references that fit
 * @live: number of references that are granted
 * @next: index at which a bounded pass over the references continues
 * @unheld: number of pages that could not be held
 */
struct dmabuf_grant_refs {
	domid_t domid;
	struct dmabuf_grant_charge charge;
	u32 *ref;
	struct folio **folio;
	u32 size;
	u32 live;
	u32 next;
	u32 unheld;
};

int dmabuf_grant_refs_init(struct dmabuf_grant_refs *refs, domid_t domid,
			   u32 size);
void dmabuf_grant_refs_free(struct dmabuf_grant_refs *refs);
int dmabuf_grant_refs_add(struct dmabuf_grant_refs *refs, unsigned long pfn);
u32 dmabuf_grant_refs_end(struct dmabuf_grant_refs *refs, u32 max);

/**
 * struct dmabuf_grant_import - references to pages of one dma-buf
 * @dmabuf: the dma-buf, with a reference held
 * @attach: the attachment to our device
 * @sgt: the dma-buf's pages
 * @refs: the references to some of them
 * @pin: what the peer is charged for all of them
 * @node: entry in the reaper's list
 * @all: entry in the list of all imports
 *
 * The dma-buf stays mapped, attached and referenced as long as any of the
 * references is live. This prevents the exporter from reusing the pages while
 * the peer can still access them.
 */
struct dmabuf_grant_import {
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	struct dmabuf_grant_refs refs;
	struct dmabuf_grant_pin pin;
	struct list_head node;
	struct list_head all;
};

struct dmabuf_grant_import *
dmabuf_grant_import_create(const struct xen_dmabuf_grant_import *req);
void dmabuf_grant_import_free(struct dmabuf_grant_import *imp);
void dmabuf_grant_import_abandon(struct dmabuf_grant_import *imp);

/**
 * struct dmabuf_grant_call - an exporter is being called
 * @node: entry in the list of such calls
 * @task: the task that calls it
 * @refused: it tried to map something that cannot be granted
 */
struct dmabuf_grant_call {
	struct list_head node;
	struct task_struct *task;
	bool refused;
};

void dmabuf_grant_call_begin(struct dmabuf_grant_call *call);
bool dmabuf_grant_call_end(struct dmabuf_grant_call *call);
struct device *dmabuf_grant_dma_device(void);
bool dmabuf_grant_dma_to_pfn(dma_addr_t addr, unsigned long *pfn);
int dmabuf_grant_dma_init(void);
void dmabuf_grant_dma_exit(void);

void dmabuf_grant_reaper_add(struct dmabuf_grant_import *imp);
void dmabuf_grant_reaper_exit(void);

int dmabuf_grant_unbind_add(struct dmabuf_grant_import *imp);
void dmabuf_grant_unbind_del(struct dmabuf_grant_import *imp);
int dmabuf_grant_unbind_init(void);
void dmabuf_grant_unbind_exit(void);

#endif /* DMABUF_GRANT_DRIVER_H */
