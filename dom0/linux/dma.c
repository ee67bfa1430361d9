// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-dmabuf-grant: the device that dma-bufs are attached to
 */
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "compat.h"
#include "driver.h"

/**
 * DOC: A device without DMA
 *
 * No DMA is ever done: an import only needs to know which pages a buffer
 * consists of. The platform's own DMA operations would not tell. On a PV domain
 * swiotlb-xen replaces a segment whose machine frames are not contiguous by a
 * bounce buffer, and the peer would be granted that instead of the buffer.
 *
 * So this device has its own operations, which return every page as it is. A
 * "DMA address" of this device is the page's (pseudo-)physical address plus a
 * mark. An address without the mark was made up by the exporter in some other
 * way and names memory that has nothing to do with the buffer.
 */

/* Above every physical address that x86 can have (52 bits). */
#define DMABUF_GRANT_DMA_MARK BIT_ULL(62)

static struct device *dmabuf_grant_device;
static struct device_dma_parameters dmabuf_grant_dma_parms;

/* Calls in progress, each of another task */
static LIST_HEAD(dmabuf_grant_calls);
static DEFINE_SPINLOCK(dmabuf_grant_calls_lock);

/**
 * dmabuf_grant_dma_device() - the importing device
 *
 * Return: The device. It exists until dmabuf_grant_dma_exit().
 */
struct device *dmabuf_grant_dma_device(void)
{
	return dmabuf_grant_device;
}

/**
 * dmabuf_grant_call_begin() - watch what an exporter maps for this task
 * @call: the call
 *
 * Exporters turn a refused mapping into an error code of their own choice, for
 * example ENOMEM. Our DMA operations learn nothing of the import that they
 * work for, but an exporter maps in the context of the task that attaches.
 */
void dmabuf_grant_call_begin(struct dmabuf_grant_call *call)
{
	call->task = current;
	call->refused = false;
	spin_lock(&dmabuf_grant_calls_lock);
	list_add(&call->node, &dmabuf_grant_calls);
	spin_unlock(&dmabuf_grant_calls_lock);
}

/**
 * dmabuf_grant_call_end() - end what dmabuf_grant_call_begin() began
 * @call: the call, of this task
 *
 * Return: True if memory was refused meanwhile, because of what it is.
 */
bool dmabuf_grant_call_end(struct dmabuf_grant_call *call)
{
	spin_lock(&dmabuf_grant_calls_lock);
	list_del(&call->node);
	spin_unlock(&dmabuf_grant_calls_lock);
	return call->refused;
}

/*
 * A device's memory, and other domains' pages that are mapped here, are
 * ZONE_DEVICE or have no struct page at all. Holes and the firmware's memory
 * have a struct page that is reserved. None of this is ours to grant.
 */
static bool dmabuf_grant_pfn_is_memory(unsigned long pfn)
{
	struct page *page;

	if (!pfn_valid(pfn))
		return false;
	page = pfn_to_page(pfn);
	return !is_zone_device_page(page) && !PageReserved(page);
}

/**
 * dmabuf_grant_dma_to_pfn() - the frame behind an address of our device
 * @addr: an address from a mapped scatter list
 * @pfn: where to store the frame number; undefined on failure
 *
 * Return: True if our device made the address and it is ordinary memory.
 */
bool dmabuf_grant_dma_to_pfn(dma_addr_t addr, unsigned long *pfn)
{
	u64 phys = (u64)addr ^ DMABUF_GRANT_DMA_MARK;

	if (phys & DMABUF_GRANT_DMA_MARK)
		return false;
	*pfn = PFN_DOWN(phys);
	return dmabuf_grant_pfn_is_memory(*pfn);
}

static dma_addr_t dmabuf_grant_refuse(void)
{
	struct dmabuf_grant_call *call;

	spin_lock(&dmabuf_grant_calls_lock);
	list_for_each_entry(call, &dmabuf_grant_calls, node) {
		if (call->task == current)
			call->refused = true;
	}
	spin_unlock(&dmabuf_grant_calls_lock);
	return DMA_MAPPING_ERROR;
}

/**
 * dmabuf_grant_map_phys() - map one range of memory; see compat.h
 * @dev: our device
 * @phys: physical address
 * @size: length in bytes; the range lies within one page or one folio
 * @dir: unused
 * @attrs: with DMA_ATTR_MMIO the range is not memory
 *
 * Return: The DMA address, or DMA_MAPPING_ERROR, which this task's call notes.
 */
dma_addr_t dmabuf_grant_map_phys(struct device *dev, phys_addr_t phys,
				 size_t size, enum dma_data_direction dir,
				 unsigned long attrs)
{
	if ((attrs & DMA_ATTR_MMIO) ||
	    !dmabuf_grant_pfn_is_memory(PHYS_PFN(phys)))
		return dmabuf_grant_refuse();
	return phys | DMABUF_GRANT_DMA_MARK;
}

/**
 * dmabuf_grant_unmap_phys() - undo dmabuf_grant_map_phys(), which needs nothing
 * @dev: our device
 * @addr: DMA address
 * @size: length in bytes
 * @dir: unused
 * @attrs: unused
 */
void dmabuf_grant_unmap_phys(struct device *dev, dma_addr_t addr, size_t size,
			     enum dma_data_direction dir, unsigned long attrs)
{
}

/* Segments are neither merged nor split. */
static int dmabuf_grant_map_sg(struct device *dev, struct scatterlist *sgl,
			       int nents, enum dma_data_direction dir,
			       unsigned long attrs)
{
	struct scatterlist *sg;
	dma_addr_t addr;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		if (sg_page(sg))
			addr = dmabuf_grant_map_phys(dev, sg_phys(sg),
						     sg->length, dir, attrs);
		else
			addr = dmabuf_grant_refuse();
		if (addr == DMA_MAPPING_ERROR)
			return -EREMOTEIO;
		sg_dma_address(sg) = addr;
		sg_dma_len(sg) = sg->length;
	}
	return nents;
}

static void dmabuf_grant_unmap_sg(struct device *dev, struct scatterlist *sgl,
				  int nents, enum dma_data_direction dir,
				  unsigned long attrs)
{
}

/* No alloc, no sync: nothing is allocated for, or cached by, this device. */
static const struct dma_map_ops dmabuf_grant_dma_ops = {
	.map_sg = dmabuf_grant_map_sg,
	.unmap_sg = dmabuf_grant_unmap_sg,
	DMABUF_GRANT_MAP_OPS,
};

/**
 * dmabuf_grant_dma_init() - create the importing device
 *
 * Return: 0 or a negative error code.
 */
int dmabuf_grant_dma_init(void)
{
	struct device *dev = root_device_register("xen-dmabuf-grant");
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	set_dma_ops(dev, &dmabuf_grant_dma_ops);
	dev->dma_parms = &dmabuf_grant_dma_parms;
	dma_set_max_seg_size(dev, UINT_MAX);
	err = dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (err) {
		root_device_unregister(dev);
		return err;
	}
	dmabuf_grant_device = dev;
	return 0;
}

/**
 * dmabuf_grant_dma_exit() - remove the importing device
 *
 * Nothing is attached to it any more.
 */
void dmabuf_grant_dma_exit(void)
{
	root_device_unregister(dmabuf_grant_device);
}
