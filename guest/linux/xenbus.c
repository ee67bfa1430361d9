// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: negotiation, and the life cycle of a device
 *
 * Xenbus callbacks and notifiers only queue work, and wait for it where their
 * caller needs it to be done, or where xenbus must not look at our state
 * meanwhile.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/xen.h>

#include "compat.h"
#include "driver.h"

/**
 * DOC: Overview
 *
 * The device model of an HVM guest cannot map its buffers into the guest's
 * address space; only the guest can. This driver maps them where the unchanged
 * virtio-gpu driver expects them, in the GPU's host-visible memory BAR.
 * Without this driver the device model emulates each access, which is slow but
 * otherwise the same.
 *
 * Limits:
 *
 * #. The guest must be an HVM guest. A PV guest cannot choose the frames at
 *    which it maps grants.
 *
 * #. Pages are mapped one by one, 4 KiB each, and each takes an entry of the
 *    guest's maptrack table (max_maptrack_frames in its configuration).
 *
 * #. The guest has to trust its device model, as with any emulated device. The
 *    backend can map its own pages into the window at any time, but nowhere
 *    else: see hostmem_verify(). What it writes to the ring or to xenstore
 *    can stop this driver, but not corrupt the kernel.
 */

/*
 * Once the backend is Closing it sends no further request that would go
 * unanswered, and once it is Closed our pages can be freed at once. Safety does
 * not depend on either: our Closed state answers all requests, and pages that
 * are in use are freed later.
 */
#define HOSTMEM_WAIT_CLOSING_MS		1000
#define HOSTMEM_WAIT_CLOSED_MS		5000
#define HOSTMEM_POLL_MS			10

/* Polls, because the watch may already be gone. */
static void hostmem_wait_for_backend(struct xen_hostmem *hm,
				     enum xenbus_state least, unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	enum xenbus_state state;

	for (;;) {
		state = hostmem_read_driver_state(hm->dev, hm->dev->otherend);
		/* Unknown: the node is gone, and the backend with it. */
		if (state >= least || state == XenbusStateUnknown)
			return;
		if (time_after(jiffies, end))
			break;
		msleep(HOSTMEM_POLL_MS);
	}
	dev_dbg(&hm->dev->dev, "backend is still in state %s after %u ms\n",
		xenbus_strstate(state), ms);
}

/*
 * Closed promises that nothing is mapped (R19). If Xen refuses to unmap a page,
 * the promise cannot be made and we stay in Closing.
 */
static void hostmem_close(struct xen_hostmem *hm)
{
	struct xenbus_device *dev = hm->dev;
	unsigned long left;

	if (dev->state == XenbusStateClosed)
		return;

	hm->closing = true;
	if (hm->sring) {
		xenbus_switch_state(dev, XenbusStateClosing);
		hostmem_wait_for_backend(hm, XenbusStateClosing,
					 HOSTMEM_WAIT_CLOSING_MS);
		xen_hostmem_ring_serve(hm);
	}
	left = xen_hostmem_unmap_all(hm);
	if (left) {
		dev_err(&dev->dev,
			"%lu pages cannot be unmapped: only shutting this guest down frees them\n",
			left);
		return;
	}
	mutex_lock(&hm->lock);
	xen_hostmem_window_put(&hm->window);
	mutex_unlock(&hm->lock);
	/* The state alone is no proof: xenbus resets it after a crash. */
	if (xenbus_printf(XBT_NIL, dev->nodename, XEN_HOSTMEM_NODE_UNMAPPED,
			  "1"))
		dev_warn(&dev->dev, "cannot tell the backend that nothing is mapped\n");
	xenbus_switch_state(dev, XenbusStateClosed);
}

/* Whether a list such as "1,3,17" contains our version. */
static bool hostmem_speaks_our_version(char *versions)
{
	unsigned int version;
	char *word;

	while ((word = strsep(&versions, ","))) {
		if (!kstrtouint(strim(word), 10, &version) &&
		    version == XEN_HOSTMEM_VERSION)
			return true;
	}
	return false;
}

static int hostmem_check_version(struct xen_hostmem *hm)
{
	char *versions, *words;
	int err = 0;

	versions = xenbus_read(XBT_NIL, hm->dev->otherend,
			       XEN_HOSTMEM_NODE_VERSIONS, NULL);
	if (IS_ERR(versions)) {
		err = PTR_ERR(versions);
		xenbus_dev_fatal(hm->dev, err, "reading %s/%s",
				 hm->dev->otherend, XEN_HOSTMEM_NODE_VERSIONS);
		return err;
	}
	words = kstrdup(versions, GFP_KERNEL);
	if (!words) {
		err = -ENOMEM;
		xenbus_dev_fatal(hm->dev, err, "reading versions");
	} else if (!hostmem_speaks_our_version(words)) {
		err = -EPROTONOSUPPORT;
		xenbus_dev_fatal(hm->dev, err,
				 "the device model speaks hostmem versions \"%s\", but this driver speaks %u: update the older one",
				 versions, XEN_HOSTMEM_VERSION);
	}
	kfree(words);
	kfree(versions);
	return err;
}

/* The backend is in InitWait. */
static void hostmem_negotiate(struct xen_hostmem *hm)
{
	if (hm->dev->state != XenbusStateInitialising)
		return;
	hm->closing = false;
	if (hostmem_check_version(hm) || xen_hostmem_connection_open(hm)) {
		hostmem_close(hm);
		return;
	}
	xenbus_switch_state(hm->dev, XenbusStateInitialised);
}

/* The backend is Connected. */
static void hostmem_connect(struct xen_hostmem *hm)
{
	if (hm->dev->state != XenbusStateInitialised)
		return;
	if (xen_hostmem_window_find(hm)) {
		hostmem_close(hm);
		return;
	}
	dev_info(&hm->dev->dev, "window of %llu MiB at %#llx\n",
		 hm->window.size >> 20, hm->window.gpa);
	xenbus_switch_state(hm->dev, XenbusStateConnected);
}

/* The backend is Closing or Closed, or it is gone. */
static void hostmem_backend_leaves(struct xen_hostmem *hm,
				   enum xenbus_state backend)
{
	/* The previous connection ended like this. */
	if (hm->dev->state == XenbusStateInitialising)
		return;
	hostmem_close(hm);
	if (backend != XenbusStateClosing)
		xen_hostmem_connection_close(hm);
}

/*
 * Says what an instance before us could not: 7.x does not let a device write
 * its state that it takes for one that vanished. Whoever is probed in its place
 * finds the state that it had entered, and a backend that waits for more. If it
 * left nothing mapped, it has told so (R19). This is no help where Linux does
 * not probe again, because that state is not Initialising.
 */
static void hostmem_close_for_previous(struct xen_hostmem *hm)
{
	if (xenbus_read_unsigned(hm->dev->nodename, XEN_HOSTMEM_NODE_UNMAPPED,
				 0) == 1)
		xenbus_switch_state(hm->dev, XenbusStateClosed);
}

/*
 * After a reload the backend may still be ending the previous connection. If it
 * saw us Initialising now, it would never see that we had been Closed, and
 * would have to keep all buffers in quarantine (R21, R27). Returns false while
 * we have to wait for it.
 */
static bool hostmem_begin(struct xen_hostmem *hm, enum xenbus_state backend)
{
	if (hm->begun)
		return true;
	if (hm->dev->state != XenbusStateInitialising &&
	    (backend == XenbusStateConnected || backend == XenbusStateClosing)) {
		if (hm->dev->state != XenbusStateClosed)
			hostmem_close_for_previous(hm);
		return false;
	}
	hm->begun = true;
	xenbus_switch_state(hm->dev, XenbusStateInitialising);
	return true;
}

static void hostmem_state_work(struct work_struct *work)
{
	struct xen_hostmem *hm = container_of(work, struct xen_hostmem,
					      state_work);
	enum xenbus_state backend;

	if (hm->stopped)
		return;
	backend = hostmem_read_driver_state(hm->dev, hm->dev->otherend);
	if (!hostmem_begin(hm, backend))
		return;

	switch (backend) {
	case XenbusStateInitWait:
		hostmem_negotiate(hm);
		break;
	case XenbusStateConnected:
		hostmem_connect(hm);
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
	case XenbusStateUnknown:
		hostmem_backend_leaves(hm, backend);
		break;
	default:
		/* On its way to one of these. */
		break;
	}
}

static void hostmem_ring_work(struct work_struct *work)
{
	struct xen_hostmem *hm = container_of(work, struct xen_hostmem,
					      ring_work);
	int more = xen_hostmem_ring_serve(hm);

	if (more < 0)
		hostmem_close(hm);
	else if (more)
		queue_work(hm->wq, &hm->ring_work);
}

/* Unmaps and frees everything. From now on all accesses trap. */
static void hostmem_stop_work(struct work_struct *work)
{
	struct xen_hostmem *hm = container_of(work, struct xen_hostmem,
					      stop_work);

	hm->stopped = true;
	hostmem_close(hm);
	if (hm->sring && hm->dev->state == XenbusStateClosed)
		hostmem_wait_for_backend(hm, XenbusStateClosed,
					 HOSTMEM_WAIT_CLOSED_MS);
	xen_hostmem_connection_close(hm);
	/* Whatever starts us again will find xenwatch waiting for us. */
	WRITE_ONCE(hm->begun, false);
}

static void hostmem_stop_and_wait(struct xen_hostmem *hm)
{
	queue_work(hm->wq, &hm->stop_work);
	flush_work(&hm->stop_work);
}

/*
 * For xenwatch, which calls us when the backend's state has changed.
 *
 * From 7.x on, whenever a node of the device changes, xenwatch looks at the
 * device's state in xenstore, and later at what xenbus has cached of it. If only
 * the first is Initialising, it takes the device for another one, removes ours,
 * and never probes it again. So xenwatch waits here while the driver enters and
 * leaves that state, and cannot look. Later it must not be kept waiting: all
 * devices of Xen need it, and to unmap a window takes long.
 */
static void hostmem_look_at_backend(struct xen_hostmem *hm)
{
	queue_work(hm->wq, &hm->state_work);
	if (!READ_ONCE(hm->begun) ||
	    READ_ONCE(hm->dev->state) == XenbusStateInitialising)
		flush_work(&hm->state_work);
}

static void hostmem_backend_changed(struct xenbus_device *dev,
				    enum xenbus_state backend_state)
{
	hostmem_look_at_backend(dev_get_drvdata(&dev->dev));
}

static void hostmem_watched(struct xenbus_watch *watch, const char *path,
			    const char *token)
{
	hostmem_look_at_backend(container_of(watch, struct xen_hostmem, watch));
}

/*
 * After a suspend that was cancelled, xenbus calls nobody. A new watch of the
 * backend's state does: it fires at once, in xenwatch.
 */
static int hostmem_watch(struct xen_hostmem *hm)
{
	int err;

	hm->watch.node = kasprintf(GFP_KERNEL, "%s/state", hm->dev->otherend);
	if (!hm->watch.node)
		return -ENOMEM;
	hm->watch.callback = hostmem_watched;
	err = register_xenbus_watch(&hm->watch);
	if (err) {
		kfree(hm->watch.node);
		hm->watch.node = NULL;
	}
	return err;
}

/*
 * Waits for xenwatch, which may wait for the device's workqueue; and, if the
 * device has vanished from xenstore, for the device's lock, which our caller's
 * caller holds. As xenbus does with its own watch, call it first, before
 * anything that takes long, so that a device hardly ever vanishes meanwhile:
 * nobody can end a wait of both for each other.
 */
static void hostmem_unwatch(struct xen_hostmem *hm)
{
	flush_work(&hm->start_work);	/* may make the watch */
	if (!hm->watch.node)
		return;
	unregister_xenbus_watch(&hm->watch);
	kfree(hm->watch.node);
	hm->watch.node = NULL;
}

/* Runs after a suspend, whether or not it succeeded. */
static void hostmem_start_work(struct work_struct *work)
{
	struct xen_hostmem *hm = container_of(work, struct xen_hostmem,
					      start_work);

	hm->stopped = false;
	/*
	 * What xenbus has cached need not be what the new host's xenstore holds.
	 * They have to agree, though: in 7.x xenbus takes the device for a new
	 * one, and does not write a state, if only xenstore says Initialising.
	 */
	hm->dev->state = hostmem_read_driver_state(hm->dev, hm->dev->nodename);
	if (hostmem_watch(hm))
		queue_work(hm->wq, &hm->state_work);
}

static void hostmem_thaw_work(struct work_struct *work)
{
	struct xen_hostmem *hm = container_of(work, struct xen_hostmem,
					      thaw_work);

	queue_work(hm->wq, &hm->start_work);
}


/*
 * The saved image must not contain grants of this host. thaw_work is on a queue
 * that is frozen until the suspend is over, even if it is cancelled, of which
 * xenbus does not tell its drivers.
 */
static int hostmem_suspend(struct xenbus_device *dev)
{
	struct xen_hostmem *hm = dev_get_drvdata(&dev->dev);

	hostmem_unwatch(hm);
	hostmem_stop_and_wait(hm);
	/*
	 * Xen refused to unmap a page. Linux only warns about this error and
	 * suspends anyway; the driver stays stopped.
	 */
	if (!RB_EMPTY_ROOT(&hm->mappings))
		return -EBUSY;
	queue_work(system_freezable_wq, &hm->thaw_work);
	return 0;
}

/*
 * The shutdown by xenbus itself comes later, ignores what the backend does in
 * the meantime, and does not unmap. This also runs before kexec: a page that
 * stayed mapped would crash the domain when the next kernel maps over it.
 */
static int hostmem_reboot_notify(struct notifier_block *nb,
				 unsigned long action, void *unused)
{
	struct xen_hostmem *hm = container_of(nb, struct xen_hostmem,
					      reboot_nb);

	hostmem_stop_and_wait(hm);
	return NOTIFY_DONE;
}

static void hostmem_destroy(struct xen_hostmem *hm)
{
	if (hm->wq)
		destroy_workqueue(hm->wq);
	xen_hostmem_window_put(&hm->window);
	xen_hostmem_forget_all(hm);
	kvfree(hm->map_ops);
	kvfree(hm->unmap_ops);
	mutex_destroy(&hm->lock);
	kfree(hm);
}

static struct xen_hostmem *hostmem_create(struct xenbus_device *dev)
{
	struct xen_hostmem *hm = kzalloc(sizeof(*hm), GFP_KERNEL);

	if (!hm)
		return NULL;
	hm->dev = dev;
	hm->mappings = RB_ROOT;
	hm->reboot_nb.notifier_call = hostmem_reboot_notify;
	mutex_init(&hm->lock);
	INIT_WORK(&hm->state_work, hostmem_state_work);
	INIT_WORK(&hm->ring_work, hostmem_ring_work);
	INIT_WORK(&hm->stop_work, hostmem_stop_work);
	INIT_WORK(&hm->start_work, hostmem_start_work);
	INIT_WORK(&hm->thaw_work, hostmem_thaw_work);
	hm->map_ops = kvmalloc_array(XEN_HOSTMEM_BATCH, sizeof(*hm->map_ops),
				     GFP_KERNEL);
	hm->unmap_ops = kvmalloc_array(XEN_HOSTMEM_BATCH,
				       sizeof(*hm->unmap_ops), GFP_KERNEL);
	hm->wq = alloc_ordered_workqueue("xen-%s", 0, dev_name(&dev->dev));
	if (!hm->map_ops || !hm->unmap_ops || !hm->wq) {
		hostmem_destroy(hm);
		return NULL;
	}
	return hm;
}

static int hostmem_probe(struct xenbus_device *dev,
			 const struct xenbus_device_id *id)
{
	struct xen_hostmem *hm = hostmem_create(dev);
	int err;

	if (!hm)
		return -ENOMEM;
	/* xenbus says Initialising, whatever xenstore holds. */
	dev->state = hostmem_read_driver_state(dev, dev->nodename);
	err = register_reboot_notifier(&hm->reboot_nb);
	if (err) {
		hostmem_destroy(hm);
		return err;
	}
	dev_set_drvdata(&dev->dev, hm);
	xen_hostmem_debugfs_add(hm);
	/* The backend's state, which xenbus watches next, drives the rest. */
	return 0;
}

static void hostmem_remove(struct xenbus_device *dev)
{
	struct xen_hostmem *hm = dev_get_drvdata(&dev->dev);

	cancel_work_sync(&hm->thaw_work);
	hostmem_unwatch(hm);
	xen_hostmem_wait_for_users(hm);
	unregister_reboot_notifier(&hm->reboot_nb);
	hostmem_stop_and_wait(hm);
	xen_hostmem_debugfs_remove(hm);
	/*
	 * If we have not entered Closed, xenbus does it for us. With pages left
	 * that could not be unmapped that would be a lie (R19), so make xenbus
	 * believe that it has been done.
	 */
	dev->state = XenbusStateClosed;
	dev_set_drvdata(&dev->dev, NULL);
	hostmem_destroy(hm);
}

static const struct xenbus_device_id hostmem_ids[] = {
	{ "hostmem" },
	{ "" }
};

static struct xenbus_driver hostmem_driver = {
	.name = "xen-hostmem",
	.driver.pm = &xen_hostmem_pm_ops,
	.ids = hostmem_ids,
	.probe = hostmem_probe,
	.remove = hostmem_remove,
	.suspend = hostmem_suspend,
	.otherend_changed = hostmem_backend_changed,
	/* Booting need not wait for it: until it connects, accesses trap. */
	.not_essential = true,
};

static int __init hostmem_init(void)
{
	int err;

	/* A PV guest cannot choose the frames at which it maps grants. */
	if (!xen_domain() || !xen_feature(XENFEAT_auto_translated_physmap))
		return -ENODEV;

	err = xen_hostmem_suspend_init();
	if (err)
		return err;
	err = xen_hostmem_noexec_init();
	if (err)
		goto fail_noexec;
	xen_hostmem_debugfs_init();
	err = xenbus_register_frontend(&hostmem_driver);
	if (err)
		goto fail_register;
	return 0;

fail_register:
	xen_hostmem_debugfs_exit();
	xen_hostmem_noexec_exit();
fail_noexec:
	xen_hostmem_suspend_exit();
	return err;
}
module_init(hostmem_init);

static void __exit hostmem_exit(void)
{
	xenbus_unregister_driver(&hostmem_driver);
	xen_hostmem_debugfs_exit();
	xen_hostmem_noexec_exit();
	xen_hostmem_suspend_exit();
}
module_exit(hostmem_exit);

MODULE_DESCRIPTION("Xen: map the host memory of a virtio GPU");
MODULE_LICENSE("GPL");
MODULE_ALIAS("xen:hostmem");
