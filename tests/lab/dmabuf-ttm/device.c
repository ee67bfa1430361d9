// SPDX-License-Identifier: GPL-2.0-only
/*
 * lab-dmabuf-ttm: the habits of GPU drivers, without a GPU
 *
 * amdgpu, xe, nouveau and radeon manage their buffers with TTM. What an importer
 * notices of that, this module does with ordinary memory (Linux 7.3.4):
 *
 *  - pages come from a pool, which reuses them at once, in blocks of up to 2 MiB
 *    of which only the first page has a reference count (ttm_pool.c);
 *  - in a PV domain all of them come from the DMA API (drm_need_swiotlb());
 *  - an importer without P2P has the buffer pinned in system memory, and so moved
 *    there, when it attaches or maps (amdgpu_dma_buf_pin(), xe_dma_buf_pin());
 *  - or it is refused, if the buffer must not leave video memory
 *    (xe_dma_buf_attach());
 *  - a buffer that stays in video memory is an address that was mapped for the
 *    importer, without a struct page (amdgpu_vram_mgr_alloc_sgt());
 *  - unbinding frees the pages of pinned buffers (amdgpu_device_fini_hw(), by
 *    ttm_device_clear_dma_mappings()).
 *
 * For the lab only.
 */
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "ttm.h"

#define LAB_TTM_NAME "lab-dmabuf-ttm"
#define LAB_TTM_ALL_FLAGS (2 * LAB_TTM_FULL - 1)

static struct platform_device *lab_ttm_pdev;

static long lab_ttm_ioctl_create(struct lab_ttm_create __user *arg)
{
	struct lab_ttm_create req;
	int fd;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (!req.nr_pages || req.nr_pages > LAB_TTM_MAX_PAGES ||
	    req.flags & ~LAB_TTM_ALL_FLAGS)
		return -EINVAL;
	device_lock(&lab_ttm_pdev->dev);
	if (lab_ttm_pdev->dev.driver)
		fd = lab_ttm_buffer_export(&lab_ttm_pdev->dev, req.nr_pages,
					   req.flags);
	else
		fd = -ENODEV;
	device_unlock(&lab_ttm_pdev->dev);
	if (fd < 0)
		return fd;
	return put_user(fd, &arg->fd);
}

static long lab_ttm_ioctl_frame(struct lab_ttm_frame __user *arg)
{
	struct lab_ttm_frame req;
	int err;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	err = lab_ttm_buffer_frame(req.fd, req.page, &req.frame);
	if (err)
		return err;
	return put_user(req.frame, &arg->frame);
}

static void lab_ttm_unbind(struct work_struct *work)
{
	device_release_driver(&lab_ttm_pdev->dev);
}

static DECLARE_WORK(lab_ttm_unbind_work, lab_ttm_unbind);

static long lab_ttm_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	switch (cmd) {
	case LAB_TTM_CREATE:
		return lab_ttm_ioctl_create((void __user *)arg);
	case LAB_TTM_MOVE:
		return lab_ttm_buffer_move(arg);
	case LAB_TTM_FRAME:
		return lab_ttm_ioctl_frame((void __user *)arg);
	case LAB_TTM_UNBIND:
		queue_work(system_long_wq, &lab_ttm_unbind_work);
		return 0;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations lab_ttm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = lab_ttm_ioctl,
};

static struct miscdevice lab_ttm_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = LAB_TTM_NAME,
	.fops = &lab_ttm_fops,
	.mode = 0600,
};

static int lab_ttm_probe(struct platform_device *pdev)
{
	return dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
}

static void lab_ttm_remove(struct platform_device *pdev)
{
	lab_ttm_buffers_unpopulate();
}

static struct platform_driver lab_ttm_driver = {
	.probe = lab_ttm_probe,
	.remove = lab_ttm_remove,
	.driver.name = LAB_TTM_NAME,
};

static int __init lab_ttm_init(void)
{
	int err;

	err = platform_driver_register(&lab_ttm_driver);
	if (err)
		return err;
	lab_ttm_pdev = platform_device_register_simple(LAB_TTM_NAME,
						       PLATFORM_DEVID_NONE,
						       NULL, 0);
	if (IS_ERR(lab_ttm_pdev)) {
		err = PTR_ERR(lab_ttm_pdev);
		goto unregister_driver;
	}
	err = misc_register(&lab_ttm_misc);
	if (err)
		goto unregister_device;
	return 0;

unregister_device:
	platform_device_unregister(lab_ttm_pdev);
unregister_driver:
	platform_driver_unregister(&lab_ttm_driver);
	return err;
}

/* Each buffer holds the module, so all pages are in the pool. */
static void __exit lab_ttm_exit(void)
{
	misc_deregister(&lab_ttm_misc);
	cancel_work_sync(&lab_ttm_unbind_work);
	lab_ttm_pool_empty(&lab_ttm_pdev->dev);
	platform_device_unregister(lab_ttm_pdev);
	platform_driver_unregister(&lab_ttm_driver);
}

module_init(lab_ttm_init);
module_exit(lab_ttm_exit);

MODULE_DESCRIPTION("The lab's exporter of dma-bufs with a GPU driver's habits");
MODULE_LICENSE("GPL");
/* Not MODULE_IMPORT_NS(), which takes a string only since 6.13. */
MODULE_INFO(import_ns, "DMA_BUF");
