// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: take requests, answer them
 *
 * The ring is shared with the backend. A request is copied once and checked in
 * the copy; nothing but this file reads the ring.
 */
#include <linux/sched.h>
#include <linux/string.h>
#include <xen/events.h>

#include "driver.h"

static_assert(sizeof(struct xen_hostmem_request) == 32);
static_assert(sizeof(struct xen_hostmem_response) == 32);

static bool in_window(const struct xen_hostmem *hm, u64 offset, u32 nr_pages)
{
	u64 bytes = (u64)nr_pages << XEN_HOSTMEM_PAGE_SHIFT;

	return offset <= hm->window.size && bytes <= hm->window.size - offset;
}

static bool decode_map(const struct xen_hostmem_request *req,
		       struct xen_hostmem_command *cmd)
{
	if ((u64)req->first + req->nr_pages > XEN_HOSTMEM_NR_REFS)
		return false;
	cmd->first = req->first;
	return true;
}

static bool decode_unmap(const struct xen_hostmem_request *req,
			 struct xen_hostmem_command *cmd)
{
	cmd->unmap = true;
	return !req->first;
}

/* False: malformed (R16). */
static bool decode(const struct xen_hostmem *hm,
		   const struct xen_hostmem_request *req,
		   struct xen_hostmem_command *cmd)
{
	if (memchr_inv(req->reserved, 0, sizeof(req->reserved)) ||
	    (req->flags & ~XEN_HOSTMEM_LIVE) || !req->nr_pages ||
	    !IS_ALIGNED(req->offset, XEN_HOSTMEM_PAGE_SIZE) ||
	    !in_window(hm, req->offset, req->nr_pages))
		return false;

	memset(cmd, 0, sizeof(*cmd));
	cmd->id = req->id;
	cmd->offset = req->offset;
	cmd->nr_pages = req->nr_pages;
	cmd->live = req->flags & XEN_HOSTMEM_LIVE;

	switch (req->operation) {
	case XEN_HOSTMEM_OP_MAP:
		return decode_map(req, cmd);
	case XEN_HOSTMEM_OP_UNMAP:
		return decode_unmap(req, cmd);
	default:
		return false;
	}
}

static int unexpected(struct xen_hostmem *hm,
		      const struct xen_hostmem_request *req)
{
	hm->stats.unexpected++;
	dev_warn_ratelimited(&hm->dev->dev,
			     "malformed request %u: id %llu, offset %#llx, %u pages from %u, flags %#x\n",
			     req->operation, req->id, req->offset,
			     req->nr_pages, req->first, req->flags);
	return XEN_HOSTMEM_EINVAL;
}

static int serve_map(struct xen_hostmem *hm,
		     const struct xen_hostmem_command *cmd)
{
	int status;

	/* All of it would be unmapped at once. */
	if (hm->closing)
		return XEN_HOSTMEM_ENODEV;
	status = xen_hostmem_map(hm, cmd);
	if (status == XEN_HOSTMEM_OK) {
		hm->stats.maps++;
		hm->stats.live_maps += cmd->live;
	}
	return status;
}

static void count_unmap(struct xen_hostmem *hm, int status)
{
	if (status == XEN_HOSTMEM_OK)
		hm->stats.unmaps++;
	else
		hm->stats.failures++;
}

static int serve(struct xen_hostmem *hm, const struct xen_hostmem_request *req)
{
	struct xen_hostmem_command cmd;
	int status;

	mutex_lock(&hm->lock);
	if (!decode(hm, req, &cmd)) {
		status = unexpected(hm, req);
	} else if (cmd.unmap) {
		status = xen_hostmem_unmap(hm, &cmd);
		count_unmap(hm, status);
	} else {
		status = serve_map(hm, &cmd);
		hm->stats.failures += status != XEN_HOSTMEM_OK;
	}
	mutex_unlock(&hm->lock);
	return status;
}

/* Each answer is sent at once: the next request may take a while. */
static void answer(struct xen_hostmem *hm,
		   const struct xen_hostmem_request *req, int status)
{
	struct xen_hostmem_response rsp = {
		.id = req->id,
		.status = status,
		.operation = req->operation,
	};
	bool notify;

	*RING_GET_RESPONSE(&hm->ring, hm->ring.rsp_prod_pvt) = rsp;
	hm->ring.rsp_prod_pvt++;
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&hm->ring, notify);
	if (notify)
		notify_remote_via_irq(hm->irq);
}

static void unmapped(struct xen_hostmem *hm, unsigned int i, int status)
{
	count_unmap(hm, status);
	answer(hm, &hm->unmaps[i], status);
}

/*
 * UNMAPs that follow one another, in one hypercall: when a program ends, many
 * do. Returns how many; a request that is none of them is left on the ring.
 */
static unsigned int serve_unmaps(struct xen_hostmem *hm, RING_IDX prod)
{
	struct xen_hostmem_command cmd;
	unsigned int n = 0;

	mutex_lock(&hm->lock);
	while (hm->ring.req_cons != prod && n < ARRAY_SIZE(hm->unmaps)) {
		RING_COPY_REQUEST(&hm->ring, hm->ring.req_cons, &hm->unmaps[n]);
		if (!decode(hm, &hm->unmaps[n], &cmd) || !cmd.unmap ||
		    !xen_hostmem_unmap_add(hm, &cmd))
			break;
		hm->ring.req_cons++;
		n++;
	}
	xen_hostmem_unmap_commit(hm, unmapped);
	mutex_unlock(&hm->lock);
	return n;
}

static unsigned int serve_one(struct xen_hostmem *hm)
{
	struct xen_hostmem_request req;

	RING_COPY_REQUEST(&hm->ring, hm->ring.req_cons, &req);
	hm->ring.req_cons++;
	answer(hm, &req, serve(hm, &req));
	return 1;
}

static unsigned int serve_until(struct xen_hostmem *hm, RING_IDX prod)
{
	unsigned int served = 0;

	while (hm->ring.req_cons != prod) {
		served += serve_unmaps(hm, prod) ?: serve_one(hm);
		cond_resched();
	}
	return served;
}

static void end_of_interrupt(struct xen_hostmem *hm, unsigned int served)
{
	if (hm->irq && atomic_xchg(&hm->event, 0))
		xen_irq_lateeoi(hm->irq, served ? 0 : XEN_EOI_FLAG_SPURIOUS);
}

int xen_hostmem_ring_serve(struct xen_hostmem *hm)
{
	unsigned int served;
	RING_IDX prod;
	int more;

	if (!hm->sring || hm->broken)
		return 0;

	prod = READ_ONCE(hm->sring->req_prod);
	virt_rmb();	/* the requests are written before the index */
	if (RING_REQUEST_PROD_OVERFLOW(&hm->ring, prod)) {
		/* No EOI either: there is nothing more to hear from it. */
		hm->broken = true;
		xenbus_dev_fatal(hm->dev, -EPROTO,
				 "request index %u, although only %u were answered and the ring has %u slots",
				 prod, hm->ring.rsp_prod_pvt,
				 RING_SIZE(&hm->ring));
		return -EPROTO;
	}
	served = serve_until(hm, prod);
	RING_FINAL_CHECK_FOR_REQUESTS(&hm->ring, more);
	end_of_interrupt(hm, served);
	return more;
}
