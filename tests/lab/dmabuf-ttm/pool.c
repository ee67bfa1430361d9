// SPDX-License-Identifier: GPL-2.0-only
/*
 * lab-dmabuf-ttm: blocks of pages
 *
 * As in TTM's ttm_pool.c, cached blocks are the page allocator's. Those that are
 * write-combined, or the DMA API's, go to a pool when they are freed, are cleared
 * there, and the one that was freed last is used first. Blocks of several pages
 * are no compound pages: only the first one has a reference count.
 */
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/set_memory.h>

#include "ttm.h"

#define LAB_TTM_KINDS (LAB_TTM_WC | LAB_TTM_DMA_ALLOC)

static LIST_HEAD(lab_ttm_pool);
static DEFINE_MUTEX(lab_ttm_pool_lock);

static size_t lab_ttm_block_size(const struct lab_ttm_block *block)
{
	return PAGE_SIZE << block->order;
}

static struct lab_ttm_block *lab_ttm_pool_take(u32 flags, unsigned int order)
{
	struct lab_ttm_block *block;

	list_for_each_entry(block, &lab_ttm_pool, node) {
		if (block->flags == flags && block->order == order) {
			list_del(&block->node);
			return block;
		}
	}
	return NULL;
}

static void *lab_ttm_block_alloc(struct device *dev,
				 struct lab_ttm_block *block)
{
	gfp_t gfp = GFP_USER | __GFP_ZERO;
	unsigned long attrs = DMA_ATTR_FORCE_CONTIGUOUS;

	if (block->order) {
		gfp |= __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN;
		attrs |= DMA_ATTR_NO_WARN;
	}
	if (block->flags & LAB_TTM_DMA_ALLOC)
		return dma_alloc_attrs(dev, lab_ttm_block_size(block),
				       &block->addr, gfp, attrs);
	block->page = alloc_pages(gfp, block->order);
	return block->page ? page_address(block->page) : NULL;
}

static void lab_ttm_block_free(struct device *dev, struct lab_ttm_block *block)
{
	unsigned long attrs = DMA_ATTR_FORCE_CONTIGUOUS;

	if (block->flags & LAB_TTM_WC)
		set_memory_wb((unsigned long)page_address(block->page),
			      1 << block->order);
	if (block->flags & LAB_TTM_DMA_ALLOC)
		dma_free_attrs(dev, lab_ttm_block_size(block), block->vaddr,
			       block->addr, attrs);
	else
		__free_pages(block->page, block->order);
	kfree(block);
}

static struct lab_ttm_block *lab_ttm_block_new(struct device *dev, u32 flags,
					       unsigned int order)
{
	struct lab_ttm_block *block = kzalloc(sizeof(*block), GFP_KERNEL);

	if (!block)
		return NULL;
	block->order = order;
	block->flags = flags;
	block->vaddr = lab_ttm_block_alloc(dev, block);
	if (!block->vaddr) {
		kfree(block);
		return NULL;
	}
	if (is_vmalloc_addr(block->vaddr))
		block->page = vmalloc_to_page(block->vaddr);
	else
		block->page = virt_to_page(block->vaddr);
	if (flags & LAB_TTM_WC &&
	    set_memory_wc((unsigned long)page_address(block->page),
			  1 << order)) {
		block->flags &= ~LAB_TTM_WC;
		lab_ttm_block_free(dev, block);
		return NULL;
	}
	return block;
}

/**
 * lab_ttm_block_get() - a block, from the pool if there is one
 * @dev: the device that it is for
 * @flags: of the buffer
 * @order: 1 << order pages
 *
 * Return: The block, or NULL.
 */
struct lab_ttm_block *lab_ttm_block_get(struct device *dev, u32 flags,
					unsigned int order)
{
	struct lab_ttm_block *block;

	flags &= LAB_TTM_KINDS;
	mutex_lock(&lab_ttm_pool_lock);
	block = lab_ttm_pool_take(flags, order);
	mutex_unlock(&lab_ttm_pool_lock);
	return block ?: lab_ttm_block_new(dev, flags, order);
}

/**
 * lab_ttm_block_put() - to the pool, or to the page allocator
 * @dev: the device that it was for
 * @block: the block, whoever still has its pages mapped
 */
void lab_ttm_block_put(struct device *dev, struct lab_ttm_block *block)
{
	if (!block->flags) {
		lab_ttm_block_free(dev, block);
		return;
	}
	memset(page_address(block->page), 0, lab_ttm_block_size(block));
	mutex_lock(&lab_ttm_pool_lock);
	list_add(&block->node, &lab_ttm_pool);
	mutex_unlock(&lab_ttm_pool_lock);
}

/**
 * lab_ttm_pool_empty() - free all that is in the pool
 * @dev: the device that it was for
 */
void lab_ttm_pool_empty(struct device *dev)
{
	struct lab_ttm_block *block, *next;

	mutex_lock(&lab_ttm_pool_lock);
	list_for_each_entry_safe(block, next, &lab_ttm_pool, node) {
		list_del(&block->node);
		lab_ttm_block_free(dev, block);
	}
	mutex_unlock(&lab_ttm_pool_lock);
}
