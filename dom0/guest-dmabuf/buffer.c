// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-guest-dmabuf: a buffer of another domain's memory, and its dma-buf
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <xen/page.h>
#include <xen/xen.h>

#include "driver.h"

/**
 * DOC: Memory is held from the beginning
 *
 * A buffer is made of frames that the other domain has now. All of them are
 * mapped into this domain's address space at once, because a mapping is the
 * only thing that keeps Xen from using a page for something else. So errors
 * come when the buffer is made, with the entry that is at fault; each user of
 * the buffer sees the same memory; and nothing that the domain does later,
 * such as giving pages back to Xen, or ending, changes that.
 *
 * The kernel itself never looks into the memory.
 */

/* No user has seen a page of it, or all of them are gone. */
static void guest_dmabuf_free(struct guest_dmabuf *buf)
{
	u32 first, nr;

	for (first = 0; first < buf->nr_held; first += nr) {
		nr = min_t(u32, GUEST_DMABUF_BATCH, buf->nr_held - first);
		buf->source->release(buf, first, nr);
		cond_resched();
	}
	atomic_sub(buf->nr_held, &guest_dmabuf_stats.pages);
	if (buf->lost) {
		pr_err("Xen does not unmap memory of domain %u: %u pages are lost\n",
		       buf->domid, buf->nr_pages);
		atomic_add(buf->nr_pages, &guest_dmabuf_stats.lost);
	} else if (buf->pages) {
		buf->source->free(buf);
	}
	kvfree(buf->handles);
	kvfree(buf->pages);
	kfree(buf);
}

/*
 * Where a device finds a page: without translation, and without a bounce
 * buffer, at the page's machine address on a PV domain, at its physical address
 * otherwise.
 */
static bool guest_dmabuf_is_direct(const struct guest_dmabuf *buf,
				   struct sg_table *sgt)
{
	struct scatterlist *sg;
	u32 i;

	if (sgt->nents != buf->nr_pages)
		return false;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		unsigned long frame = pfn_to_gfn(page_to_pfn(buf->pages[i]));

		if (sg_dma_address(sg) != (dma_addr_t)frame << PAGE_SHIFT)
			return false;
	}
	return true;
}

/*
 * Nothing may be copied: a bounce buffer would be copied once, here, and then
 * be what the device sees for as long as it has the buffer. If the device
 * cannot do without, it is refused.
 */
static int guest_dmabuf_map_for(struct device *dev, struct guest_dmabuf *buf,
				struct sg_table *sgt,
				enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int err;
	u32 i;

	for_each_sgtable_sg(sgt, sg, i)
		sg_set_page(sg, buf->pages[i], PAGE_SIZE, 0);
	err = dma_map_sgtable(dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (!err && !guest_dmabuf_is_direct(buf, sgt)) {
		dma_unmap_sgtable(dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
		err = -EOPNOTSUPP;
	}
	if (err)
		pr_warn_ratelimited("%s cannot access memory of domain %u directly: %d\n",
				    dev_name(dev), buf->domid, err);
	return err;
}

static struct sg_table *guest_dmabuf_map(struct dma_buf_attachment *attach,
					 enum dma_data_direction dir)
{
	struct guest_dmabuf *buf = attach->dmabuf->priv;
	struct sg_table *sgt;
	int err;

	if (!buf->write && dir != DMA_TO_DEVICE)
		return ERR_PTR(-EACCES);
	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table(sgt, buf->nr_pages, GFP_KERNEL);
	if (err)
		goto free;
	err = guest_dmabuf_map_for(attach->dev, buf, sgt, dir);
	if (err)
		goto free_table;
	atomic_inc(&guest_dmabuf_stats.attachments);
	return sgt;

free_table:
	sg_free_table(sgt);
free:
	kfree(sgt);
	return ERR_PTR(err);
}

static void guest_dmabuf_unmap(struct dma_buf_attachment *attach,
			       struct sg_table *sgt,
			       enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(sgt);
	kfree(sgt);
	atomic_dec(&guest_dmabuf_stats.attachments);
}

static int guest_dmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	return guest_dmabuf_view(dmabuf->priv, vma);
}

static void guest_dmabuf_release(struct dma_buf *dmabuf)
{
	struct guest_dmabuf *buf = dmabuf->priv;
	domid_t domid = buf->domid;
	u32 nr_pages = buf->nr_pages;

	guest_dmabuf_free(buf);
	guest_dmabuf_uncharge(domid, nr_pages);
	atomic_dec(&guest_dmabuf_stats.buffers);
}

/* No begin_cpu_access: on x86 devices and CPUs see the same. */
static const struct dma_buf_ops guest_dmabuf_ops = {
	.map_dma_buf = guest_dmabuf_map,
	.unmap_dma_buf = guest_dmabuf_unmap,
	.mmap = guest_dmabuf_mmap,
	.release = guest_dmabuf_release,
};

/* A dma-buf to which the buffer belongs, if there is no error. */
static struct dma_buf *guest_dmabuf_export(struct guest_dmabuf *buf)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	info.ops = &guest_dmabuf_ops;
	info.size = (size_t)buf->nr_pages << PAGE_SHIFT;
	info.flags = buf->write ? O_RDWR : O_RDONLY;
	info.priv = buf;
	return dma_buf_export(&info);
}

/* The list is read once, a batch at a time. */
static int guest_dmabuf_hold(struct guest_dmabuf *buf, const void __user *list)
{
	u64 batch[GUEST_DMABUF_BATCH];
	size_t size = buf->source->entry_size;
	u32 nr, before;
	int err;

	while (buf->nr_held < buf->nr_pages) {
		before = buf->nr_held;
		nr = min_t(u32, GUEST_DMABUF_BATCH, buf->nr_pages - before);
		if (copy_from_user(batch, list + before * size, nr * size))
			return -EFAULT;
		err = buf->source->hold(buf, batch, nr);
		atomic_add(buf->nr_held - before, &guest_dmabuf_stats.pages);
		if (err)
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static struct guest_dmabuf *
guest_dmabuf_new(const struct guest_dmabuf_source *source,
		 const struct xen_guest_dmabuf_create *req)
{
	struct guest_dmabuf *buf = kzalloc(sizeof(*buf), GFP_KERNEL_ACCOUNT);

	if (!buf)
		return NULL;
	buf->source = source;
	buf->domid = req->domid;
	buf->write = req->flags & XEN_GUEST_DMABUF_WRITE;
	buf->bad = XEN_GUEST_DMABUF_NO_ENTRY;
	buf->nr_pages = req->nr_pages;
	return buf;
}

static int guest_dmabuf_fill(struct guest_dmabuf *buf, u64 list)
{
	struct page **pages;
	int err;

	pages = kvmalloc_array(buf->nr_pages, sizeof(*pages),
			       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pages)
		return -ENOMEM;
	buf->pages = pages;
	err = buf->source->alloc(buf);
	if (err) {
		buf->pages = NULL;
		kvfree(pages);
		return err;
	}
	return guest_dmabuf_hold(buf, u64_to_user_ptr(list));
}

static struct dma_buf *
guest_dmabuf_make(const struct guest_dmabuf_source *source,
		  struct xen_guest_dmabuf_create *req)
{
	struct guest_dmabuf *buf = guest_dmabuf_new(source, req);
	struct dma_buf *dmabuf;
	int err;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	err = guest_dmabuf_fill(buf, req->list);
	req->bad = buf->bad;
	dmabuf = err ? ERR_PTR(err) : guest_dmabuf_export(buf);
	if (IS_ERR(dmabuf))
		guest_dmabuf_free(buf);
	else
		atomic_inc(&guest_dmabuf_stats.buffers);
	return dmabuf;
}

/**
 * guest_dmabuf_create() - make a buffer and a descriptor of it
 * @source: how the memory is held
 * @req: the request, whose numbers have been checked; bad is filled in
 *
 * It has no number yet: the caller installs it, or else frees both.
 *
 * Return: The dma-buf, or an error as in guest-dmabuf.h.
 */
struct dma_buf *guest_dmabuf_create(const struct guest_dmabuf_source *source,
				    struct xen_guest_dmabuf_create *req)
{
	struct dma_buf *dmabuf;
	int err = guest_dmabuf_charge(req->domid, req->nr_pages);

	if (err)
		return ERR_PTR(err);
	dmabuf = guest_dmabuf_make(source, req);
	if (IS_ERR(dmabuf))
		guest_dmabuf_uncharge(req->domid, req->nr_pages);
	return dmabuf;
}
