// SPDX-License-Identifier: GPL-2.0-only
/*
 * lab-dmabuf-ttm: buffers, and what importers see of them
 *
 * Video memory is simulated by pages of which no importer is ever told. Whoever
 * maps a buffer into a process finds it where it is: a move empties the mappings,
 * and a fault fills them.
 */
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "ttm.h"

/*
 * Where importers are told that video memory is. Nobody accesses it. It is what
 * every PC has there that is not memory: the registers of the HPET.
 */
#define LAB_TTM_BAR 0xfed00000

struct lab_ttm_place {
	struct list_head blocks;
	struct page **pages;	/* NULL: nowhere */
};

/* All but the list is protected by the dma-buf's reservation lock. */
struct lab_ttm_buffer {
	struct list_head node;
	struct device *dev;
	struct dma_buf *dmabuf;
	u32 nr_pages;
	u32 flags;
	u32 pins;
	bool in_vram;
	struct lab_ttm_place place;
};

static LIST_HEAD(lab_ttm_buffers);
static DEFINE_MUTEX(lab_ttm_buffers_lock);

/* Places */

static void lab_ttm_place_free(struct device *dev, struct lab_ttm_place *place)
{
	struct lab_ttm_block *block, *next;

	list_for_each_entry_safe(block, next, &place->blocks, node) {
		list_del(&block->node);
		lab_ttm_block_put(dev, block);
	}
	kvfree(place->pages);
	place->pages = NULL;
}

/* The largest block that fits and that there is */
static struct lab_ttm_block *lab_ttm_place_more(struct device *dev, u32 flags,
						u32 left)
{
	struct lab_ttm_block *block;
	int order = 0;

	if (flags & LAB_TTM_BLOCKS)
		order = min(ilog2(left), LAB_TTM_MAX_ORDER);
	for (; order >= 0; order--) {
		block = lab_ttm_block_get(dev, flags, order);
		if (block)
			return block;
	}
	return NULL;
}

static int lab_ttm_place_alloc(struct device *dev, u32 flags, u32 nr_pages,
			       struct lab_ttm_place *place)
{
	struct lab_ttm_block *block;
	u32 done = 0, i;

	INIT_LIST_HEAD(&place->blocks);
	place->pages = kvcalloc(nr_pages, sizeof(*place->pages), GFP_KERNEL);
	if (!place->pages)
		return -ENOMEM;
	while (done < nr_pages) {
		block = lab_ttm_place_more(dev, flags, nr_pages - done);
		if (!block) {
			lab_ttm_place_free(dev, place);
			return -ENOMEM;
		}
		list_add_tail(&block->node, &place->blocks);
		for (i = 0; i < 1u << block->order; i++)
			place->pages[done++] = block->page + i;
	}
	return 0;
}

static void lab_ttm_empty_mappings(struct lab_ttm_buffer *buffer)
{
	unmap_mapping_range(buffer->dmabuf->file->f_mapping, 0, 0, 1);
}

/* In video memory, all are single cached pages. */
static u32 lab_ttm_place_flags(const struct lab_ttm_buffer *buffer, bool vram)
{
	return vram ? 0 : buffer->flags;
}

static int lab_ttm_move(struct lab_ttm_buffer *buffer, bool vram)
{
	struct lab_ttm_place to;
	int err;
	u32 i;

	if (!buffer->place.pages)
		return -ENODEV;
	err = lab_ttm_place_alloc(buffer->dev,
				  lab_ttm_place_flags(buffer, vram),
				  buffer->nr_pages, &to);
	if (err)
		return err;
	lab_ttm_empty_mappings(buffer);
	for (i = 0; i < buffer->nr_pages; i++)
		copy_highpage(to.pages[i], buffer->place.pages[i]);
	lab_ttm_place_free(buffer->dev, &buffer->place);
	buffer->place.pages = to.pages;
	list_splice(&to.blocks, &buffer->place.blocks);
	buffer->in_vram = vram;
	return 0;
}

/* For importers */

static bool lab_ttm_stays(const struct lab_ttm_buffer *buffer)
{
	return buffer->flags & (LAB_TTM_MAP_BAR | LAB_TTM_MAP_BUS);
}

static int lab_ttm_attach(struct dma_buf *dmabuf,
			  struct dma_buf_attachment *attach)
{
	struct lab_ttm_buffer *buffer = dmabuf->priv;

	if (buffer->flags & LAB_TTM_FIXED && !attach->peer2peer)
		return -EOPNOTSUPP;
	return 0;
}

static int lab_ttm_pin(struct dma_buf_attachment *attach)
{
	struct lab_ttm_buffer *buffer = attach->dmabuf->priv;
	int err = 0;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (buffer->flags & LAB_TTM_FULL)
		return -ENOMEM;
	if (buffer->in_vram && !lab_ttm_stays(buffer))
		err = lab_ttm_move(buffer, false);
	if (!err)
		buffer->pins++;
	return err;
}

static void lab_ttm_unpin(struct dma_buf_attachment *attach)
{
	struct lab_ttm_buffer *buffer = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	buffer->pins--;
}

/*
 * Drivers limit segments to what swiotlb can bounce. This does not: a segment
 * is as long as there are pages in a row, which is harder for the importer.
 */
static int lab_ttm_map_pages(struct lab_ttm_buffer *buffer,
			     struct dma_buf_attachment *attach,
			     struct sg_table *sgt, enum dma_data_direction dir)
{
	int err;

	err = sg_alloc_table_from_pages_segment(sgt, buffer->place.pages,
						buffer->nr_pages, 0,
						(size_t)buffer->nr_pages << PAGE_SHIFT,
						UINT_MAX, GFP_KERNEL);
	if (err)
		return err;
	if (dma_map_sgtable(attach->dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC)) {
		sg_free_table(sgt);
		return -EBUSY;
	}
	return 0;
}

static int lab_ttm_map_vram(struct lab_ttm_buffer *buffer,
			    struct dma_buf_attachment *attach,
			    struct sg_table *sgt, enum dma_data_direction dir)
{
	size_t size = (size_t)buffer->nr_pages << PAGE_SHIFT;
	dma_addr_t addr = LAB_TTM_BAR;
	int err;

	err = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (err)
		return err;
	if (buffer->flags & LAB_TTM_MAP_BAR)
		addr = dma_map_resource(attach->dev, LAB_TTM_BAR, size, dir,
					DMA_ATTR_SKIP_CPU_SYNC);
	err = dma_mapping_error(attach->dev, addr);
	if (err) {
		sg_free_table(sgt);
		return err;
	}
	sg_set_page(sgt->sgl, NULL, size, 0);
	sg_dma_address(sgt->sgl) = addr;
	sg_dma_len(sgt->sgl) = size;
	return 0;
}

static struct sg_table *lab_ttm_map(struct dma_buf_attachment *attach,
				    enum dma_data_direction dir)
{
	struct lab_ttm_buffer *buffer = attach->dmabuf->priv;
	struct sg_table *sgt;
	int err;

	if (!buffer->place.pages)
		return ERR_PTR(-ENODEV);
	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	if (buffer->in_vram)
		err = lab_ttm_map_vram(buffer, attach, sgt, dir);
	else
		err = lab_ttm_map_pages(buffer, attach, sgt, dir);
	if (err) {
		kfree(sgt);
		return ERR_PTR(err);
	}
	return sgt;
}

static void lab_ttm_unmap(struct dma_buf_attachment *attach,
			  struct sg_table *sgt, enum dma_data_direction dir)
{
	struct lab_ttm_buffer *buffer = attach->dmabuf->priv;

	if (sg_page(sgt->sgl))
		dma_unmap_sgtable(attach->dev, sgt, dir,
				  DMA_ATTR_SKIP_CPU_SYNC);
	else if (buffer->flags & LAB_TTM_MAP_BAR)
		dma_unmap_resource(attach->dev, sg_dma_address(sgt->sgl),
				   sg_dma_len(sgt->sgl), dir,
				   DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(sgt);
	kfree(sgt);
}

/* For processes */

static vm_fault_t lab_ttm_fault(struct vm_fault *vmf)
{
	struct lab_ttm_buffer *buffer = vmf->vma->vm_private_data;
	vm_fault_t result = VM_FAULT_SIGBUS;

	dma_resv_lock(buffer->dmabuf->resv, NULL);
	if (buffer->place.pages && vmf->pgoff < buffer->nr_pages)
		result = vmf_insert_pfn(vmf->vma, vmf->address,
					page_to_pfn(buffer->place.pages[vmf->pgoff]));
	dma_resv_unlock(buffer->dmabuf->resv);
	return result;
}

static const struct vm_operations_struct lab_ttm_vm_ops = {
	.fault = lab_ttm_fault,
};

static int lab_ttm_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &lab_ttm_vm_ops;
	vma->vm_private_data = dmabuf->priv;
	return 0;
}

static void lab_ttm_release(struct dma_buf *dmabuf)
{
	struct lab_ttm_buffer *buffer = dmabuf->priv;

	mutex_lock(&lab_ttm_buffers_lock);
	list_del(&buffer->node);
	mutex_unlock(&lab_ttm_buffers_lock);
	WARN_ON(buffer->pins);
	lab_ttm_place_free(buffer->dev, &buffer->place);
	kfree(buffer);
}

static const struct dma_buf_ops lab_ttm_ops = {
	.attach = lab_ttm_attach,
	.pin = lab_ttm_pin,
	.unpin = lab_ttm_unpin,
	.map_dma_buf = lab_ttm_map,
	.unmap_dma_buf = lab_ttm_unmap,
	.mmap = lab_ttm_mmap,
	.release = lab_ttm_release,
};

static struct dma_buf *lab_ttm_buffer_new(struct device *dev, u32 nr_pages,
					  u32 flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct lab_ttm_buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	struct dma_buf *dmabuf;
	int err;

	if (!buffer)
		return ERR_PTR(-ENOMEM);
	buffer->dev = dev;
	buffer->nr_pages = nr_pages;
	buffer->flags = flags;
	buffer->in_vram = flags & LAB_TTM_VRAM;
	err = lab_ttm_place_alloc(dev,
				  lab_ttm_place_flags(buffer, buffer->in_vram),
				  nr_pages, &buffer->place);
	if (err)
		goto free;
	info.ops = &lab_ttm_ops;
	info.size = (size_t)nr_pages << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		err = PTR_ERR(dmabuf);
		goto free_place;
	}
	buffer->dmabuf = dmabuf;
	mutex_lock(&lab_ttm_buffers_lock);
	list_add(&buffer->node, &lab_ttm_buffers);
	mutex_unlock(&lab_ttm_buffers_lock);
	return dmabuf;

free_place:
	lab_ttm_place_free(dev, &buffer->place);
free:
	kfree(buffer);
	return ERR_PTR(err);
}

/**
 * lab_ttm_buffer_export() - create a buffer
 * @dev: the device that it is for
 * @nr_pages: its size
 * @flags: LAB_TTM_...
 *
 * Return: A descriptor, or an error.
 */
int lab_ttm_buffer_export(struct device *dev, u32 nr_pages, u32 flags)
{
	struct dma_buf *dmabuf = lab_ttm_buffer_new(dev, nr_pages, flags);
	int fd;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

/**
 * lab_ttm_buffer_move() - move a buffer, as for the GPU
 * @fd: its descriptor
 *
 * Return: 0, -EBUSY if it is pinned, or another error.
 */
int lab_ttm_buffer_move(int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct lab_ttm_buffer *buffer;
	int err = -EINVAL;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (dmabuf->ops == &lab_ttm_ops) {
		buffer = dmabuf->priv;
		dma_resv_lock(dmabuf->resv, NULL);
		err = buffer->pins ? -EBUSY :
		      lab_ttm_move(buffer, buffer->flags & LAB_TTM_VRAM);
		dma_resv_unlock(dmabuf->resv);
	}
	dma_buf_put(dmabuf);
	return err;
}

/**
 * lab_ttm_buffer_frame() - where a page of a buffer is
 * @fd: the buffer's descriptor
 * @page: the number of the page
 * @frame: where to store the number of its frame
 *
 * Return: 0 or an error.
 */
int lab_ttm_buffer_frame(int fd, u32 page, u64 *frame)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct lab_ttm_buffer *buffer;
	int err = -EINVAL;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (dmabuf->ops == &lab_ttm_ops) {
		buffer = dmabuf->priv;
		dma_resv_lock(dmabuf->resv, NULL);
		if (buffer->place.pages && page < buffer->nr_pages) {
			*frame = page_to_pfn(buffer->place.pages[page]);
			err = 0;
		}
		dma_resv_unlock(dmabuf->resv);
	}
	dma_buf_put(dmabuf);
	return err;
}

/**
 * lab_ttm_buffers_unpopulate() - free the memory of all buffers
 *
 * Pinned, attached and mapped ones, too: see ttm_device_clear_dma_mappings().
 */
void lab_ttm_buffers_unpopulate(void)
{
	struct lab_ttm_buffer *buffer;

	mutex_lock(&lab_ttm_buffers_lock);
	list_for_each_entry(buffer, &lab_ttm_buffers, node) {
		dma_resv_lock(buffer->dmabuf->resv, NULL);
		lab_ttm_empty_mappings(buffer);
		lab_ttm_place_free(buffer->dev, &buffer->place);
		dma_resv_unlock(buffer->dmabuf->resv);
	}
	mutex_unlock(&lab_ttm_buffers_lock);
}
