// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-guest-dmabuf: how many pages the buffers of each domain, and of all, may
 * have
 */
#include <linux/errno.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "driver.h"

/**
 * DOC: What a page costs
 *
 * The memory is the other domain's, but it stays in use as long as the buffer
 * exists, also if the domain has given it back to Xen or has ended; then nobody
 * else can have it. In this domain a page costs a piece of physical address
 * space with its struct page (1.6 % of the size), which the kernel allocates in
 * steps of 128 MiB and uses again, but never gives back; and on a PV domain its
 * part of the page tables. So both the pages of one domain and those of all are
 * limited. An entry that occurs twice counts twice.
 *
 * Whoever has the dma-buf keeps the pages, and they count for the domain that
 * they are of, not for the descriptor through which the buffer was made.
 */

static unsigned int guest_dmabuf_domain_limit = 65536;
module_param_named(domain_limit, guest_dmabuf_domain_limit, uint, 0644);
MODULE_PARM_DESC(domain_limit,
		 "pages that the buffers of one domain may have (default 65536, 256 MiB)");

static unsigned int guest_dmabuf_total_limit = 262144;
module_param_named(total_limit, guest_dmabuf_total_limit, uint, 0644);
MODULE_PARM_DESC(total_limit,
		 "pages that the buffers of all domains may have (default 262144, 1 GiB)");

/* Protects everything below. */
static DEFINE_MUTEX(guest_dmabuf_limits_lock);
static DEFINE_XARRAY(guest_dmabuf_domains);	/* by domid: pages, if there are any */
static unsigned long guest_dmabuf_total;

static unsigned long guest_dmabuf_pages_of(domid_t domid)
{
	void *entry = xa_load(&guest_dmabuf_domains, domid);

	return entry ? xa_to_value(entry) : 0;
}

/*
 * An error only if the domain had none before: what exists is changed without
 * an allocation.
 */
static int guest_dmabuf_set_pages_of(domid_t domid, unsigned long nr_pages)
{
	if (nr_pages)
		return xa_err(xa_store(&guest_dmabuf_domains, domid,
				       xa_mk_value(nr_pages), GFP_KERNEL));
	xa_erase(&guest_dmabuf_domains, domid);
	return 0;
}

static int guest_dmabuf_charge_locked(domid_t domid, u32 nr_pages)
{
	unsigned long all = guest_dmabuf_total + nr_pages;
	unsigned long of = guest_dmabuf_pages_of(domid) + nr_pages;
	int err;

	if (of > READ_ONCE(guest_dmabuf_domain_limit))
		return -EDQUOT;
	if (all > READ_ONCE(guest_dmabuf_total_limit))
		return -ENOSPC;
	err = guest_dmabuf_set_pages_of(domid, of);
	if (!err)
		guest_dmabuf_total = all;
	return err;
}

/**
 * guest_dmabuf_charge() - count pages before they are allocated
 * @domid: the domain whose memory it is
 * @nr_pages: number of pages, 1 or more
 *
 * Context: Sleeps.
 * Return: 0, -EDQUOT if this domain's buffers have too many pages, -ENOSPC if
 * all have, or -ENOMEM.
 */
int guest_dmabuf_charge(domid_t domid, u32 nr_pages)
{
	int err;

	mutex_lock(&guest_dmabuf_limits_lock);
	err = guest_dmabuf_charge_locked(domid, nr_pages);
	mutex_unlock(&guest_dmabuf_limits_lock);
	return err;
}

/**
 * guest_dmabuf_uncharge() - pages are not used any more
 * @domid: the domain
 * @nr_pages: number of pages that were charged
 *
 * Context: Sleeps.
 */
void guest_dmabuf_uncharge(domid_t domid, u32 nr_pages)
{
	mutex_lock(&guest_dmabuf_limits_lock);
	guest_dmabuf_total -= nr_pages;
	guest_dmabuf_set_pages_of(domid, guest_dmabuf_pages_of(domid) - nr_pages);
	mutex_unlock(&guest_dmabuf_limits_lock);
}

/**
 * guest_dmabuf_limits_exit() - no buffer is left
 */
void guest_dmabuf_limits_exit(void)
{
	WARN_ON(!xa_empty(&guest_dmabuf_domains));
	xa_destroy(&guest_dmabuf_domains);
}
