// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-dmabuf-grant: a driver whose buffers are granted is being unbound
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "driver.h"

/**
 * DOC: Drivers that are unbound
 *
 * An exporter has pinned what we import, but when its driver is unbound, it may
 * free the pages all the same (TTM does, see grants.c), and a guest that has
 * them mapped would see what they are used for next. Nobody asks us before, and
 * nobody can be refused. But the bus tells us, and until we return, the driver
 * stays.
 *
 * So the unbinding waits until guests have let go of all buffers of that driver,
 * whichever of its devices they are for, and meanwhile none is imported. Who
 * cannot wait kills the process that waits.
 *
 * Drivers that are built into the kernel are not told apart, and do not wait.
 */

/* A device that is being unbound from its driver */
struct dmabuf_grant_unbinding {
	struct list_head node;
	const struct device *dev;
	const struct module *owner;
};

static LIST_HEAD(dmabuf_grant_imports);
static LIST_HEAD(dmabuf_grant_unbindings);
/* Protects both lists. */
static DEFINE_SPINLOCK(dmabuf_grant_imports_lock);
static DECLARE_WAIT_QUEUE_HEAD(dmabuf_grant_import_gone);

/* Called with the lock held. */
static bool dmabuf_grant_is_unbinding(const struct module *owner)
{
	struct dmabuf_grant_unbinding *unbinding;

	list_for_each_entry(unbinding, &dmabuf_grant_unbindings, node) {
		if (unbinding->owner == owner)
			return true;
	}
	return false;
}

/**
 * dmabuf_grant_unbind_add() - from now on, unbinding waits for an import
 * @imp: the import, whose dma-buf is referenced
 *
 * Return: 0, or -EOPNOTSUPP if the driver is being unbound.
 */
int dmabuf_grant_unbind_add(struct dmabuf_grant_import *imp)
{
	int err = 0;

	spin_lock(&dmabuf_grant_imports_lock);
	if (dmabuf_grant_is_unbinding(imp->dmabuf->owner))
		err = -EOPNOTSUPP;
	else
		list_add(&imp->all, &dmabuf_grant_imports);
	spin_unlock(&dmabuf_grant_imports_lock);
	return err;
}

/**
 * dmabuf_grant_unbind_del() - an import is detached from its buffer
 * @imp: the import
 */
void dmabuf_grant_unbind_del(struct dmabuf_grant_import *imp)
{
	spin_lock(&dmabuf_grant_imports_lock);
	list_del(&imp->all);
	spin_unlock(&dmabuf_grant_imports_lock);
	wake_up_all(&dmabuf_grant_import_gone);
}

static unsigned int dmabuf_grant_imports_of(const struct module *owner)
{
	struct dmabuf_grant_import *imp;
	unsigned int count = 0;

	spin_lock(&dmabuf_grant_imports_lock);
	list_for_each_entry(imp, &dmabuf_grant_imports, all)
		count += imp->dmabuf->owner == owner;
	spin_unlock(&dmabuf_grant_imports_lock);
	return count;
}

/* Without memory, imports may be made until the driver is gone, as ever. */
static void dmabuf_grant_unbinding_add(const struct device *dev,
				       const struct module *owner)
{
	struct dmabuf_grant_unbinding *new = kmalloc(sizeof(*new), GFP_KERNEL);

	if (!new)
		return;
	new->dev = dev;
	new->owner = owner;
	spin_lock(&dmabuf_grant_imports_lock);
	list_add(&new->node, &dmabuf_grant_unbindings);
	spin_unlock(&dmabuf_grant_imports_lock);
}

/* All that there are for this device, or for any. */
static void dmabuf_grant_unbinding_del(const struct device *dev)
{
	struct dmabuf_grant_unbinding *unbinding, *next;

	spin_lock(&dmabuf_grant_imports_lock);
	list_for_each_entry_safe(unbinding, next, &dmabuf_grant_unbindings,
				 node) {
		if (!dev || unbinding->dev == dev) {
			list_del(&unbinding->node);
			kfree(unbinding);
		}
	}
	spin_unlock(&dmabuf_grant_imports_lock);
}

static void dmabuf_grant_unbind_wait(const struct device *dev,
				     const struct module *owner)
{
	unsigned int count = dmabuf_grant_imports_of(owner);

	if (!count)
		return;
	pr_notice("unbinding %s waits until guests have let go of %u of its driver's buffers (to unbind all the same, kill what waits)\n",
		  dev_name(dev), count);
	if (wait_event_killable(dmabuf_grant_import_gone,
				!dmabuf_grant_imports_of(owner)))
		pr_warn("%s is unbound although guests have buffers of its driver: they may see other data of this domain\n",
			dev_name(dev));
}

static int dmabuf_grant_bus_notify(struct notifier_block *nb,
				   unsigned long action, void *data)
{
	const struct device *dev = data;

	switch (action) {
	case BUS_NOTIFY_UNBIND_DRIVER:
		if (dev->driver && dev->driver->owner) {
			dmabuf_grant_unbinding_add(dev, dev->driver->owner);
			dmabuf_grant_unbind_wait(dev, dev->driver->owner);
		}
		break;
	case BUS_NOTIFY_UNBOUND_DRIVER:
		dmabuf_grant_unbinding_del(dev);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block dmabuf_grant_pci_notifier = {
	.notifier_call = dmabuf_grant_bus_notify,
};

static struct notifier_block dmabuf_grant_platform_notifier = {
	.notifier_call = dmabuf_grant_bus_notify,
};

/**
 * dmabuf_grant_unbind_init() - watch the buses that GPUs are on
 *
 * Return: 0 or a negative error code.
 */
int dmabuf_grant_unbind_init(void)
{
	int err;

	err = bus_register_notifier(&pci_bus_type, &dmabuf_grant_pci_notifier);
	if (err)
		return err;
	err = bus_register_notifier(&platform_bus_type,
				    &dmabuf_grant_platform_notifier);
	if (err)
		bus_unregister_notifier(&pci_bus_type,
					&dmabuf_grant_pci_notifier);
	return err;
}

/**
 * dmabuf_grant_unbind_exit() - stop watching
 */
void dmabuf_grant_unbind_exit(void)
{
	bus_unregister_notifier(&platform_bus_type,
				&dmabuf_grant_platform_notifier);
	bus_unregister_notifier(&pci_bus_type, &dmabuf_grant_pci_notifier);
	dmabuf_grant_unbinding_del(NULL);
	WARN_ON(!list_empty(&dmabuf_grant_imports));
}
