// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-guest-dmabuf: /dev/xen/guest-dmabuf, with its descriptors and ioctls
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <xen/platform_pci.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "driver.h"

/**
 * DOC: Overview
 *
 * Makes dma-bufs of another domain's memory, for displays and GPUs of this one.
 *
 * Abuse by the caller: only root may open the device. It gives access to what
 * Xen lets this domain map, as /dev/xen/privcmd and /dev/xen/gntdev do, but to
 * nothing of this domain's own. A descriptor can be tied to one domain,
 * irreversibly, before its owner gives up privileges. Someone who has it open
 * can hold as many pages as limits.c allows, and can have devices access them.
 * Every number in a request is copied once and checked before use.
 *
 * Abuse by the other domain: it decides what is in the memory, and can change
 * it at any time, but not what memory it is. It keeps no page from being let
 * go.
 *
 * Limits: pages of 4 KiB. With dom0-iommu=strict a PV dom0's devices reach
 * granted pages only, and nobody can tell: such a host must use grants.
 */

/* The value of domid that ties a descriptor to no domain */
#define GUEST_DMABUF_ANY_DOMAIN U32_MAX

struct guest_dmabuf_file {
	struct mutex lock;	/* protects the other members */
	u32 domid;		/* the only one whose memory it may be */
};

struct guest_dmabuf_stats guest_dmabuf_stats;
static struct dentry *guest_dmabuf_debugfs;
static u32 guest_dmabuf_self;

static int guest_dmabuf_open(struct inode *inode, struct file *file)
{
	struct guest_dmabuf_file *priv = kzalloc(sizeof(*priv),
						 GFP_KERNEL_ACCOUNT);

	if (!priv)
		return -ENOMEM;
	mutex_init(&priv->lock);
	priv->domid = GUEST_DMABUF_ANY_DOMAIN;
	file->private_data = priv;
	return nonseekable_open(inode, file);
}

/* Buffers do not depend on it. */
static int guest_dmabuf_close(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

/* Compares all 32 bits: a domid_t would drop the upper half. */
static bool guest_dmabuf_is_other_domain(u32 domid)
{
	return domid < DOMID_FIRST_RESERVED && domid != guest_dmabuf_self;
}

static bool guest_dmabuf_may_use(const struct guest_dmabuf_file *priv,
				 u32 domid)
{
	u32 only = READ_ONCE(priv->domid);

	return only == GUEST_DMABUF_ANY_DOMAIN || only == domid;
}

static int guest_dmabuf_check(const struct guest_dmabuf_file *priv,
			      const struct xen_guest_dmabuf_create *req)
{
	if (!guest_dmabuf_is_other_domain(req->domid))
		return -EINVAL;
	if ((req->flags & ~XEN_GUEST_DMABUF_WRITE) || req->reserved)
		return -EINVAL;
	if (!req->nr_pages || req->nr_pages > INT_MAX)
		return -EINVAL;
	return guest_dmabuf_may_use(priv, req->domid) ? 0 : -EPERM;
}

/*
 * The descriptor is installed when nothing can fail any more: until then no
 * other thread of the caller can close it. The lock is held, so that none
 * appears for another domain once the caller's descriptor is tied to one.
 */
static int guest_dmabuf_publish(struct guest_dmabuf_file *priv,
				struct dma_buf *dmabuf,
				struct xen_guest_dmabuf_create *req,
				struct xen_guest_dmabuf_create __user *arg)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	int err;

	if (fd < 0)
		return fd;
	req->fd = fd;
	err = mutex_lock_killable(&priv->lock);
	if (err)
		goto put_fd;
	if (!guest_dmabuf_may_use(priv, req->domid))
		err = -EPERM;
	else if (copy_to_user(arg, req, sizeof(*req)))
		err = -EFAULT;
	else
		fd_install(fd, dmabuf->file);
	mutex_unlock(&priv->lock);
	if (!err)
		return 0;

put_fd:
	put_unused_fd(fd);
	return err;
}

static long guest_dmabuf_ioctl_create(struct guest_dmabuf_file *priv,
				      const struct guest_dmabuf_source *source,
				      struct xen_guest_dmabuf_create __user *arg)
{
	struct xen_guest_dmabuf_create req;
	struct dma_buf *dmabuf;
	int err;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	req.bad = XEN_GUEST_DMABUF_NO_ENTRY;
	err = guest_dmabuf_check(priv, &req);
	if (!err) {
		dmabuf = guest_dmabuf_create(source, &req);
		err = PTR_ERR_OR_ZERO(dmabuf);
	}
	if (!err) {
		err = guest_dmabuf_publish(priv, dmabuf, &req, arg);
		if (err)
			dma_buf_put(dmabuf);
	}
	if (err && put_user(req.bad, &arg->bad))
		return -EFAULT;
	return err;
}

static long
guest_dmabuf_ioctl_restrict(struct guest_dmabuf_file *priv,
			    struct xen_guest_dmabuf_restrict __user *arg)
{
	struct xen_guest_dmabuf_restrict req;
	int err;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (!guest_dmabuf_is_other_domain(req.domid) || req.flags)
		return -EINVAL;
	err = mutex_lock_killable(&priv->lock);
	if (err)
		return err;
	if (guest_dmabuf_may_use(priv, req.domid))
		WRITE_ONCE(priv->domid, req.domid);
	else
		err = -EPERM;
	mutex_unlock(&priv->lock);
	return err;
}

static const struct guest_dmabuf_source *guest_dmabuf_frames(void)
{
#ifdef CONFIG_XEN_PV
	if (xen_pv_domain())
		return &guest_dmabuf_pv;
#endif
	return &guest_dmabuf_translated;
}

static long guest_dmabuf_ioctl(struct file *file, unsigned int cmd,
			       unsigned long arg)
{
	struct guest_dmabuf_file *priv = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case XEN_GUEST_DMABUF_FRAMES:
		return guest_dmabuf_ioctl_create(priv, guest_dmabuf_frames(),
						 uarg);
	case XEN_GUEST_DMABUF_GRANTS:
		return guest_dmabuf_ioctl_create(priv, &guest_dmabuf_grants,
						 uarg);
	case XEN_GUEST_DMABUF_RESTRICT:
		return guest_dmabuf_ioctl_restrict(priv, uarg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations guest_dmabuf_fops = {
	.owner = THIS_MODULE,
	.open = guest_dmabuf_open,
	.release = guest_dmabuf_close,
	.unlocked_ioctl = guest_dmabuf_ioctl,
	/* No pointers and no padding: 32-bit callers use the same layout. */
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice guest_dmabuf_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xen/guest-dmabuf",
	.fops = &guest_dmabuf_fops,
	.mode = 0600,
};

static void guest_dmabuf_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("xen-guest-dmabuf", NULL);

	debugfs_create_atomic_t("buffers", 0400, dir,
				&guest_dmabuf_stats.buffers);
	debugfs_create_atomic_t("pages", 0400, dir, &guest_dmabuf_stats.pages);
	debugfs_create_atomic_t("attachments", 0400, dir,
				&guest_dmabuf_stats.attachments);
	debugfs_create_atomic_t("views", 0400, dir, &guest_dmabuf_stats.views);
	debugfs_create_atomic_t("lost", 0400, dir, &guest_dmabuf_stats.lost);
	guest_dmabuf_debugfs = dir;
}

/* dom0 loads modules before there is a xenstore, and needs none here. */
static u32 guest_dmabuf_own_domid(void)
{
	return xen_initial_domain() ?
		0 : xenbus_read_unsigned("domid", "", DOMID_INVALID);
}

static int __init guest_dmabuf_init(void)
{
	int err;

	if (!xen_has_pv_devices()) {
		pr_info("not running on Xen, or without a grant table\n");
		return -ENODEV;
	}
	guest_dmabuf_self = guest_dmabuf_own_domid();
	if (guest_dmabuf_self == DOMID_INVALID) {
		pr_err("cannot read this domain's number (node domid) from xenstore, so its own memory cannot be told from others': load the module when xenstore answers\n");
		return -ENXIO;
	}
	err = misc_register(&guest_dmabuf_misc);
	if (err)
		return err;
	guest_dmabuf_debugfs_init();
	return 0;
}

/* No descriptor is open and no buffer exists: both hold the module. */
static void __exit guest_dmabuf_exit(void)
{
	misc_deregister(&guest_dmabuf_misc);
	debugfs_remove_recursive(guest_dmabuf_debugfs);
	guest_dmabuf_limits_exit();
}

module_init(guest_dmabuf_init);
module_exit(guest_dmabuf_exit);

MODULE_DESCRIPTION("dma-bufs of the memory of other Xen domains");
MODULE_LICENSE("GPL");
/* Not MODULE_IMPORT_NS(), which takes a string only since 6.13. */
MODULE_INFO(import_ns, "DMA_BUF");
