// SPDX-License-Identifier: GPL-2.0-only
/*
 * lab-dmabuf-pool: an exporter of dma-bufs that recycles its pages
 *
 * GPU drivers keep the pages of freed buffers in a pool of their own, and use
 * them for the next buffer, whoever that is for. A reference that somebody else
 * has taken on such a page does not keep it from being used again. This module
 * does the same, as fast as possible: the page freed last is used first.
 *
 * For the lab only. The pages are not cleared.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "lab-dmabuf-pool.h"

#define LAB_POOL_MAX_PAGES 1024

struct lab_pool_buffer {
	u32 nr_pages;
	struct page *pages[] __counted_by(nr_pages);
};

static LIST_HEAD(lab_pool_free);
static DEFINE_MUTEX(lab_pool_lock);

static struct page *lab_pool_get_page(void)
{
	struct page *page;

	mutex_lock(&lab_pool_lock);
	page = list_first_entry_or_null(&lab_pool_free, struct page, lru);
	if (page)
		list_del(&page->lru);
	mutex_unlock(&lab_pool_lock);
	return page ?: alloc_page(GFP_KERNEL | __GFP_ZERO);
}

static void lab_pool_put_page(struct page *page)
{
	mutex_lock(&lab_pool_lock);
	list_add(&page->lru, &lab_pool_free);
	mutex_unlock(&lab_pool_lock);
}

static void lab_pool_free_buffer(struct lab_pool_buffer *buffer)
{
	u32 i;

	for (i = 0; i < buffer->nr_pages; i++) {
		if (buffer->pages[i])
			lab_pool_put_page(buffer->pages[i]);
	}
	kfree(buffer);
}

static struct lab_pool_buffer *lab_pool_new_buffer(u32 nr_pages)
{
	struct lab_pool_buffer *buffer;
	u32 i;

	buffer = kzalloc(struct_size(buffer, pages, nr_pages), GFP_KERNEL);
	if (!buffer)
		return NULL;
	buffer->nr_pages = nr_pages;
	for (i = 0; i < nr_pages; i++) {
		buffer->pages[i] = lab_pool_get_page();
		if (!buffer->pages[i]) {
			lab_pool_free_buffer(buffer);
			return NULL;
		}
	}
	return buffer;
}

static struct sg_table *lab_pool_map(struct dma_buf_attachment *attach,
				     enum dma_data_direction dir)
{
	struct lab_pool_buffer *buffer = attach->dmabuf->priv;
	struct scatterlist *sg;
	struct sg_table *sgt;
	int i, err;

	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table(sgt, buffer->nr_pages, GFP_KERNEL);
	if (err)
		goto free;
	for_each_sgtable_sg(sgt, sg, i)
		sg_set_page(sg, buffer->pages[i], PAGE_SIZE, 0);
	err = dma_map_sgtable(attach->dev, sgt, dir, 0);
	if (err)
		goto free_table;
	return sgt;

free_table:
	sg_free_table(sgt);
free:
	kfree(sgt);
	return ERR_PTR(err);
}

static void lab_pool_unmap(struct dma_buf_attachment *attach,
			   struct sg_table *sgt, enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static int lab_pool_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct lab_pool_buffer *buffer = dmabuf->priv;

	return vm_map_pages(vma, buffer->pages, buffer->nr_pages);
}

static void lab_pool_release(struct dma_buf *dmabuf)
{
	lab_pool_free_buffer(dmabuf->priv);
}

static const struct dma_buf_ops lab_pool_ops = {
	.map_dma_buf = lab_pool_map,
	.unmap_dma_buf = lab_pool_unmap,
	.mmap = lab_pool_mmap,
	.release = lab_pool_release,
};

static int lab_pool_export(u32 nr_pages)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct lab_pool_buffer *buffer = lab_pool_new_buffer(nr_pages);
	struct dma_buf *dmabuf;
	int fd;

	if (!buffer)
		return -ENOMEM;
	info.ops = &lab_pool_ops;
	info.size = (size_t)nr_pages << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		lab_pool_free_buffer(buffer);
		return PTR_ERR(dmabuf);
	}
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

static long lab_pool_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct lab_pool_create __user *uarg = (void __user *)arg;
	u32 nr_pages;
	int fd;

	if (cmd != LAB_POOL_CREATE)
		return -ENOTTY;
	if (get_user(nr_pages, &uarg->nr_pages))
		return -EFAULT;
	if (!nr_pages || nr_pages > LAB_POOL_MAX_PAGES)
		return -EINVAL;
	fd = lab_pool_export(nr_pages);
	if (fd < 0)
		return fd;
	return put_user(fd, &uarg->fd);
}

static const struct file_operations lab_pool_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = lab_pool_ioctl,
};

static struct miscdevice lab_pool_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lab-dmabuf-pool",
	.fops = &lab_pool_fops,
	.mode = 0600,
};

static int __init lab_pool_init(void)
{
	return misc_register(&lab_pool_misc);
}

/* Each buffer holds the module, so all pages are in the pool. */
static void __exit lab_pool_exit(void)
{
	struct page *page, *next;

	misc_deregister(&lab_pool_misc);
	list_for_each_entry_safe(page, next, &lab_pool_free, lru)
		__free_page(page);
}

module_init(lab_pool_init);
module_exit(lab_pool_exit);

MODULE_DESCRIPTION("The lab's exporter of dma-bufs from a pool");
MODULE_LICENSE("GPL");
/* Not MODULE_IMPORT_NS(), which takes a string only since 6.13. */
MODULE_INFO(import_ns, "DMA_BUF");
