// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: refuse to be suspended by the toolstack
 *
 * A device model whose GPU has host memory cannot be saved. "xl save" and
 * "xl migrate" learn that while the guest runs, "xl suspend" only after the
 * guest has suspended. When it is resumed then, Linux thaws its devices, which
 * for virtio-gpu is a reset: all resources are lost, and in 6.12 the queues,
 * too.
 *
 * So the guest refuses to suspend, before any device is frozen: in .prepare,
 * because xenbus ignores what a driver's .suspend returns. The guest runs on
 * with all it has mapped, and libxl gives up after a minute.
 */
#include <linux/compiler.h>
#include <linux/device.h>
#include <linux/notifier.h>
#include <linux/pm.h>
#include <linux/suspend.h>

#include "driver.h"

/*
 * The guest itself goes to sleep or hibernates, for which the device model is
 * not saved. Xen's suspend does not call the notifiers.
 */
static bool hostmem_own_transition;

static int hostmem_pm_event(struct notifier_block *nb, unsigned long event,
			    void *unused)
{
	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		WRITE_ONCE(hostmem_own_transition, true);
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_SUSPEND:
	case PM_POST_RESTORE:
		WRITE_ONCE(hostmem_own_transition, false);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block hostmem_pm_nb = {
	.notifier_call = hostmem_pm_event,
};

static int hostmem_prepare(struct device *dev)
{
	if (READ_ONCE(hostmem_own_transition))
		return 0;
	dev_warn(dev,
		 "suspend refused: the device model cannot be saved, and the GPU would lose its buffers\n");
	return -EBUSY;
}

const struct dev_pm_ops xen_hostmem_pm_ops = {
	.prepare = hostmem_prepare,
};

int xen_hostmem_suspend_init(void)
{
	return register_pm_notifier(&hostmem_pm_nb);
}

void xen_hostmem_suspend_exit(void)
{
	unregister_pm_notifier(&hostmem_pm_nb);
}
