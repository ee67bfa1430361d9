// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-dmabuf-grant: ends imports whose descriptor is gone while the peer still
 * had pages mapped
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "driver.h"

/**
 * DOC: A peer that does not let go
 *
 * The peer decides how long an import stays pending; the end of the domain
 * unmaps everything at the latest. A peer that never lets go costs the pages
 * and one bounded attempt per second. The module cannot be unloaded meanwhile,
 * as each pending import holds a reference on it.
 */

#define DMABUF_GRANT_REAP_FIRST	(HZ / 10)
#define DMABUF_GRANT_REAP_LAST	HZ
/* References tried in one run: a few milliseconds. */
#define DMABUF_GRANT_REAP_MAX	65536u

static void dmabuf_grant_reap(struct work_struct *work);

static LIST_HEAD(dmabuf_grant_pending);
/* Protects dmabuf_grant_pending and dmabuf_grant_delay. */
static DEFINE_SPINLOCK(dmabuf_grant_pending_lock);
static unsigned long dmabuf_grant_delay;
static DECLARE_DELAYED_WORK(dmabuf_grant_reap_work, dmabuf_grant_reap);

static struct dmabuf_grant_import *dmabuf_grant_take_first(void)
{
	struct dmabuf_grant_import *imp;

	spin_lock(&dmabuf_grant_pending_lock);
	imp = list_first_entry_or_null(&dmabuf_grant_pending,
				       struct dmabuf_grant_import, node);
	if (imp)
		list_del(&imp->node);
	spin_unlock(&dmabuf_grant_pending_lock);
	return imp;
}

static void dmabuf_grant_give_back(struct dmabuf_grant_import *imp)
{
	spin_lock(&dmabuf_grant_pending_lock);
	list_add_tail(&imp->node, &dmabuf_grant_pending);
	spin_unlock(&dmabuf_grant_pending_lock);
}

/*
 * Tries one import, within the budget. If anything is left of it, it goes to
 * the end of the list, so that each import gets its turn.
 */
static bool dmabuf_grant_reap_one(struct dmabuf_grant_import *imp, u32 *budget)
{
	u32 live = imp->refs.live;

	*budget -= dmabuf_grant_refs_end(&imp->refs, *budget);
	if (imp->refs.live) {
		bool progress = imp->refs.live < live;

		dmabuf_grant_give_back(imp);
		return progress;
	}
	dmabuf_grant_import_free(imp);
	atomic_dec(&dmabuf_grant_stats.pending);
	/* Code follows this; dmabuf_grant_reaper_exit() waits for it. */
	module_put(THIS_MODULE);
	return true;
}

/* Soon again while there is progress, ever more rarely while there is none. */
static void dmabuf_grant_schedule_next(bool progress)
{
	spin_lock(&dmabuf_grant_pending_lock);
	if (progress)
		dmabuf_grant_delay = DMABUF_GRANT_REAP_FIRST;
	else
		dmabuf_grant_delay = min_t(unsigned long,
					   2 * dmabuf_grant_delay,
					   DMABUF_GRANT_REAP_LAST);
	if (!list_empty(&dmabuf_grant_pending))
		queue_delayed_work(dmabuf_grant_wq, &dmabuf_grant_reap_work,
				   dmabuf_grant_delay);
	spin_unlock(&dmabuf_grant_pending_lock);
}

static void dmabuf_grant_reap(struct work_struct *work)
{
	int turns = atomic_read(&dmabuf_grant_stats.pending);
	u32 budget = DMABUF_GRANT_REAP_MAX;
	bool progress = false;

	while (turns-- > 0 && budget) {
		struct dmabuf_grant_import *imp = dmabuf_grant_take_first();

		if (!imp)
			break;
		progress |= dmabuf_grant_reap_one(imp, &budget);
	}
	dmabuf_grant_schedule_next(progress);
}

/**
 * dmabuf_grant_reaper_add() - hand an import over to the reaper
 * @imp: an import with live references; the reaper frees it
 *
 * Context: The caller's descriptor holds the module until this function does.
 */
void dmabuf_grant_reaper_add(struct dmabuf_grant_import *imp)
{
	__module_get(THIS_MODULE);
	atomic_inc(&dmabuf_grant_stats.pending);
	spin_lock(&dmabuf_grant_pending_lock);
	list_add_tail(&imp->node, &dmabuf_grant_pending);
	dmabuf_grant_delay = DMABUF_GRANT_REAP_FIRST;
	mod_delayed_work(dmabuf_grant_wq, &dmabuf_grant_reap_work,
			 dmabuf_grant_delay);
	spin_unlock(&dmabuf_grant_pending_lock);
}

/**
 * dmabuf_grant_reaper_exit() - wait for the reaper's last run
 *
 * Nothing is pending any more, but the last run may not have returned yet.
 *
 * Context: Sleeps.
 */
void dmabuf_grant_reaper_exit(void)
{
	cancel_delayed_work_sync(&dmabuf_grant_reap_work);
	WARN_ON(!list_empty(&dmabuf_grant_pending));
}
