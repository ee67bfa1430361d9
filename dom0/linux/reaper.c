// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of imports whose descriptor is gone while the peer still had pages
 * mapped.
 *
 * The peer decides how long that lasts; at the latest its own end unmaps
 * everything. A peer that never lets go costs the pages, and one bounded look
 * a second. The module cannot be unloaded meanwhile: each pending import
 * holds a reference on it.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "xdg.h"

#define XDG_REAP_FIRST	(HZ / 10)
#define XDG_REAP_LAST	HZ
/* References tried in one run: some milliseconds. */
#define XDG_REAP_MAX	65536u

static void reap(struct work_struct *work);

static LIST_HEAD(xdg_pending);
static DEFINE_SPINLOCK(xdg_pending_lock);	/* xdg_pending, xdg_delay */
static unsigned long xdg_delay;
static DECLARE_DELAYED_WORK(xdg_reap_work, reap);

static struct xdg_import *take_first(void)
{
	struct xdg_import *imp;

	spin_lock(&xdg_pending_lock);
	imp = list_first_entry_or_null(&xdg_pending, struct xdg_import, node);
	if (imp)
		list_del(&imp->node);
	spin_unlock(&xdg_pending_lock);
	return imp;
}

static void give_back(struct xdg_import *imp)
{
	spin_lock(&xdg_pending_lock);
	list_add_tail(&imp->node, &xdg_pending);
	spin_unlock(&xdg_pending_lock);
}

/*
 * Try one import, within the budget. It goes to the end of the list when
 * anything is left of it, so that each import gets its turn.
 */
static bool reap_one(struct xdg_import *imp, u32 *budget)
{
	u32 live = imp->grants.live;

	*budget -= xdg_grants_end(&imp->grants, *budget);
	if (imp->grants.live) {
		bool progress = imp->grants.live < live;

		give_back(imp);
		return progress;
	}
	xdg_import_free(imp);
	atomic_dec(&xdg_stats.pending);
	/* Not the last instruction here: xdg_reaper_exit() waits for us. */
	module_put(THIS_MODULE);
	return true;
}

/* Soon again while it helps, ever more rarely while it does not. */
static void schedule_next(bool progress)
{
	spin_lock(&xdg_pending_lock);
	if (progress)
		xdg_delay = XDG_REAP_FIRST;
	else
		xdg_delay = min_t(unsigned long, 2 * xdg_delay, XDG_REAP_LAST);
	if (!list_empty(&xdg_pending))
		queue_delayed_work(system_unbound_wq, &xdg_reap_work,
				   xdg_delay);
	spin_unlock(&xdg_pending_lock);
}

static void reap(struct work_struct *work)
{
	int turns = atomic_read(&xdg_stats.pending);
	u32 budget = XDG_REAP_MAX;
	bool progress = false;

	while (turns-- > 0 && budget) {
		struct xdg_import *imp = take_first();

		if (!imp)
			break;
		progress |= reap_one(imp, &budget);
	}
	schedule_next(progress);
}

/* The caller's descriptor keeps the module here until we hold it as well. */
void xdg_reaper_add(struct xdg_import *imp)
{
	__module_get(THIS_MODULE);
	atomic_inc(&xdg_stats.pending);
	spin_lock(&xdg_pending_lock);
	list_add_tail(&imp->node, &xdg_pending);
	xdg_delay = XDG_REAP_FIRST;
	mod_delayed_work(system_unbound_wq, &xdg_reap_work, xdg_delay);
	spin_unlock(&xdg_pending_lock);
}

/* Nothing is pending by now; the last run may be on its way out. */
void xdg_reaper_exit(void)
{
	cancel_delayed_work_sync(&xdg_reap_work);
	WARN_ON(!list_empty(&xdg_pending));
}
