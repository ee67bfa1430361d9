// SPDX-License-Identifier: GPL-2.0-only
/*
 * An import: a dma-buf, pinned, and references to some of its pages.
 *
 * The caller may hand in any descriptor and any numbers. What is granted is
 * limited to whole pages that the exporter itself named as the buffer's: a
 * segment that begins or ends within a page is refused, as the peer would
 * see what else is in that page. As with every importer in the kernel, the
 * access mode of the descriptor is not looked at: who may open the device may
 * grant what it holds a dma-buf of.
 */
#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <xen/page.h>
#include <xen/xen.h>

#include "xdg.h"

static_assert(PAGE_SIZE == XEN_PAGE_SIZE);

/*
 * The locking of dma-bufs changed in 6.2: from then on the importer takes the
 * reservation lock, before that the exporter might.
 */
#ifdef XDG_EXPORTER_LOCKS
#define xdg_map_attachment	dma_buf_map_attachment
#define xdg_unmap_attachment	dma_buf_unmap_attachment
#else
#define xdg_map_attachment	dma_buf_map_attachment_unlocked
#define xdg_unmap_attachment	dma_buf_unmap_attachment_unlocked
#endif

/*
 * Why an exporter did not let us attach or map: transient errors as they
 * are, anything else means that this buffer cannot be had as pages of system
 * memory.
 */
static int import_error(int err, int refusals)
{
	if (xdg_dma_refusals() != refusals)
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
static int attach_buffer(struct xdg_import *imp)
{
	int refusals = xdg_dma_refusals();
	int err;

	imp->attach = dma_buf_attach(imp->dmabuf, xdg_dma_device());
	if (IS_ERR(imp->attach))
		return import_error(PTR_ERR(imp->attach), refusals);
	imp->sgt = xdg_map_attachment(imp->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(imp->sgt)) {
		err = import_error(PTR_ERR(imp->sgt), refusals);
		dma_buf_detach(imp->dmabuf, imp->attach);
		return err;
	}
	return 0;
}

static void detach_buffer(struct xdg_import *imp)
{
	xdg_unmap_attachment(imp->attach, imp->sgt, DMA_BIDIRECTIONAL);
	dma_buf_detach(imp->dmabuf, imp->attach);
}

/*
 * A PV domain's table of frames also has entries for memory that is not the
 * domain's: other domains' pages and I/O space, told apart by two bits that
 * pfn_to_gfn() would drop.
 */
static bool frame_is_ours(unsigned long pfn)
{
#ifdef CONFIG_XEN_PV
	if (xen_pv_domain())
		return !(__pfn_to_mfn(pfn) &
			 (FOREIGN_FRAME_BIT | IDENTITY_FRAME_BIT));
#endif
	return true;
}

static int grant_page(struct xdg_import *imp, domid_t domid, dma_addr_t addr)
{
	unsigned long pfn;

	if (!xdg_dma_to_pfn(addr, &pfn) || !frame_is_ours(pfn))
		return -EOPNOTSUPP;
	return xdg_grants_add(&imp->grants, domid, pfn_to_gfn(pfn));
}

static int grant_run(struct xdg_import *imp, domid_t domid, dma_addr_t addr,
		     u64 len)
{
	u64 done;
	int err;

	for (done = 0; done < len; done += PAGE_SIZE) {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = grant_page(imp, domid, addr + done);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Grant the bytes from start to end of the buffer. The kernel's own iterator
 * over the pages of a mapped table (for_each_sgtable_dma_page) is wrong for
 * segments whose offset is a page or more, and udmabuf makes such segments
 * of huge pages: it would run on into pages behind the segment.
 */
static int grant_range(struct xdg_import *imp, domid_t domid, u64 start,
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
			err = grant_run(imp, domid, addr + (from - pos),
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

static bool range_in_buffer(const struct dma_buf *dmabuf, u64 offset,
			    u32 nr_pages)
{
	return offset <= dmabuf->size &&
	       nr_pages <= (dmabuf->size - offset) >> PAGE_SHIFT;
}

/* On success imp is complete: xdg_import_free() undoes it. */
static int prepare(struct xdg_import *imp,
		   const struct xen_dmabuf_grant_import *req)
{
	int err;

	imp->dmabuf = dma_buf_get(req->fd);
	if (IS_ERR(imp->dmabuf))
		return PTR_ERR(imp->dmabuf);
	err = -EINVAL;
	if (!range_in_buffer(imp->dmabuf, req->offset, req->nr_pages))
		goto put;
	err = xdg_grants_init(&imp->grants, req->nr_pages);
	if (err)
		goto put;
	err = attach_buffer(imp);
	if (err)
		goto free;
	atomic_inc(&xdg_stats.imports);
	return 0;

free:
	xdg_grants_free(&imp->grants);
put:
	dma_buf_put(imp->dmabuf);
	return err;
}

/* The fields of req other than fd and refs have been checked by the caller. */
struct xdg_import *xdg_import_create(const struct xen_dmabuf_grant_import *req)
{
	struct xdg_import *imp;
	u64 len = (u64)req->nr_pages << PAGE_SHIFT;
	int err;

	imp = kzalloc(sizeof(*imp), GFP_KERNEL_ACCOUNT);
	if (!imp)
		return ERR_PTR(-ENOMEM);
	err = prepare(imp, req);
	if (err) {
		kfree(imp);
		return ERR_PTR(err);
	}
	err = grant_range(imp, req->domid, req->offset, req->offset + len);
	if (err) {
		xdg_import_abandon(imp);
		return ERR_PTR(err);
	}
	return imp;
}

/* Only when no reference is live. */
void xdg_import_free(struct xdg_import *imp)
{
	xdg_grants_free(&imp->grants);
	detach_buffer(imp);
	dma_buf_put(imp->dmabuf);
	kfree(imp);
	atomic_dec(&xdg_stats.imports);
}

/*
 * Nobody will ask for this import any more. The peer may have mapped some of
 * it, even of an import that failed half-way: then it is the reaper's.
 */
void xdg_import_abandon(struct xdg_import *imp)
{
	xdg_grants_end(&imp->grants, U32_MAX);
	if (imp->grants.live)
		xdg_reaper_add(imp);
	else
		xdg_import_free(imp);
}
