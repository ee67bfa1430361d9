// SPDX-License-Identifier: GPL-2.0-only
/*
 * lab-dma: maps dma-bufs for a device of its own, as the driver of a GPU would,
 * and has a disk read and write their pages
 *
 * For the lab only: it looks at the pages of a scatter list, which an importer
 * must not. The disk's driver maps them once more, for the disk.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "lab-dma.h"

struct lab_dma {
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	enum dma_data_direction dir;
};

static struct device *lab_dma_device;
/* Protects the device's mask, and each struct lab_dma. */
static DEFINE_MUTEX(lab_dma_lock);

static int lab_dma_attach(struct lab_dma *dma, const struct lab_dma_map *map)
{
	int err = dma_coerce_mask_and_coherent(lab_dma_device,
					       DMA_BIT_MASK(map->bits));

	if (err)
		return err;
	dma->attach = dma_buf_attach(dma->dmabuf, lab_dma_device);
	if (IS_ERR(dma->attach))
		return PTR_ERR(dma->attach);
	dma->dir = map->both ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
	dma->sgt = dma_buf_map_attachment_unlocked(dma->attach, dma->dir);
	if (!IS_ERR(dma->sgt))
		return 0;
	dma_buf_detach(dma->dmabuf, dma->attach);
	return PTR_ERR(dma->sgt);
}

static void lab_dma_look(struct lab_dma *dma, struct lab_dma_map *map)
{
	struct scatterlist *sg;
	int i;

	map->lowest = U64_MAX;
	map->highest = 0;
	for_each_sgtable_dma_sg(dma->sgt, sg, i) {
		map->lowest = min_t(u64, map->lowest, sg_dma_address(sg));
		map->highest = max_t(u64, map->highest, sg_dma_address(sg));
	}
	map->segments = dma->sgt->nents;
}

static int lab_dma_map(struct lab_dma *dma, struct lab_dma_map *map)
{
	int err;

	if (dma->dmabuf || map->bits < 12 || map->bits > 64)
		return -EINVAL;
	dma->dmabuf = dma_buf_get(map->fd);
	err = PTR_ERR_OR_ZERO(dma->dmabuf);
	if (!err) {
		err = lab_dma_attach(dma, map);
		if (!err) {
			lab_dma_look(dma, map);
			return 0;
		}
		dma_buf_put(dma->dmabuf);
	}
	dma->dmabuf = NULL;
	return err;
}

static int lab_dma_page(struct block_device *bdev, struct page *page,
			sector_t sector, bool read)
{
	blk_opf_t op = read ? REQ_OP_READ : REQ_OP_WRITE;
	struct bio *bio = bio_alloc(bdev, 1, op | REQ_SYNC, GFP_KERNEL);
	int err;

	bio->bi_iter.bi_sector = sector;
	__bio_add_page(bio, page, PAGE_SIZE, 0);
	err = submit_bio_wait(bio);
	bio_put(bio);
	return err;
}

static int lab_dma_disk(struct lab_dma *dma, struct lab_dma_disk *disk)
{
	struct sg_page_iter at;
	struct file *file;
	int err = 0;

	if (!dma->dmabuf)
		return -EINVAL;
	disk->path[sizeof(disk->path) - 1] = 0;
	file = bdev_file_open_by_path(disk->path,
				      BLK_OPEN_READ | BLK_OPEN_WRITE, dma, NULL);
	if (IS_ERR(file))
		return PTR_ERR(file);
	disk->pages = 0;
	for_each_sgtable_page(dma->sgt, &at, 0) {
		err = lab_dma_page(file_bdev(file), sg_page_iter_page(&at),
				   (sector_t)disk->pages <<
					(PAGE_SHIFT - SECTOR_SHIFT),
				   disk->read);
		if (err)
			break;
		disk->pages++;
	}
	fput(file);
	return err;
}

static int lab_dma_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(sizeof(struct lab_dma), GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static int lab_dma_release(struct inode *inode, struct file *file)
{
	struct lab_dma *dma = file->private_data;

	if (dma->dmabuf) {
		dma_buf_unmap_attachment_unlocked(dma->attach, dma->sgt,
						  dma->dir);
		dma_buf_detach(dma->dmabuf, dma->attach);
		dma_buf_put(dma->dmabuf);
	}
	kfree(dma);
	return 0;
}

static long lab_dma_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct lab_dma *dma = file->private_data;
	union {
		struct lab_dma_map map;
		struct lab_dma_disk disk;
	} req;
	int err;

	if (cmd != LAB_DMA_MAP && cmd != LAB_DMA_DISK)
		return -ENOTTY;
	if (copy_from_user(&req, (void __user *)arg, _IOC_SIZE(cmd)))
		return -EFAULT;
	mutex_lock(&lab_dma_lock);
	if (cmd == LAB_DMA_MAP)
		err = lab_dma_map(dma, &req.map);
	else
		err = lab_dma_disk(dma, &req.disk);
	mutex_unlock(&lab_dma_lock);
	if (!err && copy_to_user((void __user *)arg, &req, _IOC_SIZE(cmd)))
		return -EFAULT;
	return err;
}

static const struct file_operations lab_dma_fops = {
	.owner = THIS_MODULE,
	.open = lab_dma_open,
	.release = lab_dma_release,
	.unlocked_ioctl = lab_dma_ioctl,
};

static struct miscdevice lab_dma_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lab-dma",
	.fops = &lab_dma_fops,
	.mode = 0600,
};

static int __init lab_dma_init(void)
{
	int err;

	lab_dma_device = root_device_register("lab-dma");
	if (IS_ERR(lab_dma_device))
		return PTR_ERR(lab_dma_device);
	err = misc_register(&lab_dma_misc);
	if (err)
		root_device_unregister(lab_dma_device);
	return err;
}

static void __exit lab_dma_exit(void)
{
	misc_deregister(&lab_dma_misc);
	root_device_unregister(lab_dma_device);
}

module_init(lab_dma_init);
module_exit(lab_dma_exit);

MODULE_DESCRIPTION("The lab's importer of dma-bufs");
MODULE_LICENSE("GPL");
/* Not MODULE_IMPORT_NS(), which takes a string only since 6.13. */
MODULE_INFO(import_ns, "DMA_BUF");
