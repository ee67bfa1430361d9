/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-dmabuf-grant: what differs between kernels 6.1 and newer
 *
 * Kbuild looks in the kernel's headers for what they have, and defines
 * DMABUF_GRANT_HAVE_...: stable kernels take over changes of newer ones, so a
 * version number would not tell.
 */
#ifndef DMABUF_GRANT_COMPAT_H
#define DMABUF_GRANT_COMPAT_H

#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/workqueue.h>

/*
 * From 6.2 on the importer of a dma-buf takes its reservation lock. Before
 * that the exporter might.
 */
#ifdef DMABUF_GRANT_HAVE_UNLOCKED
#define dmabuf_grant_map_attachment	dma_buf_map_attachment_unlocked
#define dmabuf_grant_unmap_attachment	dma_buf_unmap_attachment_unlocked
#else
#define dmabuf_grant_map_attachment	dma_buf_map_attachment
#define dmabuf_grant_unmap_attachment	dma_buf_unmap_attachment
#endif

/* The name that newer kernels give to system_unbound_wq; the old one warns. */
#ifdef DMABUF_GRANT_HAVE_DFL_WQ
#define dmabuf_grant_wq	system_dfl_wq
#else
#define dmabuf_grant_wq	system_unbound_wq
#endif

/*
 * Since 7.x struct dma_map_ops has one member that maps a range, map_phys, and
 * its attribute DMA_ATTR_MMIO marks a range that is not memory. Older kernels
 * have map_page for memory and map_resource for everything else.
 * DMABUF_GRANT_MAP_OPS initialises the members that there are.
 */
dma_addr_t dmabuf_grant_map_phys(struct device *dev, phys_addr_t phys,
				 size_t size, enum dma_data_direction dir,
				 unsigned long attrs);
void dmabuf_grant_unmap_phys(struct device *dev, dma_addr_t addr, size_t size,
			     enum dma_data_direction dir, unsigned long attrs);

#ifdef DMABUF_GRANT_HAVE_MAP_PAGE

#ifndef DMA_ATTR_MMIO
#define DMA_ATTR_MMIO BIT(10)	/* its value in newer kernels */
#endif

static inline dma_addr_t
dmabuf_grant_map_page(struct device *dev, struct page *page,
		      unsigned long offset, size_t size,
		      enum dma_data_direction dir, unsigned long attrs)
{
	return dmabuf_grant_map_phys(dev, page_to_phys(page) + offset, size,
				     dir, attrs);
}

static inline dma_addr_t
dmabuf_grant_map_resource(struct device *dev, phys_addr_t phys, size_t size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	return dmabuf_grant_map_phys(dev, phys, size, dir,
				     attrs | DMA_ATTR_MMIO);
}

#define DMABUF_GRANT_MAP_OPS					\
	.map_page = dmabuf_grant_map_page,			\
	.unmap_page = dmabuf_grant_unmap_phys,			\
	.map_resource = dmabuf_grant_map_resource

#else

#define DMABUF_GRANT_MAP_OPS					\
	.map_phys = dmabuf_grant_map_phys,			\
	.unmap_phys = dmabuf_grant_unmap_phys

#endif

#endif /* DMABUF_GRANT_COMPAT_H */
