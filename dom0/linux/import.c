// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-dmabuf-grant: an import, which is a pinned dma-buf and references to some
 * of its pages
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <xen/page.h>
#include <xen/xen.h>

#include "compat.h"
#include "driver.h"

/**
 * DOC: What can be granted
 *
 * The caller may pass any descriptor and any numbers. Only whole pages that the
 * exporter itself named as the buffer's are granted. A segment that begins or
 * ends within a page is refused, because the peer would see what else is in
 * that page.
 *
 * As for every importer in the kernel, the access mode of the descriptor does
 * not matter: whoever may open the device may grant any dma-buf they hold.
 */

static_assert(PAGE_SIZE == XEN_PAGE_SIZE);

/*
 * The error to return if the exporter did not let us attach or map. Transient
 * errors are passed on. Anything else means that the buffer does not consist of
 * pages of system memory.
 */
static int dmabuf_grant_import_error(int err, bool refused)
{
	if (refused)
		return -EOPNOTSUPP;
	switch (err) {
	case -ENOMEM:
	case -EINTR:
	case -ERESTARTSYS:
		return err;
	default:
		return -EOPNOTSUPP;
	}
}

/* The attachment is static: the exporter pins the pages until we detach. */
static int dmabuf_grant_call_exporter(struct dmabuf_grant_import *imp)
{
	imp->attach = dma_buf_attach(imp->dmabuf, dmabuf_grant_dma_device());
	if (IS_ERR(imp->attach))
		return PTR_ERR(imp->attach);
	imp->sgt = dmabuf_grant_map_attachment(imp->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(imp->sgt)) {
		dma_buf_detach(imp->dmabuf, imp->attach);
		return PTR_ERR(imp->sgt);
	}
	return 0;
}

static int dmabuf_grant_attach(struct dmabuf_grant_import *imp)
{
	struct dmabuf_grant_call call;
	bool refused;
	int err;

	dmabuf_grant_call_begin(&call);
	err = dmabuf_grant_call_exporter(imp);
	refused = dmabuf_grant_call_end(&call);
	return err ? dmabuf_grant_import_error(err, refused) : 0;
}

static void dmabuf_grant_detach(struct dmabuf_grant_import *imp)
{
	dmabuf_grant_unmap_attachment(imp->attach, imp->sgt,
				      DMA_BIDIRECTIONAL);
	dma_buf_detach(imp->dmabuf, imp->attach);
}

/*
 * A PV domain's frame table also has entries for memory that is not its own:
 * other domains' pages, and I/O space. Two bits mark these entries, and
 * pfn_to_gfn() would drop them.
 */
static bool dmabuf_grant_frame_is_ours(unsigned long pfn)
{
#ifdef CONFIG_XEN_PV
	if (xen_pv_domain())
		return !(__pfn_to_mfn(pfn) &
			 (FOREIGN_FRAME_BIT | IDENTITY_FRAME_BIT));
#endif
	return true;
}

static int dmabuf_grant_add_page(struct dmabuf_grant_import *imp,
				 dma_addr_t addr)
{
	unsigned long pfn;

	if (!dmabuf_grant_dma_to_pfn(addr, &pfn) ||
	    !dmabuf_grant_frame_is_ours(pfn))
		return -EOPNOTSUPP;
	return dmabuf_grant_refs_add(&imp->refs, pfn);
}

static int dmabuf_grant_add_run(struct dmabuf_grant_import *imp,
				dma_addr_t addr, u64 len)
{
	u64 done;
	int err;

	for (done = 0; done < len; done += PAGE_SIZE) {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = dmabuf_grant_add_page(imp, addr + done);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Grants the bytes from start to end of the buffer. The kernel's iterator over
 * the pages of a mapped table, for_each_sgtable_dma_page, is wrong for segments
 * whose offset is a page or more, such as those that udmabuf makes of huge
 * pages: it would run past the segment, into other pages.
 */
static int dmabuf_grant_add_range(struct dmabuf_grant_import *imp, u64 start,
				  u64 end)
{
	struct scatterlist *sg;
	u64 pos = 0;
	int i, err;

	for_each_sgtable_dma_sg(imp->sgt, sg, i) {
		dma_addr_t addr = sg_dma_address(sg);
		u64 len = sg_dma_len(sg);
		u64 from = max(start, pos);
		u64 to = min(end, pos + len);

		if (!PAGE_ALIGNED(addr) || !PAGE_ALIGNED(len))
			return -EOPNOTSUPP;
		if (from < to) {
			err = dmabuf_grant_add_run(imp, addr + (from - pos),
						   to - from);
			if (err)
				return err;
		}
		pos += len;
		if (pos >= end)
			return 0;
	}
	/* The exporter named fewer pages than its buffer has. */
	return -EOPNOTSUPP;
}

static bool dmabuf_grant_range_in_buffer(const struct dma_buf *dmabuf,
					 u64 offset, u32 nr_pages)
{
	return offset <= dmabuf->size &&
	       nr_pages <= (dmabuf->size - offset) >> PAGE_SHIFT;
}

/* A buffer within which a range lies, so it is not empty. */
static u64 dmabuf_grant_buffer_pages(const struct dma_buf *dmabuf)
{
	return ((u64)dmabuf->size - 1) / PAGE_SIZE + 1;
}

/* On success imp is complete, and dmabuf_grant_import_free() undoes it. */
static int dmabuf_grant_prepare(struct dmabuf_grant_import *imp,
				const struct xen_dmabuf_grant_import *req)
{
	int err;

	imp->dmabuf = dma_buf_get(req->fd);
	if (IS_ERR(imp->dmabuf))
		return PTR_ERR(imp->dmabuf);
	err = -EINVAL;
	if (!dmabuf_grant_range_in_buffer(imp->dmabuf, req->offset,
					  req->nr_pages))
		goto put;
	err = dmabuf_grant_refs_init(&imp->refs, req->domid, req->nr_pages);
	if (err)
		goto put;
	err = dmabuf_grant_pin_charge(&imp->pin, req->domid,
				      dmabuf_grant_buffer_pages(imp->dmabuf));
	if (err)
		goto free;
	err = dmabuf_grant_unbind_add(imp);
	if (err)
		goto uncharge;
	err = dmabuf_grant_attach(imp);
	if (err)
		goto del;
	atomic_inc(&dmabuf_grant_stats.imports);
	return 0;

del:
	dmabuf_grant_unbind_del(imp);
uncharge:
	dmabuf_grant_pin_uncharge(&imp->pin);
free:
	dmabuf_grant_refs_free(&imp->refs);
put:
	dma_buf_put(imp->dmabuf);
	return err;
}

/* See grants.c: whoever has that driver unbound at any price should be told. */
static void dmabuf_grant_tell_unheld(const struct dmabuf_grant_import *imp)
{
	if (imp->refs.unheld)
		pr_notice_once("%s has pages that cannot be held: unbinding its driver waits until guests have let go of them\n",
			       imp->dmabuf->exp_name);
}

/**
 * dmabuf_grant_import_create() - pin a dma-buf and grant pages of it
 * @req: the request; except for fd and refs, its fields have been checked on
 *	their own
 *
 * Context: Process context of the caller, whose descriptor fd is. Sleeps.
 * Return: The import, which the caller owns, or an error as dmabuf-grant.h
 * lists them. On error no reference is left that the peer can map anew, and
 * what it has mapped meanwhile is left to the reaper.
 */
struct dmabuf_grant_import *
dmabuf_grant_import_create(const struct xen_dmabuf_grant_import *req)
{
	struct dmabuf_grant_import *imp;
	u64 len = (u64)req->nr_pages << PAGE_SHIFT;
	int err;

	imp = kzalloc(sizeof(*imp), GFP_KERNEL_ACCOUNT);
	if (!imp)
		return ERR_PTR(-ENOMEM);
	err = dmabuf_grant_prepare(imp, req);
	if (err) {
		kfree(imp);
		return ERR_PTR(err);
	}
	err = dmabuf_grant_add_range(imp, req->offset, req->offset + len);
	if (err) {
		dmabuf_grant_import_abandon(imp);
		return ERR_PTR(err);
	}
	dmabuf_grant_tell_unheld(imp);
	return imp;
}

/**
 * dmabuf_grant_import_free() - put the dma-buf and free the import
 * @imp: the import, in which no reference is live
 *
 * Context: Sleeps.
 */
void dmabuf_grant_import_free(struct dmabuf_grant_import *imp)
{
	dmabuf_grant_refs_free(&imp->refs);
	dmabuf_grant_detach(imp);
	dmabuf_grant_unbind_del(imp);
	dma_buf_put(imp->dmabuf);
	dmabuf_grant_pin_uncharge(&imp->pin);
	kfree(imp);
	atomic_dec(&dmabuf_grant_stats.imports);
}

/**
 * dmabuf_grant_import_abandon() - end an import for which nobody will ask again
 * @imp: the import
 *
 * The peer may have mapped some of it, even if it failed half-way. In this case
 * the reaper takes it over.
 *
 * Context: Sleeps. The caller's descriptor holds the module.
 */
void dmabuf_grant_import_abandon(struct dmabuf_grant_import *imp)
{
	dmabuf_grant_refs_end(&imp->refs, U32_MAX);
	if (imp->refs.live)
		dmabuf_grant_reaper_add(imp);
	else
		dmabuf_grant_import_free(imp);
}
