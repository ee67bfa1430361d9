// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: ring page, reference buffer and event channel
 */
#include <linux/interrupt.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/page.h>

#include "driver.h"

/* A transaction that conflicts this often: something writes in a loop. */
#define HOSTMEM_MAX_TRANSACTION_TRIES	100

static irqreturn_t hostmem_interrupt(int irq, void *data)
{
	struct xen_hostmem *hm = data;

	/* The event stays masked until ring_work has sent the EOI. */
	atomic_set(&hm->event, 1);
	queue_work(hm->wq, &hm->ring_work);
	return IRQ_HANDLED;
}

static int hostmem_setup_pages(struct xen_hostmem *hm)
{
	void *ring, *refs;
	int err;

	err = xenbus_setup_ring(hm->dev, GFP_KERNEL, &ring, 1, &hm->ring_gref);
	if (err)
		return err;
	err = xenbus_setup_ring(hm->dev, GFP_KERNEL, &refs,
				XEN_HOSTMEM_MAX_GREF_PAGES, hm->ref_grefs);
	if (err) {
		xenbus_teardown_ring(&ring, 1, &hm->ring_gref);
		return err;
	}

	hm->refs = refs;
	hm->sring = ring;
	SHARED_RING_INIT(hm->sring);
	/* The backend produces requests, so this side is the ring's back. */
	BACK_RING_INIT(&hm->ring, hm->sring, XEN_PAGE_SIZE);
	return 0;
}

static void hostmem_teardown_pages(struct xen_hostmem *hm)
{
	void *ring = hm->sring, *refs = hm->refs;

	if (!ring)
		return;
	/* A page that the backend still maps is freed once it lets go. */
	hm->sring = NULL;
	hm->refs = NULL;
	xenbus_teardown_ring(&refs, XEN_HOSTMEM_MAX_GREF_PAGES, hm->ref_grefs);
	xenbus_teardown_ring(&ring, 1, &hm->ring_gref);
}

static int hostmem_setup_event(struct xen_hostmem *hm)
{
	int irq;

	irq = xenbus_alloc_evtchn(hm->dev, &hm->evtchn);
	if (irq)
		return irq;

	atomic_set(&hm->event, 0);
	irq = bind_evtchn_to_irqhandler_lateeoi(hm->evtchn,
						hostmem_interrupt, 0,
						"xen-hostmem", hm);
	if (irq < 0) {
		xenbus_free_evtchn(hm->dev, hm->evtchn);
		return irq;
	}
	hm->irq = irq;
	return 0;
}

static int hostmem_write_nodes(struct xen_hostmem *hm,
			       struct xenbus_transaction xbt)
{
	const char *dir = hm->dev->nodename;
	char node[sizeof(XEN_HOSTMEM_NODE_GREF_REF) + 8];
	unsigned int i;
	int err;

	err = xenbus_printf(xbt, dir, XEN_HOSTMEM_NODE_VERSION, "%u",
			    XEN_HOSTMEM_VERSION);
	if (!err)
		err = xenbus_printf(xbt, dir, XEN_HOSTMEM_NODE_RING_REF, "%u",
				    hm->ring_gref);
	if (!err)
		err = xenbus_printf(xbt, dir, XEN_HOSTMEM_NODE_EVENT_CHANNEL,
				    "%u", hm->evtchn);
	if (!err)
		err = xenbus_printf(xbt, dir, XEN_HOSTMEM_NODE_GREF_PAGES,
				    "%u", XEN_HOSTMEM_MAX_GREF_PAGES);
	if (!err)
		err = xenbus_printf(xbt, dir, XEN_HOSTMEM_NODE_UNMAPPED, "0");
	for (i = 0; !err && i < XEN_HOSTMEM_MAX_GREF_PAGES; i++) {
		snprintf(node, sizeof(node), XEN_HOSTMEM_NODE_GREF_REF, i);
		err = xenbus_printf(xbt, dir, node, "%u", hm->ref_grefs[i]);
	}
	return err;
}

/* One transaction: the backend sees all nodes or none of them (R4). */
static int hostmem_publish(struct xen_hostmem *hm)
{
	struct xenbus_transaction xbt;
	unsigned int tries;
	int err;

	for (tries = 0; tries < HOSTMEM_MAX_TRANSACTION_TRIES; tries++) {
		err = xenbus_transaction_start(&xbt);
		if (err)
			return err;
		err = hostmem_write_nodes(hm, xbt);
		if (err) {
			xenbus_transaction_end(xbt, 1);
			return err;
		}
		err = xenbus_transaction_end(xbt, 0);
		if (err != -EAGAIN)
			return err;
	}
	return -EAGAIN;
}

/**
 * xen_hostmem_connection_open() - grant the shared pages and publish them
 * @hm: the device
 *
 * Closes a previous connection first. An error has been reported to xenstore
 * and the log, and leaves nothing open.
 *
 * Context: The device's workqueue. May sleep.
 * Return: 0 or a negative error code.
 */
int xen_hostmem_connection_open(struct xen_hostmem *hm)
{
	int err;

	xen_hostmem_connection_close(hm);
	hm->broken = false;

	err = hostmem_setup_pages(hm);
	if (err) {
		xenbus_dev_fatal(hm->dev, err,
				 "granting the ring and the reference buffer");
		return err;
	}
	err = hostmem_setup_event(hm);
	if (err) {
		xenbus_dev_fatal(hm->dev, err, "setting up the event channel");
		goto fail;
	}
	err = hostmem_publish(hm);
	if (err) {
		xenbus_dev_fatal(hm->dev, err, "writing to %s",
				 hm->dev->nodename);
		goto fail;
	}
	return 0;

fail:
	xen_hostmem_connection_close(hm);
	return err;
}

/**
 * xen_hostmem_connection_close() - close the event channel, free the pages
 * @hm: the device
 *
 * May be called at any time, also without a connection. Pages that the backend
 * still maps are freed later, when it has unmapped them.
 *
 * Context: The device's workqueue. May sleep.
 */
void xen_hostmem_connection_close(struct xen_hostmem *hm)
{
	if (hm->irq) {
		/* This closes the event channel as well. */
		unbind_from_irqhandler(hm->irq, hm);
		hm->irq = 0;
	}
	hostmem_teardown_pages(hm);
}
