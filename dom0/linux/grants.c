// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-dmabuf-grant: a set of grant references
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <xen/grant_table.h>
#include <xen/page.h>

#include "driver.h"

/**
 * DOC: What the peer can do
 *
 * The peer can map a reference from the moment it is granted, even before it
 * has been told the number, because it can simply try numbers. It can map a
 * reference many times, and it need never unmap. With version 1 of the grant
 * table it can even map a reference again that it already has mapped, while we
 * wait for it to let go.
 *
 * So there is only one proof that a page is ours again:
 * gnttab_try_end_foreign_access(). It revokes the reference atomically, and
 * only if nothing has it mapped.
 *
 * Until then, the exporter must not let the page be used for anything else. It
 * has pinned the buffer, and that is a promise. When a GPU's driver is unbound,
 * TTM breaks it: ttm_device_clear_dma_mappings() frees the pages of pinned
 * buffers, too. So each page is also held by a reference of its own, which
 * keeps it from the page allocator.
 *
 * That is not possible for all pages of a block that was allocated without
 * __GFP_COMP, as TTM allocates its larger ones: only the first page has a
 * reference count. Nor does it help if an exporter uses pages again that it
 * keeps in a pool of its own (TTM has pools of uncached and write-combined
 * pages, and of all pages where it uses the DMA API to allocate them). So
 * unbinding a driver waits until guests have let go of its buffers, see unbind.c.
 */

/* References handled between two calls of cond_resched(). */
#define DMABUF_GRANT_RESCHED_EVERY 1024

static void dmabuf_grant_refs_free_arrays(struct dmabuf_grant_refs *refs)
{
	kvfree(refs->ref);
	kvfree(refs->folio);
	refs->ref = NULL;
	refs->folio = NULL;
}

/**
 * dmabuf_grant_refs_init() - set up an empty set, and charge the peer for it
 * @refs: the set
 * @domid: the domain that may map the pages
 * @size: number of references that it has to hold
 *
 * Return: 0, -ENOMEM, or an error of dmabuf_grant_charge().
 */
int dmabuf_grant_refs_init(struct dmabuf_grant_refs *refs, domid_t domid,
			   u32 size)
{
	int err = dmabuf_grant_charge(&refs->charge, domid, size);

	if (err)
		return err;
	/* The caller chose the size, bounded by its buffer: charge it, too. */
	refs->ref = kvmalloc_array(size, sizeof(*refs->ref),
				   GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	refs->folio = kvmalloc_array(size, sizeof(*refs->folio),
				     GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!refs->ref || !refs->folio) {
		dmabuf_grant_refs_free_arrays(refs);
		dmabuf_grant_charge_shrink(&refs->charge, 0);
		return -ENOMEM;
	}
	refs->domid = domid;
	refs->size = size;
	refs->live = 0;
	refs->next = 0;
	refs->unheld = 0;
	return 0;
}

/**
 * dmabuf_grant_refs_free() - free a set
 * @refs: the set, in which no reference is live
 */
void dmabuf_grant_refs_free(struct dmabuf_grant_refs *refs)
{
	WARN_ON(refs->live);
	dmabuf_grant_charge_shrink(&refs->charge, 0);
	dmabuf_grant_refs_free_arrays(refs);
}

static struct folio *dmabuf_grant_hold(unsigned long pfn)
{
	struct folio *folio = page_folio(pfn_to_page(pfn));

	return folio_try_get(folio) ? folio : NULL;
}

/**
 * dmabuf_grant_refs_add() - grant one page, for reading and writing
 * @refs: the set, which has room for one more
 * @pfn: the page, which has a struct page
 *
 * One reference at a time, because the kernel's call for many of them takes a
 * u16 count and would silently allocate fewer.
 *
 * Context: May sleep.
 * Return: 0, or -ENOSPC if others in this domain have filled the grant table.
 */
int dmabuf_grant_refs_add(struct dmabuf_grant_refs *refs, unsigned long pfn)
{
	struct folio *folio;
	int ref;

	if (WARN_ON(refs->live == refs->size))
		return -EINVAL;
	if (refs->live % DMABUF_GRANT_RESCHED_EVERY == 0)
		cond_resched();
	folio = dmabuf_grant_hold(pfn);
	ref = gnttab_grant_foreign_access(refs->domid, pfn_to_gfn(pfn), 0);
	if (ref < 0) {
		if (folio)
			folio_put(folio);
		return ref;
	}
	refs->ref[refs->live] = ref;
	refs->folio[refs->live++] = folio;
	refs->unheld += !folio;
	atomic_inc(&dmabuf_grant_stats.references);
	return 0;
}

/* The reference at an index has ended: the last one takes its place. */
static void dmabuf_grant_refs_remove(struct dmabuf_grant_refs *refs, u32 at)
{
	if (refs->folio[at])
		folio_put(refs->folio[at]);
	refs->live--;
	refs->ref[at] = refs->ref[refs->live];
	refs->folio[at] = refs->folio[refs->live];
	atomic_dec(&dmabuf_grant_stats.references);
}

/**
 * dmabuf_grant_refs_end() - try to end references
 * @refs: the set; those left live afterwards are what the peer has mapped
 * @max: how many references to try
 *
 * No more are added after the first call.
 *
 * A pass over the whole set starts at the front, so that each reference is
 * tried exactly once. A bounded pass continues where the last one stopped, so
 * that references which the peer keeps forever do not hide those behind them.
 *
 * Context: May sleep.
 * Return: The number of references tried.
 */
u32 dmabuf_grant_refs_end(struct dmabuf_grant_refs *refs, u32 max)
{
	u32 tries = min(max, refs->live);
	u32 i;

	if (max >= refs->live)
		refs->next = 0;
	for (i = 0; i < tries; i++) {
		if (refs->next >= refs->live)
			refs->next = 0;
		if (gnttab_try_end_foreign_access(refs->ref[refs->next]))
			dmabuf_grant_refs_remove(refs, refs->next);
		else
			refs->next++;
		if (i % DMABUF_GRANT_RESCHED_EVERY ==
		    DMABUF_GRANT_RESCHED_EVERY - 1)
			cond_resched();
	}
	dmabuf_grant_charge_shrink(&refs->charge, refs->live);
	return tries;
}
