// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-dmabuf-grant: a driver whose buffers are granted is being unbound
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/sched.h>
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
 * cannot wait kills the process that waits, or sets a limit.
 *
 * The bus holds its list of notifiers for reading meanwhile. Its drivers are
 * bound and unbound as ever, until somebody wants to change the list, such as a
 * module that is loaded or unloaded: that waits as well, and so does whoever
 * comes after it.
 *
 * When a device is unplugged, or has failed, a thread of the kernel unbinds the
 * driver, with the device's lock held, and perhaps that of the slot or the
 * bridge. Nobody can kill it, and a guest that keeps a page would have it wait
 * for ever. So it waits for a limited time only. Then the exporter has lost the
 * pages, and guests have not: no grant can be taken away from a domain that has
 * it mapped. It helps to end these domains, before the time is over, or at once
 * thereafter: the log names them. Nothing ends them by itself, because honest
 * ones do not know that they are waited for.
 *
 * Drivers that are built into the kernel are not told apart, and do not wait.
 */

/* A device that is being unbound from its driver */
struct dmabuf_grant_unbinding {
	struct list_head node;
	const struct device *dev;
	const struct module *owner;
};

/* Below 120 seconds, after which the kernel reports who waits for locks. */
static unsigned int dmabuf_grant_unbind_wait_limit = 60;
module_param_named(unbind_wait, dmabuf_grant_unbind_wait_limit, uint, 0644);
MODULE_PARM_DESC(unbind_wait,
		 "seconds that a thread of the kernel, which nobody can kill, waits for guests when it unbinds a driver (default 60)");

static unsigned int dmabuf_grant_unbind_wait_process;
module_param_named(unbind_wait_process, dmabuf_grant_unbind_wait_process, uint,
		   0644);
MODULE_PARM_DESC(unbind_wait_process,
		 "seconds that a process, which can be killed, waits for the same (default 0: until they have let go)");

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

/* The domains that have buffers of a driver, for the log */
struct dmabuf_grant_holders {
	domid_t domid[8];
	unsigned int count;
	bool more;
};

/* Called with the lock held. */
static void dmabuf_grant_add_holder(struct dmabuf_grant_holders *holders,
				    domid_t domid)
{
	unsigned int i;

	for (i = 0; i < holders->count; i++) {
		if (holders->domid[i] == domid)
			return;
	}
	if (holders->count < ARRAY_SIZE(holders->domid))
		holders->domid[holders->count++] = domid;
	else
		holders->more = true;
}

/* Writes their numbers to text; returns how many buffers they have. */
static unsigned int dmabuf_grant_name_holders(const struct module *owner,
					      char *text, size_t size)
{
	struct dmabuf_grant_holders holders = {};
	struct dmabuf_grant_import *imp;
	unsigned int i, count = 0;
	int len = 0;

	spin_lock(&dmabuf_grant_imports_lock);
	list_for_each_entry(imp, &dmabuf_grant_imports, all) {
		if (imp->dmabuf->owner == owner) {
			dmabuf_grant_add_holder(&holders, imp->refs.domid);
			count++;
		}
	}
	spin_unlock(&dmabuf_grant_imports_lock);
	text[0] = 0;
	for (i = 0; i < holders.count; i++)
		len += scnprintf(text + len, size - len, "%s%u", i ? ", " : "",
				 holders.domid[i]);
	if (holders.more)
		scnprintf(text + len, size - len, " and others");
	return count;
}

static bool dmabuf_grant_can_be_killed(void)
{
	return !(current->flags & PF_KTHREAD);
}

/* What a wait without a limit has in place of seconds */
#define DMABUF_GRANT_NO_LIMIT	U32_MAX

static u32 dmabuf_grant_wait_seconds(void)
{
	if (dmabuf_grant_can_be_killed())
		return READ_ONCE(dmabuf_grant_unbind_wait_process) ?:
		       DMABUF_GRANT_NO_LIMIT;
	return READ_ONCE(dmabuf_grant_unbind_wait_limit);
}

/* Returns whether the guests have let go. */
static bool dmabuf_grant_wait_gone(const struct module *owner, u32 seconds)
{
	long limit = min_t(u64, (u64)seconds * HZ, MAX_JIFFY_OFFSET);

	if (!dmabuf_grant_can_be_killed())
		return wait_event_idle_timeout(dmabuf_grant_import_gone,
					       !dmabuf_grant_imports_of(owner),
					       limit);
	if (seconds == DMABUF_GRANT_NO_LIMIT)
		limit = MAX_SCHEDULE_TIMEOUT;
	return wait_event_killable_timeout(dmabuf_grant_import_gone,
					   !dmabuf_grant_imports_of(owner),
					   limit) > 0;
}

static void dmabuf_grant_say_wait(const struct device *dev, const char *domains,
				  unsigned int count, u32 seconds)
{
	char limit[sizeof(", but at most 4294967295 seconds")] = "";

	if (seconds != DMABUF_GRANT_NO_LIMIT)
		scnprintf(limit, sizeof(limit), ", but at most %u seconds",
			  seconds);
	pr_notice("unbinding %s waits until guests (domains %s) have let go of %u of its driver's buffers%s, and modules that watch its bus may wait, too: end those that keep them%s\n",
		  dev_name(dev), domains, count, limit,
		  dmabuf_grant_can_be_killed() ? ", or kill what waits" : "");
}

static void dmabuf_grant_unbind_wait(const struct device *dev,
				     const struct module *owner)
{
	char domains[8 * sizeof("65535, ") + sizeof(" and others")];
	u32 seconds = dmabuf_grant_wait_seconds();
	unsigned int count;

	count = dmabuf_grant_name_holders(owner, domains, sizeof(domains));
	if (!count)
		return;
	dmabuf_grant_say_wait(dev, domains, count, seconds);
	if (dmabuf_grant_wait_gone(owner, seconds))
		return;
	count = dmabuf_grant_name_holders(owner, domains, sizeof(domains));
	pr_warn("%s is unbound although guests (domains %s) have %u buffers of its driver: they may see, and change, other data of this domain until they end\n",
		dev_name(dev), domains, count);
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
