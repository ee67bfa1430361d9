// SPDX-License-Identifier: GPL-2.0-only
/*
 * lab-leaky: an exporter of dma-bufs that frees pages while they are attached
 *
 * TTM does that when a GPU's driver is unbound. /dev/lab-leaky makes a buffer
 * whose pages each hold their own number, and frees its pages on demand.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#define LEAKY_CREATE	_IO('L', 0)	/* returns a descriptor */
#define LEAKY_FREE	_IO('L', 1)	/* the pages of the last buffer */
#define LEAKY_PAGES	64

struct leaky {
	struct page *page[LEAKY_PAGES];
};

/* Protects last. */
static DEFINE_MUTEX(leaky_lock);
static struct leaky *last;

static void leaky_free_pages(struct leaky *leaky)
{
	int i;

	for (i = 0; i < LEAKY_PAGES; i++) {
		if (leaky->page[i])
			__free_pages(leaky->page[i], 0);
		leaky->page[i] = NULL;
	}
}

static struct sg_table *leaky_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction dir)
{
	struct leaky *leaky = attach->dmabuf->priv;
	struct sg_table *sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	int err;

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table_from_pages(sgt, leaky->page, LEAKY_PAGES, 0,
					LEAKY_PAGES * PAGE_SIZE, GFP_KERNEL);
	if (err)
		goto free;
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

static void leaky_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static void leaky_release(struct dma_buf *dmabuf)
{
	struct leaky *leaky = dmabuf->priv;

	mutex_lock(&leaky_lock);
	if (last == leaky)
		last = NULL;
	mutex_unlock(&leaky_lock);
	leaky_free_pages(leaky);
	kfree(leaky);
}

static const struct dma_buf_ops leaky_ops = {
	.map_dma_buf = leaky_map,
	.unmap_dma_buf = leaky_unmap,
	.release = leaky_release,
};

static int leaky_fill(struct leaky *leaky)
{
	int i;

	for (i = 0; i < LEAKY_PAGES; i++) {
		leaky->page[i] = alloc_page(GFP_KERNEL);
		if (!leaky->page[i])
			return -ENOMEM;
		memset(page_address(leaky->page[i]), i + 1, PAGE_SIZE);
	}
	return 0;
}

static int leaky_create(void)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct leaky *leaky = kzalloc(sizeof(*leaky), GFP_KERNEL);
	struct dma_buf *dmabuf;
	int fd;

	if (!leaky)
		return -ENOMEM;
	info.ops = &leaky_ops;
	info.size = LEAKY_PAGES * PAGE_SIZE;
	info.flags = O_RDWR;
	info.priv = leaky;
	dmabuf = leaky_fill(leaky) ? ERR_PTR(-ENOMEM) : dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		leaky_free_pages(leaky);
		kfree(leaky);
		return PTR_ERR(dmabuf);
	}
	mutex_lock(&leaky_lock);
	last = leaky;
	mutex_unlock(&leaky_lock);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

static long leaky_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case LEAKY_CREATE:
		return leaky_create();
	case LEAKY_FREE:
		mutex_lock(&leaky_lock);
		if (last)
			leaky_free_pages(last);
		mutex_unlock(&leaky_lock);
		return 0;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations leaky_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = leaky_ioctl,
};

static struct miscdevice leaky_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lab-leaky",
	.fops = &leaky_fops,
	.mode = 0600,
};

module_misc_device(leaky_misc);

MODULE_DESCRIPTION("An exporter of dma-bufs that frees pages too early");
MODULE_LICENSE("GPL");
MODULE_INFO(import_ns, "DMA_BUF");
