// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-dmabuf-grant: /dev/xen/dmabuf-grant, with its descriptors, handles and
 * ioctls
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

#include "driver.h"

/**
 * DOC: Overview
 *
 * Grants the pages of a dma-buf to another domain, and keeps them pinned until
 * it is proven that this domain has no mapping of them left.
 *
 * Abuse by the caller: only root may open the device. A descriptor can be tied
 * to one domain, irreversibly, before its owner gives up privileges. Someone who
 * has it open can pin the memory of dma-bufs that they hold, and use references
 * to it, as much of both as peers.c leaves to each peer, but no more than that.
 * Every number in a request is copied once and checked before use, and a handle
 * is only looked up in the descriptor it belongs to.
 *
 * Abuse by the peer: see grants.c. A peer that never unmaps costs the buffers
 * and the references for as long as it exists; they count as its own, see
 * peers.c.
 *
 * Limits: pages of 4 KiB, granted one by one, always for reading and writing.
 */

/* The value of domid that ties a descriptor to no domain */
#define DMABUF_GRANT_ANY_DOMAIN U32_MAX

struct dmabuf_grant_file {
	struct mutex lock;	/* protects the other members and the imports */
	struct xarray imports;	/* by handle */
	u32 next;
	u32 domid;		/* the only one to grant to */
};

struct dmabuf_grant_stats dmabuf_grant_stats;
static struct dentry *dmabuf_grant_debugfs;

static int dmabuf_grant_open(struct inode *inode, struct file *file)
{
	struct dmabuf_grant_file *priv = kzalloc(sizeof(*priv),
						 GFP_KERNEL_ACCOUNT);

	if (!priv)
		return -ENOMEM;
	mutex_init(&priv->lock);
	xa_init_flags(&priv->imports, XA_FLAGS_ALLOC1);
	priv->domid = DMABUF_GRANT_ANY_DOMAIN;
	file->private_data = priv;
	return nonseekable_open(inode, file);
}

/* The owner closed the descriptor, or was killed. */
static int dmabuf_grant_release(struct inode *inode, struct file *file)
{
	struct dmabuf_grant_file *priv = file->private_data;
	struct dmabuf_grant_import *imp;
	unsigned long handle;

	xa_for_each(&priv->imports, handle, imp) {
		xa_erase(&priv->imports, handle);
		dmabuf_grant_import_abandon(imp);
	}
	xa_destroy(&priv->imports);
	kfree(priv);
	return 0;
}

/* Compares all 32 bits: a domid_t would drop the upper half. */
static bool dmabuf_grant_is_domain(u32 domid)
{
	return domid < DOMID_FIRST_RESERVED;
}

static bool dmabuf_grant_may_grant(const struct dmabuf_grant_file *priv,
				   u32 domid)
{
	u32 only = READ_ONCE(priv->domid);

	return only == DMABUF_GRANT_ANY_DOMAIN || only == domid;
}

static int
dmabuf_grant_check_import(const struct xen_dmabuf_grant_import *req)
{
	if (!dmabuf_grant_is_domain(req->domid))
		return -EINVAL;
	if (req->flags || !req->nr_pages || !PAGE_ALIGNED(req->offset))
		return -EINVAL;
	return 0;
}

static int dmabuf_grant_tell_caller(const struct dmabuf_grant_import *imp,
				    u32 handle,
				    const struct xen_dmabuf_grant_import *req,
				    struct xen_dmabuf_grant_import __user *arg)
{
	const struct dmabuf_grant_refs *refs = &imp->refs;

	if (copy_to_user(u64_to_user_ptr(req->refs), refs->ref,
			 refs->live * sizeof(*refs->ref)))
		return -EFAULT;
	return put_user((u64)handle, &arg->handle);
}

/*
 * Handles are used in turn rather than reused at once, so that a stale one is
 * likely to be noticed. The lock is held until the caller knows the handle, so
 * that no other thread of the caller can guess it and release an import whose
 * references are still being copied, and so that none appears for another
 * domain once the descriptor is tied to one.
 */
static int dmabuf_grant_publish(struct dmabuf_grant_file *priv,
				struct dmabuf_grant_import *imp,
				const struct xen_dmabuf_grant_import *req,
				struct xen_dmabuf_grant_import __user *arg)
{
	u32 handle;
	int err;

	err = mutex_lock_killable(&priv->lock);
	if (err)
		return err;
	if (dmabuf_grant_may_grant(priv, req->domid))
		err = xa_alloc_cyclic(&priv->imports, &handle, imp,
				      XA_LIMIT(1, U32_MAX), &priv->next,
				      GFP_KERNEL);
	else
		err = -EPERM;
	if (err >= 0) {
		err = dmabuf_grant_tell_caller(imp, handle, req, arg);
		if (err)
			xa_erase(&priv->imports, handle);
	}
	mutex_unlock(&priv->lock);
	return err;
}

static long
dmabuf_grant_ioctl_import(struct dmabuf_grant_file *priv,
			  struct xen_dmabuf_grant_import __user *arg)
{
	struct xen_dmabuf_grant_import req;
	struct dmabuf_grant_import *imp;
	int err;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	err = dmabuf_grant_check_import(&req);
	if (err)
		return err;
	if (!dmabuf_grant_may_grant(priv, req.domid))
		return -EPERM;
	imp = dmabuf_grant_import_create(&req);
	if (IS_ERR(imp))
		return PTR_ERR(imp);
	err = dmabuf_grant_publish(priv, imp, &req, arg);
	if (err)
		dmabuf_grant_import_abandon(imp);
	return err;
}

static int dmabuf_grant_release_handle(struct dmabuf_grant_file *priv,
				       u64 handle, u32 *busy)
{
	struct dmabuf_grant_import *imp = NULL;

	/* An index of the xarray is an unsigned long; a handle has 32 bits. */
	if (handle && handle <= U32_MAX)
		imp = xa_load(&priv->imports, handle);
	if (!imp)
		return -ENOENT;
	dmabuf_grant_refs_end(&imp->refs, U32_MAX);
	*busy = imp->refs.live;
	if (!*busy) {
		xa_erase(&priv->imports, handle);
		dmabuf_grant_import_free(imp);
	}
	return 0;
}

static long
dmabuf_grant_ioctl_release(struct dmabuf_grant_file *priv,
			   struct xen_dmabuf_grant_release __user *arg)
{
	struct xen_dmabuf_grant_release req;
	int err;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (req.flags)
		return -EINVAL;
	err = mutex_lock_killable(&priv->lock);
	if (err)
		return err;
	err = dmabuf_grant_release_handle(priv, req.handle, &req.busy);
	mutex_unlock(&priv->lock);
	if (err)
		return err;
	/* If this fails, the release has still happened: ENOENT next time. */
	return put_user(req.busy, &arg->busy);
}

static long
dmabuf_grant_ioctl_restrict(struct dmabuf_grant_file *priv,
			    struct xen_dmabuf_grant_restrict __user *arg)
{
	struct xen_dmabuf_grant_restrict req;
	int err;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (!dmabuf_grant_is_domain(req.domid) || req.flags)
		return -EINVAL;
	err = mutex_lock_killable(&priv->lock);
	if (err)
		return err;
	if (dmabuf_grant_may_grant(priv, req.domid))
		WRITE_ONCE(priv->domid, req.domid);
	else
		err = -EPERM;
	mutex_unlock(&priv->lock);
	return err;
}

static long dmabuf_grant_ioctl(struct file *file, unsigned int cmd,
			       unsigned long arg)
{
	struct dmabuf_grant_file *priv = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case XEN_DMABUF_GRANT_IMPORT:
		return dmabuf_grant_ioctl_import(priv, uarg);
	case XEN_DMABUF_GRANT_RELEASE:
		return dmabuf_grant_ioctl_release(priv, uarg);
	case XEN_DMABUF_GRANT_RESTRICT:
		return dmabuf_grant_ioctl_restrict(priv, uarg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations dmabuf_grant_fops = {
	.owner = THIS_MODULE,
	.open = dmabuf_grant_open,
	.release = dmabuf_grant_release,
	.unlocked_ioctl = dmabuf_grant_ioctl,
	/* No pointers and no padding: 32-bit callers use the same layout. */
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice dmabuf_grant_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xen/dmabuf-grant",
	.fops = &dmabuf_grant_fops,
	.mode = 0600,
};

static void dmabuf_grant_debugfs_init(void)
{
	dmabuf_grant_debugfs = debugfs_create_dir("xen-dmabuf-grant", NULL);
	debugfs_create_atomic_t("imports", 0400, dmabuf_grant_debugfs,
				&dmabuf_grant_stats.imports);
	debugfs_create_atomic_t("references", 0400, dmabuf_grant_debugfs,
				&dmabuf_grant_stats.references);
	debugfs_create_atomic_t("pending", 0400, dmabuf_grant_debugfs,
				&dmabuf_grant_stats.pending);
	debugfs_create_u64("pinned", 0400, dmabuf_grant_debugfs,
			   &dmabuf_grant_stats.pinned);
}

static int __init dmabuf_grant_init(void)
{
	int err;

	if (!xen_has_pv_devices()) {
		pr_info("not running on Xen, or without a grant table\n");
		return -ENODEV;
	}
	err = dmabuf_grant_dma_init();
	if (err)
		return err;
	err = dmabuf_grant_unbind_init();
	if (err)
		goto dma_exit;
	err = misc_register(&dmabuf_grant_misc);
	if (err)
		goto unbind_exit;
	dmabuf_grant_debugfs_init();
	return 0;

unbind_exit:
	dmabuf_grant_unbind_exit();
dma_exit:
	dmabuf_grant_dma_exit();
	return err;
}

/* No descriptor is open and no import is pending: both hold the module. */
static void __exit dmabuf_grant_exit(void)
{
	misc_deregister(&dmabuf_grant_misc);
	dmabuf_grant_reaper_exit();
	dmabuf_grant_peers_exit();
	dmabuf_grant_unbind_exit();
	debugfs_remove_recursive(dmabuf_grant_debugfs);
	dmabuf_grant_dma_exit();
}

module_init(dmabuf_grant_init);
module_exit(dmabuf_grant_exit);

MODULE_DESCRIPTION("Grant the pages of dma-bufs to other Xen domains");
MODULE_LICENSE("GPL");
/* Not MODULE_IMPORT_NS(), which takes a string only since 6.13. */
MODULE_INFO(import_ns, "DMA_BUF");
