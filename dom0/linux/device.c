// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/xen/dmabuf-grant: descriptors, handles, ioctl.
 *
 * The node is root's alone. A caller can pin the memory of the dma-bufs it
 * holds and use up this domain's grant table, no more: every number it gives
 * is copied once and checked before use, and handles are looked up in its own
 * descriptor only.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>
#include <xen/platform_pci.h>
#include <xen/xen.h>

#include "xdg.h"

struct xdg_file {
	struct mutex lock;	/* imports, next, and what is in imports */
	struct xarray imports;	/* by handle */
	u32 next;
};

struct xdg_stats xdg_stats;
static struct dentry *xdg_debugfs;

static int xdg_open(struct inode *inode, struct file *file)
{
	struct xdg_file *xf = kzalloc(sizeof(*xf), GFP_KERNEL_ACCOUNT);

	if (!xf)
		return -ENOMEM;
	mutex_init(&xf->lock);
	xa_init_flags(&xf->imports, XA_FLAGS_ALLOC1);
	file->private_data = xf;
	return nonseekable_open(inode, file);
}

/* The owner closed the descriptor, or was killed. */
static int xdg_release(struct inode *inode, struct file *file)
{
	struct xdg_file *xf = file->private_data;
	struct xdg_import *imp;
	unsigned long handle;

	xa_for_each(&xf->imports, handle, imp) {
		xa_erase(&xf->imports, handle);
		xdg_import_abandon(imp);
	}
	xa_destroy(&xf->imports);
	kfree(xf);
	return 0;
}

static int check_import(const struct xen_dmabuf_grant_import *req)
{
	/* Compared as 32 bits: a domid_t would drop the upper half. */
	if (req->domid >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	if (req->flags || !req->nr_pages || !PAGE_ALIGNED(req->offset))
		return -EINVAL;
	return 0;
}

static int tell_caller(const struct xdg_import *imp, u32 handle,
		       const struct xen_dmabuf_grant_import *req,
		       struct xen_dmabuf_grant_import __user *arg)
{
	const struct xdg_grants *grants = &imp->grants;

	if (copy_to_user(u64_to_user_ptr(req->refs), grants->refs,
			 grants->live * sizeof(*grants->refs)))
		return -EFAULT;
	return put_user((u64)handle, &arg->handle);
}

/*
 * Handles go round instead of being reused at once, so that a stale one is
 * likely to be noticed. The lock is held until the caller knows the handle:
 * another of its threads that guesses it must not release an import whose
 * references are still being copied.
 */
static int publish(struct xdg_file *xf, struct xdg_import *imp,
		   const struct xen_dmabuf_grant_import *req,
		   struct xen_dmabuf_grant_import __user *arg)
{
	u32 handle;
	int err;

	err = mutex_lock_killable(&xf->lock);
	if (err)
		return err;
	err = xa_alloc_cyclic(&xf->imports, &handle, imp,
			      XA_LIMIT(1, U32_MAX), &xf->next, GFP_KERNEL);
	if (err >= 0) {
		err = tell_caller(imp, handle, req, arg);
		if (err)
			xa_erase(&xf->imports, handle);
	}
	mutex_unlock(&xf->lock);
	return err;
}

static long xdg_ioctl_import(struct xdg_file *xf,
			     struct xen_dmabuf_grant_import __user *arg)
{
	struct xen_dmabuf_grant_import req;
	struct xdg_import *imp;
	int err;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	err = check_import(&req);
	if (err)
		return err;
	imp = xdg_import_create(&req);
	if (IS_ERR(imp))
		return PTR_ERR(imp);
	err = publish(xf, imp, &req, arg);
	if (err)
		xdg_import_abandon(imp);
	return err;
}

static int release_handle(struct xdg_file *xf, u64 handle, u32 *busy)
{
	struct xdg_import *imp = NULL;

	/* An index of the xarray is an unsigned long; a handle has 32 bits. */
	if (handle && handle <= U32_MAX)
		imp = xa_load(&xf->imports, handle);
	if (!imp)
		return -ENOENT;
	xdg_grants_end(&imp->grants, U32_MAX);
	*busy = imp->grants.live;
	if (!*busy) {
		xa_erase(&xf->imports, handle);
		xdg_import_free(imp);
	}
	return 0;
}

static long xdg_ioctl_release(struct xdg_file *xf,
			      struct xen_dmabuf_grant_release __user *arg)
{
	struct xen_dmabuf_grant_release req;
	int err;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (req.flags)
		return -EINVAL;
	err = mutex_lock_killable(&xf->lock);
	if (err)
		return err;
	err = release_handle(xf, req.handle, &req.busy);
	mutex_unlock(&xf->lock);
	if (err)
		return err;
	/* If this fails the release stands; asking again answers ENOENT. */
	return put_user(req.busy, &arg->busy);
}

static long xdg_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct xdg_file *xf = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case XEN_DMABUF_GRANT_IMPORT:
		return xdg_ioctl_import(xf, uarg);
	case XEN_DMABUF_GRANT_RELEASE:
		return xdg_ioctl_release(xf, uarg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations xdg_fops = {
	.owner = THIS_MODULE,
	.open = xdg_open,
	.release = xdg_release,
	.unlocked_ioctl = xdg_ioctl,
	/* No pointers and no padding: the same layout for 32 bits. */
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice xdg_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xen/dmabuf-grant",
	.fops = &xdg_fops,
	.mode = 0600,
};

static void xdg_debugfs_init(void)
{
	xdg_debugfs = debugfs_create_dir("xen-dmabuf-grant", NULL);
	debugfs_create_atomic_t("imports", 0400, xdg_debugfs,
				&xdg_stats.imports);
	debugfs_create_atomic_t("references", 0400, xdg_debugfs,
				&xdg_stats.references);
	debugfs_create_atomic_t("pending", 0400, xdg_debugfs,
				&xdg_stats.pending);
}

static int __init xdg_init(void)
{
	int err;

	if (!xen_has_pv_devices()) {
		pr_info("not a Xen domain with a grant table\n");
		return -ENODEV;
	}
	err = xdg_dma_init();
	if (err)
		return err;
	err = misc_register(&xdg_misc);
	if (err) {
		xdg_dma_exit();
		return err;
	}
	xdg_debugfs_init();
	return 0;
}

/* No descriptor is open and no import pending: they hold the module. */
static void __exit xdg_exit(void)
{
	misc_deregister(&xdg_misc);
	xdg_reaper_exit();
	debugfs_remove_recursive(xdg_debugfs);
	xdg_dma_exit();
}

module_init(xdg_init);
module_exit(xdg_exit);

MODULE_DESCRIPTION("Grant the pages of dma-bufs to other Xen domains");
MODULE_LICENSE("GPL");
/* Spelled out: MODULE_IMPORT_NS() takes a string or not, by version. */
MODULE_INFO(import_ns, "DMA_BUF");
