// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: an unbind waits for the programs that use the memory
 *
 * What is unmapped now stays usable, but by trapping, where Xen makes two
 * accesses of an atomic instruction: a read and a write. Whatever dom0 changes
 * in between is lost. Among the memory of a Vulkan program is the ring to its
 * renderer, with a word that both change. A lost bit there, and the renderer
 * sleeps for ever while the program waits. So wait until the programs have
 * ended. Requests are served meanwhile.
 */
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "driver.h"

#define HOSTMEM_POLL_USERS_MS		100

static bool force_unbind;
module_param(force_unbind, bool, 0644);
MODULE_PARM_DESC(force_unbind, "Unbinding does not wait for the programs that use the memory");

static bool hostmem_has_users(struct xen_hostmem *hm)
{
	bool users;

	mutex_lock(&hm->lock);
	users = !RB_EMPTY_ROOT(&hm->mappings);
	mutex_unlock(&hm->lock);
	return users && !READ_ONCE(force_unbind) &&
	       hostmem_read_driver_state(hm->dev, hm->dev->otherend) ==
	       XenbusStateConnected;
}

/**
 * xen_hostmem_wait_for_users() - wait until no program uses the window
 * @hm: the device, which still serves its ring
 *
 * A fatal signal ends the wait, and so do the parameter force_unbind and a
 * backend that leaves. If the device vanishes from xenstore, xenwatch removes it.
 * That is a thread of the kernel, which nobody can kill, and all devices of Xen
 * wait for it: it does not wait for programs.
 *
 * Context: .remove. Sleeps.
 */
void xen_hostmem_wait_for_users(struct xen_hostmem *hm)
{
	if (hm->dev->state != XenbusStateConnected || !hostmem_has_users(hm))
		return;
	if (current->flags & PF_KTHREAD) {
		dev_warn(&hm->dev->dev,
			 "removed while programs use memory of the GPU: some may have to be started again\n");
		return;
	}
	dev_notice(&hm->dev->dev,
		   "waiting for the programs that use memory of the GPU to end (see the parameter force_unbind)\n");
	do {
		schedule_timeout_killable(msecs_to_jiffies(HOSTMEM_POLL_USERS_MS));
	} while (!fatal_signal_pending(current) && hostmem_has_users(hm));
}
