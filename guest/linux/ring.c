// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: take requests off the ring and answer them
 *
 * The ring is shared with the backend. Each request is copied once and checked
 * in the copy. No other file reads the ring.
 */
#include <linux/sched.h>
#include <linux/string.h>
#include <xen/events.h>

#include "driver.h"

static_assert(sizeof(struct xen_hostmem_request) == 32);
static_assert(sizeof(struct xen_hostmem_response) == 32);

static bool hostmem_in_window(const struct xen_hostmem *hm, u64 offset,
			      u32 nr_pages)
{
	u64 bytes = (u64)nr_pages << XEN_HOSTMEM_PAGE_SHIFT;

	return offset <= hm->window.size && bytes <= hm->window.size - offset;
}

static bool hostmem_decode_map(const struct xen_hostmem_request *req,
			       struct xen_hostmem_command *cmd)
{
	if ((u64)req->first + req->nr_pages > XEN_HOSTMEM_NR_REFS)
		return false;
	cmd->first = req->first;
	return true;
}

/* Returns false if the request is malformed (R16). */
static bool hostmem_decode(const struct xen_hostmem *hm,
			   const struct xen_hostmem_request *req,
			   struct xen_hostmem_command *cmd)
{
	if (memchr_inv(req->reserved, 0, sizeof(req->reserved)) ||
	    (req->flags & ~XEN_HOSTMEM_LIVE) || !req->nr_pages ||
	    !IS_ALIGNED(req->offset, XEN_HOSTMEM_PAGE_SIZE) ||
	    !hostmem_in_window(hm, req->offset, req->nr_pages))
		return false;

	memset(cmd, 0, sizeof(*cmd));
	cmd->id = req->id;
	cmd->offset = req->offset;
	cmd->nr_pages = req->nr_pages;
	cmd->operation = req->operation;
	cmd->live = req->flags & XEN_HOSTMEM_LIVE;

	switch (req->operation) {
	case XEN_HOSTMEM_OP_MAP:
		return hostmem_decode_map(req, cmd);
	case XEN_HOSTMEM_OP_UNMAP:
		return !req->first;
	default:
		return false;
	}
}

static int hostmem_unexpected(struct xen_hostmem *hm,
			      const struct xen_hostmem_request *req)
{
	hm->stats.unexpected++;
	dev_warn_ratelimited(&hm->dev->dev,
			     "malformed request: operation %u, id %llu, offset %#llx, %u pages, first reference %u, flags %#x\n",
			     req->operation, req->id, req->offset,
			     req->nr_pages, req->first, req->flags);
	return XEN_HOSTMEM_EINVAL;
}

static int hostmem_serve_map(struct xen_hostmem *hm,
			     const struct xen_hostmem_command *cmd)
{
	int status = XEN_HOSTMEM_ENODEV;

	/* When closing, it would be unmapped again at once. */
	if (!hm->closing)
		status = xen_hostmem_map(hm, cmd);
	if (status == XEN_HOSTMEM_OK) {
		hm->stats.maps++;
		hm->stats.live_maps += cmd->live;
	} else {
		hm->stats.failures++;
	}
	return status;
}

static void hostmem_count_unmap(struct xen_hostmem *hm, int status)
{
	if (status == XEN_HOSTMEM_OK)
		hm->stats.unmaps++;
	else
		hm->stats.failures++;
}

static int hostmem_serve_unmap(struct xen_hostmem *hm,
			       const struct xen_hostmem_command *cmd)
{
	int status = xen_hostmem_unmap(hm, cmd);

	hostmem_count_unmap(hm, status);
	return status;
}

static int hostmem_serve(struct xen_hostmem *hm,
			 const struct xen_hostmem_request *req)
{
	struct xen_hostmem_command cmd;

	if (!hostmem_decode(hm, req, &cmd))
		return hostmem_unexpected(hm, req);

	switch (cmd.operation) {
	case XEN_HOSTMEM_OP_MAP:
		return hostmem_serve_map(hm, &cmd);
	case XEN_HOSTMEM_OP_UNMAP:
		return hostmem_serve_unmap(hm, &cmd);
	default:
		return hostmem_unexpected(hm, req);
	}
}

/* Each response is sent at once: the next request may take a while. */
static void hostmem_answer(struct xen_hostmem *hm,
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

static void hostmem_unmap_done(struct xen_hostmem *hm, unsigned int i,
			       int status)
{
	hostmem_count_unmap(hm, status);
	hostmem_answer(hm, &hm->unmaps[i], status);
}

/*
 * Serves consecutive UNMAPs in one hypercall, as there are many when a program
 * ends. Returns their number. Any other request is left on the ring.
 */
static unsigned int hostmem_serve_unmaps(struct xen_hostmem *hm, RING_IDX prod)
{
	struct xen_hostmem_command cmd;
	unsigned int n = 0;

	mutex_lock(&hm->lock);
	while (hm->ring.req_cons != prod && n < ARRAY_SIZE(hm->unmaps)) {
		RING_COPY_REQUEST(&hm->ring, hm->ring.req_cons, &hm->unmaps[n]);
		if (!hostmem_decode(hm, &hm->unmaps[n], &cmd) ||
		    cmd.operation != XEN_HOSTMEM_OP_UNMAP ||
		    !xen_hostmem_unmap_add(hm, &cmd))
			break;
		hm->ring.req_cons++;
		n++;
	}
	xen_hostmem_unmap_commit(hm, hostmem_unmap_done);
	mutex_unlock(&hm->lock);
	return n;
}

static unsigned int hostmem_serve_one(struct xen_hostmem *hm)
{
	struct xen_hostmem_request req;
	int status;

	RING_COPY_REQUEST(&hm->ring, hm->ring.req_cons, &req);
	hm->ring.req_cons++;
	mutex_lock(&hm->lock);
	status = hostmem_serve(hm, &req);
	mutex_unlock(&hm->lock);
	hostmem_answer(hm, &req, status);
	return 1;
}

static unsigned int hostmem_serve_until(struct xen_hostmem *hm, RING_IDX prod)
{
	unsigned int served = 0;

	while (hm->ring.req_cons != prod) {
		served += hostmem_serve_unmaps(hm, prod) ?:
			  hostmem_serve_one(hm);
		cond_resched();
	}
	return served;
}

static void hostmem_end_of_interrupt(struct xen_hostmem *hm,
				     unsigned int served)
{
	if (hm->irq && atomic_xchg(&hm->event, 0))
		xen_irq_lateeoi(hm->irq, served ? 0 : XEN_EOI_FLAG_SPURIOUS);
}

/**
 * xen_hostmem_ring_serve() - serve the requests that are on the ring now
 * @hm: the device, with or without a connection
 *
 * Each request is answered as soon as it has been served.
 *
 * Context: The device's workqueue. Takes &xen_hostmem.lock, sleeps.
 * Return: 1 if more requests have arrived meanwhile, 0 if not. -EPROTO if the
 * backend's index is impossible; this has been reported, and the ring is not
 * served any more.
 */
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
		/* No EOI: no further event is wanted from this backend. */
		hm->broken = true;
		xenbus_dev_fatal(hm->dev, -EPROTO,
				 "invalid request index %u: %u requests have been answered and the ring has %u slots",
				 prod, hm->ring.rsp_prod_pvt,
				 RING_SIZE(&hm->ring));
		return -EPROTO;
	}
	served = hostmem_serve_until(hm, prod);
	RING_FINAL_CHECK_FOR_REQUESTS(&hm->ring, more);
	hostmem_end_of_interrupt(hm, served);
	return more;
}
