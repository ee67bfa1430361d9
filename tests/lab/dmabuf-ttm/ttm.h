/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lab-dmabuf-ttm: declarations shared by the module's files
 *
 *	device.c	the driver, and its ioctls
 *	buffer.c	buffers, and what importers see of them
 *	pool.c		blocks of pages
 */
#ifndef LAB_TTM_H
#define LAB_TTM_H

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/types.h>

#include "lab-dmabuf-ttm.h"

#define LAB_TTM_MAX_ORDER 9	/* 2 MiB */

/* A number of pages that were allocated as one */
struct lab_ttm_block {
	struct list_head node;
	struct page *page;
	unsigned int order;
	u32 flags;		/* LAB_TTM_WC, LAB_TTM_DMA_ALLOC */
	void *vaddr;
	dma_addr_t addr;	/* with LAB_TTM_DMA_ALLOC */
};

struct lab_ttm_block *lab_ttm_block_get(struct device *dev, u32 flags,
					unsigned int order);
void lab_ttm_block_put(struct device *dev, struct lab_ttm_block *block);
void lab_ttm_pool_empty(struct device *dev);

int lab_ttm_buffer_export(struct device *dev, u32 nr_pages, u32 flags);
int lab_ttm_buffer_move(int fd);
int lab_ttm_buffer_frame(int fd, u32 page, u64 *frame);
void lab_ttm_buffers_unpopulate(void);

#endif /* LAB_TTM_H */
