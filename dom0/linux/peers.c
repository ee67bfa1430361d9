// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-dmabuf-grant: how much of the grant table and of memory each peer may use
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/xarray.h>
#include <xen/grant_table.h>
#include <xen/interface/grant_table.h>
#include <xen/page.h>
#include <asm/xen/hypercall.h>

#include "driver.h"

/**
 * DOC: Sharing the grant table
 *
 * All peers share this domain's grant table, and a peer that does not let go
 * of what it has mapped keeps its references for as long as it exists. A limit
 * on what is granted at once would therefore limit nothing: what a peer keeps
 * counts, whoever imported it, and also after its descriptor is gone.
 *
 * The table has three parts. The last 32nd is left to the rest of the kernel.
 * Of the part for small imports each peer has a share: a small buffer may be a
 * ring, for which there is no slow path, so whatever other peers do there has
 * to be room for it. The rest is for everything else, and each peer may have
 * half of it. A small import that exceeds the peer's share counts as any other.
 *
 * With Xen's default of 64 frames, which hold 32768 references, a peer gets up
 * to 11776 of them (46 MiB), and in addition 2048 (8 MiB) for small imports;
 * the shares of four peers fit.
 */

/**
 * DOC: Sharing memory
 *
 * An import pins its whole buffer, however few of its pages are granted, and
 * until the last of these is released: the exporter cannot give back a part. So
 * what is granted does not tell what a peer costs. A peer that has a page of
 * each of many large buffers granted, and keeps it, would have this domain's
 * memory for a few references.
 *
 * Hence a second limit, on the sum of the sizes of the buffers, as their
 * exporters state them. By default it is what the peer may have granted, as if
 * buffers were granted as a whole, which is the rule. A buffer that is imported
 * twice counts twice, as nobody needs that.
 */

/* Imports of so many pages are small. */
#define DMABUF_GRANT_SMALL_MAX 1024

static unsigned int dmabuf_grant_peer_limit;
module_param_named(peer_limit, dmabuf_grant_peer_limit, uint, 0644);
MODULE_PARM_DESC(peer_limit,
		 "pages that one domain may have at once (0: half of what the table has for all)");

static unsigned int dmabuf_grant_peer_small;
module_param_named(peer_small, dmabuf_grant_peer_small, uint, 0644);
MODULE_PARM_DESC(peer_small,
		 "pages of imports of up to 1024 pages that one domain may have in addition (0: a 16th of the table)");

static unsigned int dmabuf_grant_reserve;
module_param_named(reserve, dmabuf_grant_reserve, uint, 0644);
MODULE_PARM_DESC(reserve,
		 "pages of the table that are kept for such imports of all domains (0: a quarter of the table)");

static unsigned int dmabuf_grant_peer_pinned;
module_param_named(peer_pinned, dmabuf_grant_peer_pinned, uint, 0644);
MODULE_PARM_DESC(peer_pinned,
		 "pages of whole buffers that one domain may keep pinned (0: as many as it may have granted)");

/* Protects everything below, and dmabuf_grant_stats.pinned. */
static DEFINE_MUTEX(dmabuf_grant_peers_lock);
static DEFINE_XARRAY(dmabuf_grant_peers);	/* by domid; only those that hold pages */
static u64 dmabuf_grant_held[DMABUF_GRANT_PARTS];	/* sums over all peers */

/* Number of references that this domain's table can grow to. */
static u64 dmabuf_grant_table_size(void)
{
	struct gnttab_get_version version = { .dom = DOMID_SELF };
	size_t size = sizeof(struct grant_entry_v1);

	if (!HYPERVISOR_grant_table_op(GNTTABOP_get_version, &version, 1) &&
	    version.version == 2)
		size = sizeof(union grant_entry_v2);
	return (u64)gnttab_max_grant_frames() * (XEN_PAGE_SIZE / size);
}

struct dmabuf_grant_limits {
	u64 peer[DMABUF_GRANT_PARTS];	/* of one peer */
	u64 all[DMABUF_GRANT_PARTS];	/* of all peers together */
	u64 pinned;			/* of one peer */
};

static struct dmabuf_grant_limits dmabuf_grant_limits(void)
{
	u64 table = dmabuf_grant_table_size(), usable = table - table / 32;
	u32 limit = READ_ONCE(dmabuf_grant_peer_limit);
	u32 small = READ_ONCE(dmabuf_grant_peer_small);
	u32 reserve = READ_ONCE(dmabuf_grant_reserve);
	u32 pinned = READ_ONCE(dmabuf_grant_peer_pinned);
	struct dmabuf_grant_limits is;

	is.all[DMABUF_GRANT_SMALL] = min(usable, reserve ?: table / 4);
	is.all[DMABUF_GRANT_BULK] = usable - is.all[DMABUF_GRANT_SMALL];
	is.peer[DMABUF_GRANT_SMALL] = small ?: table / 16;
	is.peer[DMABUF_GRANT_BULK] = limit ?: is.all[DMABUF_GRANT_BULK] / 2;
	is.pinned = pinned ?: is.peer[DMABUF_GRANT_SMALL] +
			      is.peer[DMABUF_GRANT_BULK];
	return is;
}

static int dmabuf_grant_check(const struct dmabuf_grant_limits *is,
			      const struct dmabuf_grant_peer *peer,
			      enum dmabuf_grant_part part, u32 nr_pages)
{
	if (peer->held[part] + nr_pages > is->peer[part])
		return -EDQUOT;
	if (dmabuf_grant_held[part] + nr_pages > is->all[part])
		return -ENOSPC;
	return 0;
}

static struct dmabuf_grant_peer *dmabuf_grant_peer_find(domid_t domid)
{
	struct dmabuf_grant_peer *peer = xa_load(&dmabuf_grant_peers, domid);
	int err;

	if (peer)
		return peer;
	peer = kzalloc(sizeof(*peer), GFP_KERNEL_ACCOUNT);
	if (!peer)
		return ERR_PTR(-ENOMEM);
	peer->domid = domid;
	err = xa_err(xa_store(&dmabuf_grant_peers, domid, peer, GFP_KERNEL));
	if (err) {
		kfree(peer);
		return ERR_PTR(err);
	}
	return peer;
}

static void dmabuf_grant_peer_put(struct dmabuf_grant_peer *peer)
{
	if (!peer->held[DMABUF_GRANT_SMALL] && !peer->held[DMABUF_GRANT_BULK] &&
	    !peer->pinned) {
		xa_erase(&dmabuf_grant_peers, peer->domid);
		kfree(peer);
	}
}

static void dmabuf_grant_count(struct dmabuf_grant_charge *charge)
{
	charge->peer->held[charge->part] += charge->nr_pages;
	dmabuf_grant_held[charge->part] += charge->nr_pages;
}

static int dmabuf_grant_peer_take(struct dmabuf_grant_charge *charge)
{
	struct dmabuf_grant_limits is = dmabuf_grant_limits();
	int err;

	charge->part = DMABUF_GRANT_SMALL;
	if (charge->nr_pages <= DMABUF_GRANT_SMALL_MAX &&
	    !dmabuf_grant_check(&is, charge->peer, charge->part,
				charge->nr_pages)) {
		dmabuf_grant_count(charge);
		return 0;
	}
	charge->part = DMABUF_GRANT_BULK;
	err = dmabuf_grant_check(&is, charge->peer, charge->part,
				 charge->nr_pages);
	if (!err)
		dmabuf_grant_count(charge);
	return err;
}

/**
 * dmabuf_grant_charge() - charge a peer for pages before they are granted to it
 * @charge: what is charged; filled in
 * @domid: the peer
 * @nr_pages: number of pages, 1 or more
 *
 * Context: Sleeps.
 * Return: 0, -EDQUOT if the peer holds too much, -ENOSPC if all of them do, or
 * -ENOMEM.
 */
int dmabuf_grant_charge(struct dmabuf_grant_charge *charge, domid_t domid,
			u32 nr_pages)
{
	int err;

	mutex_lock(&dmabuf_grant_peers_lock);
	charge->nr_pages = nr_pages;
	charge->peer = dmabuf_grant_peer_find(domid);
	if (IS_ERR(charge->peer)) {
		err = PTR_ERR(charge->peer);
	} else {
		err = dmabuf_grant_peer_take(charge);
		if (err)
			dmabuf_grant_peer_put(charge->peer);
	}
	mutex_unlock(&dmabuf_grant_peers_lock);
	if (err)
		charge->nr_pages = 0;
	return err;
}

/**
 * dmabuf_grant_charge_shrink() - the peer has let go of pages
 * @charge: what was charged
 * @nr_pages: number of pages that it still holds
 *
 * Context: Sleeps.
 */
void dmabuf_grant_charge_shrink(struct dmabuf_grant_charge *charge,
				u32 nr_pages)
{
	u32 less = charge->nr_pages - nr_pages;

	if (!less)
		return;
	mutex_lock(&dmabuf_grant_peers_lock);
	charge->nr_pages = nr_pages;
	charge->peer->held[charge->part] -= less;
	dmabuf_grant_held[charge->part] -= less;
	dmabuf_grant_peer_put(charge->peer);
	mutex_unlock(&dmabuf_grant_peers_lock);
}

static int dmabuf_grant_pin_take(struct dmabuf_grant_pin *pin)
{
	struct dmabuf_grant_limits is = dmabuf_grant_limits();

	if (pin->peer->pinned + pin->nr_pages > is.pinned)
		return -ENOBUFS;
	pin->peer->pinned += pin->nr_pages;
	dmabuf_grant_stats.pinned += pin->nr_pages;
	return 0;
}

/**
 * dmabuf_grant_pin_charge() - charge a peer for a buffer before it is pinned
 * @pin: what is charged; filled in
 * @domid: the peer
 * @nr_pages: number of pages of the whole buffer, 1 or more
 *
 * Context: Sleeps.
 * Return: 0, -ENOBUFS if the peer has too much pinned, or -ENOMEM.
 */
int dmabuf_grant_pin_charge(struct dmabuf_grant_pin *pin, domid_t domid,
			    u64 nr_pages)
{
	int err;

	mutex_lock(&dmabuf_grant_peers_lock);
	pin->nr_pages = nr_pages;
	pin->peer = dmabuf_grant_peer_find(domid);
	if (IS_ERR(pin->peer)) {
		err = PTR_ERR(pin->peer);
	} else {
		err = dmabuf_grant_pin_take(pin);
		if (err)
			dmabuf_grant_peer_put(pin->peer);
	}
	mutex_unlock(&dmabuf_grant_peers_lock);
	return err;
}

/**
 * dmabuf_grant_pin_uncharge() - the buffer is not pinned any more
 * @pin: what was charged
 *
 * Context: Sleeps.
 */
void dmabuf_grant_pin_uncharge(struct dmabuf_grant_pin *pin)
{
	mutex_lock(&dmabuf_grant_peers_lock);
	pin->peer->pinned -= pin->nr_pages;
	dmabuf_grant_stats.pinned -= pin->nr_pages;
	dmabuf_grant_peer_put(pin->peer);
	mutex_unlock(&dmabuf_grant_peers_lock);
}

/**
 * dmabuf_grant_peers_exit() - nothing is granted any more
 */
void dmabuf_grant_peers_exit(void)
{
	WARN_ON(!xa_empty(&dmabuf_grant_peers));
	xa_destroy(&dmabuf_grant_peers);
}
