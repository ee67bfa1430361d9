// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device that dma-bufs are attached to.
 *
 * No DMA is ever done: an import only wants to know which pages a buffer
 * consists of. On a PV domain the platform's own DMA operations
 * (swiotlb-xen) replace a segment whose machine frames are not contiguous by
 * a bounce buffer, and the peer would be granted that instead of the buffer.
 * So this device has operations of its own, which hand back every page as it
 * is. A "DMA address" of this device is the page's (pseudo-)physical address
 * plus a mark. The mark tells it from an address that an exporter made up by
 * other means, which would name memory that has nothing to do with the
 * buffer.
 */
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/scatterlist.h>

#include "xdg.h"

/* Above every physical address x86 can have (52 bits). */
#define XDG_DMA_MARK BIT_ULL(62)

static struct device *xdg_device;
static struct device_dma_parameters xdg_dma_parms;
static atomic_t xdg_refusals = ATOMIC_INIT(0);

struct device *xdg_dma_device(void)
{
	return xdg_device;
}

/*
 * Exporters turn a refused mapping into error codes of their own choice,
 * ENOMEM among them. If this count moved during a failed import, the buffer
 * was refused for what it is. (With several imports at once one may read
 * another's refusal: it failed all the same.)
 */
int xdg_dma_refusals(void)
{
	return atomic_read(&xdg_refusals);
}

/*
 * Memory of a device, or other domains' pages that are mapped here, is
 * ZONE_DEVICE or has no struct page at all. Holes and firmware's memory have
 * one that is reserved. None of that is ours to grant.
 */
static bool xdg_page_is_memory(struct page *page)
{
	return page && !is_zone_device_page(page) && !PageReserved(page);
}

bool xdg_dma_to_pfn(dma_addr_t addr, unsigned long *pfn)
{
	u64 phys = (u64)addr ^ XDG_DMA_MARK;

	if (phys & XDG_DMA_MARK)
		return false;
	*pfn = PFN_DOWN(phys);
	return pfn_valid(*pfn) && xdg_page_is_memory(pfn_to_page(*pfn));
}

static dma_addr_t xdg_map_page(struct device *dev, struct page *page,
			       unsigned long offset, size_t size,
			       enum dma_data_direction dir,
			       unsigned long attrs)
{
	if (!xdg_page_is_memory(page)) {
		atomic_inc(&xdg_refusals);
		return DMA_MAPPING_ERROR;
	}
	return (page_to_phys(page) + offset) | XDG_DMA_MARK;
}

static void xdg_unmap_page(struct device *dev, dma_addr_t addr, size_t size,
			   enum dma_data_direction dir, unsigned long attrs)
{
}

/* Segments are neither merged nor split. */
static int xdg_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		dma_addr_t addr = xdg_map_page(dev, sg_page(sg), sg->offset,
					       sg->length, dir, attrs);

		if (addr == DMA_MAPPING_ERROR)
			return -EREMOTEIO;
		sg_dma_address(sg) = addr;
		sg_dma_len(sg) = sg->length;
	}
	return nents;
}

static void xdg_unmap_sg(struct device *dev, struct scatterlist *sgl,
			 int nents, enum dma_data_direction dir,
			 unsigned long attrs)
{
}

/* Device memory by its address: refused, and counted as such. */
static dma_addr_t xdg_map_resource(struct device *dev, phys_addr_t addr,
				   size_t size, enum dma_data_direction dir,
				   unsigned long attrs)
{
	atomic_inc(&xdg_refusals);
	return DMA_MAPPING_ERROR;
}

/* No alloc, no sync: nothing is allocated for, or cached by, this device. */
static const struct dma_map_ops xdg_dma_ops = {
	.map_page = xdg_map_page,
	.unmap_page = xdg_unmap_page,
	.map_sg = xdg_map_sg,
	.unmap_sg = xdg_unmap_sg,
	.map_resource = xdg_map_resource,
};

int xdg_dma_init(void)
{
	struct device *dev = root_device_register("xen-dmabuf-grant");
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	set_dma_ops(dev, &xdg_dma_ops);
	dev->dma_parms = &xdg_dma_parms;
	dma_set_max_seg_size(dev, UINT_MAX);
	err = dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (err) {
		root_device_unregister(dev);
		return err;
	}
	xdg_device = dev;
	return 0;
}

void xdg_dma_exit(void)
{
	root_device_unregister(xdg_device);
}
