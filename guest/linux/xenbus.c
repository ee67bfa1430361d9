// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: virtio-gpu host memory at memory speed on Xen
 *
 * The device model of an HVM guest cannot put its buffers into the guest's
 * address space: the guest has to map them. This driver does, at the place
 * where the unchanged virtio-gpu driver looks for them, the host-visible
 * memory BAR of the GPU. Without it each access is emulated by the device
 * model: slow, but the same.
 *
 * This file: negotiation, and the life of a device. Xenbus callbacks and
 * notifiers only queue work, and wait for it where their caller demands that
 * it be done.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/xen.h>

#include "driver.h"

/*
 * Once the backend is Closing, no request comes that would go unanswered; once
 * it is Closed, our pages can be freed at once. Neither is needed to be safe:
 * our Closed answers for all requests, and pages in use are freed later.
 */
#define WAIT_CLOSING_MS		1000
#define WAIT_CLOSED_MS		5000
#define POLL_MS			10

/* The watch may be gone already, so this polls. */
static void wait_for_backend(struct xen_hostmem *hm, enum xenbus_state least,
			     unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	enum xenbus_state state;

	for (;;) {
		state = xenbus_read_driver_state(hm->dev->otherend);
		/* Unknown: the node is gone, and so is the backend. */
		if (state >= least || state == XenbusStateUnknown)
			return;
		if (time_after(jiffies, end))
			break;
		msleep(POLL_MS);
	}
	dev_dbg(&hm->dev->dev, "backend still %s after %u ms\n",
		xenbus_strstate(state), ms);
}

/*
 * Closed promises that nothing is mapped (R19). If Xen refuses to unmap a
 * page, the promise cannot be made, and we stay in Closing.
 */
static void close_connection(struct xen_hostmem *hm)
{
	struct xenbus_device *dev = hm->dev;
	unsigned long left;

	if (dev->state == XenbusStateClosed)
		return;

	hm->closing = true;
	if (hm->sring) {
		xenbus_switch_state(dev, XenbusStateClosing);
		wait_for_backend(hm, XenbusStateClosing, WAIT_CLOSING_MS);
		xen_hostmem_ring_serve(hm);
	}
	left = xen_hostmem_unmap_all(hm);
	if (left) {
		dev_err(&dev->dev,
			"%lu pages cannot be unmapped: shut this guest down to get them back\n",
			left);
		return;
	}
	mutex_lock(&hm->lock);
	xen_hostmem_window_put(&hm->window);
	mutex_unlock(&hm->lock);
	/* The state alone would not say so: xenbus resets it after a crash. */
	if (xenbus_printf(XBT_NIL, dev->nodename, XEN_HOSTMEM_NODE_UNMAPPED,
			  "1"))
		dev_warn(&dev->dev, "cannot tell that nothing is mapped\n");
	xenbus_switch_state(dev, XenbusStateClosed);
}

/* "1,3,17" contains our version. */
static bool speaks_our_version(char *versions)
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

static int check_version(struct xen_hostmem *hm)
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
	} else if (!speaks_our_version(words)) {
		err = -EPROTONOSUPPORT;
		xenbus_dev_fatal(hm->dev, err,
				 "the device model speaks hostmem versions \"%s\", this driver %u: update the older one",
				 versions, XEN_HOSTMEM_VERSION);
	}
	kfree(words);
	kfree(versions);
	return err;
}

/* The backend is in InitWait. */
static void negotiate(struct xen_hostmem *hm)
{
	if (hm->dev->state != XenbusStateInitialising)
		return;
	hm->closing = false;
	if (check_version(hm) || xen_hostmem_connection_open(hm)) {
		close_connection(hm);
		return;
	}
	xenbus_switch_state(hm->dev, XenbusStateInitialised);
}

/* The backend is Connected. */
static void connect(struct xen_hostmem *hm)
{
	if (hm->dev->state != XenbusStateInitialised)
		return;
	if (xen_hostmem_window_find(hm)) {
		close_connection(hm);
		return;
	}
	dev_info(&hm->dev->dev, "window of %llu MiB at %#llx\n",
		 hm->window.size >> 20, hm->window.gpa);
	xenbus_switch_state(hm->dev, XenbusStateConnected);
}

/* The backend is Closing or Closed, or gone. */
static void backend_leaves(struct xen_hostmem *hm, enum xenbus_state backend)
{
	/* That is how the connection before this one ended. */
	if (hm->dev->state == XenbusStateInitialising)
		return;
	close_connection(hm);
	if (backend != XenbusStateClosing)
		xen_hostmem_connection_close(hm);
}

/*
 * After a reload the backend may still be busy with the end of the connection
 * before. If it saw us Initialising now, it would never see that we had been
 * Closed, and would have to keep all buffers in quarantine (R21, R27).
 */
static bool begin(struct xen_hostmem *hm, enum xenbus_state backend)
{
	if (hm->begun)
		return true;
	if (hm->dev->state != XenbusStateInitialising &&
	    (backend == XenbusStateConnected || backend == XenbusStateClosing))
		return false;
	hm->begun = true;
	xenbus_switch_state(hm->dev, XenbusStateInitialising);
	return true;
}

static void state_work(struct work_struct *work)
{
	struct xen_hostmem *hm = container_of(work, struct xen_hostmem,
					      state_work);
	enum xenbus_state backend;

	if (hm->stopped)
		return;
	backend = xenbus_read_driver_state(hm->dev->otherend);
	if (!begin(hm, backend))
		return;

	switch (backend) {
	case XenbusStateInitWait:
		negotiate(hm);
		break;
	case XenbusStateConnected:
		connect(hm);
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
	case XenbusStateUnknown:
		backend_leaves(hm, backend);
		break;
	default:
		break;
	}
}

static void ring_work(struct work_struct *work)
{
	struct xen_hostmem *hm = container_of(work, struct xen_hostmem,
					      ring_work);
	int more = xen_hostmem_ring_serve(hm);

	if (more < 0)
		close_connection(hm);
	else if (more)
		queue_work(hm->wq, &hm->ring_work);
}

/* Everything is unmapped and given back; the backend traps from now on. */
static void stop_work(struct work_struct *work)
{
	struct xen_hostmem *hm = container_of(work, struct xen_hostmem,
					      stop_work);

	hm->stopped = true;
	close_connection(hm);
	if (hm->sring && hm->dev->state == XenbusStateClosed)
		wait_for_backend(hm, XenbusStateClosed, WAIT_CLOSED_MS);
	xen_hostmem_connection_close(hm);
}

static void stop_and_wait(struct xen_hostmem *hm)
{
	queue_work(hm->wq, &hm->stop_work);
	flush_work(&hm->stop_work);
}

/* After suspend, successful or not. */
static void start_work(struct work_struct *work)
{
	struct xen_hostmem *hm = container_of(work, struct xen_hostmem,
					      start_work);

	hm->stopped = false;
	hm->begun = false;
	/* What xenbus has cached is not what the store of a new host holds. */
	hm->dev->state = XenbusStateUnknown;
	queue_work(hm->wq, &hm->state_work);
}

static void thaw_work(struct work_struct *work)
{
	struct xen_hostmem *hm = container_of(work, struct xen_hostmem,
					      thaw_work);

	queue_work(hm->wq, &hm->start_work);
}

static void backend_changed(struct xenbus_device *dev,
			    enum xenbus_state backend_state)
{
	struct xen_hostmem *hm = dev_get_drvdata(&dev->dev);

	queue_work(hm->wq, &hm->state_work);
}

/*
 * The saved image must not contain grants of this host. The queue that
 * thaw_work is on stands still until all is over, also if it is cancelled,
 * which xenbus does not tell its drivers.
 */
static int suspend(struct xenbus_device *dev)
{
	struct xen_hostmem *hm = dev_get_drvdata(&dev->dev);

	stop_and_wait(hm);
	/*
	 * Xen refuses to unmap a page. Linux warns of this and suspends all
	 * the same; the driver stays stopped.
	 */
	if (!RB_EMPTY_ROOT(&hm->mappings))
		return -EBUSY;
	queue_work(system_freezable_wq, &hm->thaw_work);
	return 0;
}

/*
 * Xenbus' own shutdown comes later, ignores what the backend does by then, and
 * would not unmap. Kexec passes here, too: what is left mapped would crash the
 * domain when the next kernel maps over it.
 */
static int reboot_notify(struct notifier_block *nb, unsigned long action,
			 void *unused)
{
	struct xen_hostmem *hm = container_of(nb, struct xen_hostmem,
					      reboot_nb);

	stop_and_wait(hm);
	return NOTIFY_DONE;
}

static void destroy(struct xen_hostmem *hm)
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

static struct xen_hostmem *create(struct xenbus_device *dev)
{
	struct xen_hostmem *hm = kzalloc(sizeof(*hm), GFP_KERNEL);

	if (!hm)
		return NULL;
	hm->dev = dev;
	hm->mappings = RB_ROOT;
	hm->reboot_nb.notifier_call = reboot_notify;
	mutex_init(&hm->lock);
	INIT_WORK(&hm->state_work, state_work);
	INIT_WORK(&hm->ring_work, ring_work);
	INIT_WORK(&hm->stop_work, stop_work);
	INIT_WORK(&hm->start_work, start_work);
	INIT_WORK(&hm->thaw_work, thaw_work);
	hm->map_ops = kvmalloc_array(XEN_HOSTMEM_BATCH, sizeof(*hm->map_ops),
				     GFP_KERNEL);
	hm->unmap_ops = kvmalloc_array(XEN_HOSTMEM_BATCH,
				       sizeof(*hm->unmap_ops), GFP_KERNEL);
	hm->wq = alloc_ordered_workqueue("xen-%s", 0, dev_name(&dev->dev));
	if (!hm->map_ops || !hm->unmap_ops || !hm->wq) {
		destroy(hm);
		return NULL;
	}
	return hm;
}

static int probe(struct xenbus_device *dev, const struct xenbus_device_id *id)
{
	struct xen_hostmem *hm = create(dev);
	int err;

	if (!hm)
		return -ENOMEM;
	err = register_reboot_notifier(&hm->reboot_nb);
	if (err) {
		destroy(hm);
		return err;
	}
	dev_set_drvdata(&dev->dev, hm);
	xen_hostmem_debugfs_add(hm);
	/* The rest follows the backend's state, which xenbus watches next. */
	return 0;
}

static void remove(struct xenbus_device *dev)
{
	struct xen_hostmem *hm = dev_get_drvdata(&dev->dev);

	unregister_reboot_notifier(&hm->reboot_nb);
	cancel_work_sync(&hm->thaw_work);
	stop_and_wait(hm);
	xen_hostmem_debugfs_remove(hm);
	/*
	 * xenbus enters Closed for us if we have not. With pages that could not
	 * be unmapped that would be a lie (R19): let it believe it has done so.
	 */
	dev->state = XenbusStateClosed;
	dev_set_drvdata(&dev->dev, NULL);
	destroy(hm);
}

static const struct xenbus_device_id xen_hostmem_ids[] = {
	{ "hostmem" },
	{ "" }
};

static struct xenbus_driver xen_hostmem_driver = {
	.name = "xen-hostmem",
	.ids = xen_hostmem_ids,
	.probe = probe,
	.remove = remove,
	.suspend = suspend,
	.otherend_changed = backend_changed,
	/* Nothing waits for it: until it is connected, accesses trap. */
	.not_essential = true,
};

static int __init xen_hostmem_init(void)
{
	int err;

	/* A PV guest has no frames of its own choice to map grants at. */
	if (!xen_domain() || !xen_feature(XENFEAT_auto_translated_physmap))
		return -ENODEV;

	xen_hostmem_debugfs_init();
	err = xenbus_register_frontend(&xen_hostmem_driver);
	if (err)
		xen_hostmem_debugfs_exit();
	return err;
}
module_init(xen_hostmem_init);

static void __exit xen_hostmem_exit(void)
{
	xenbus_unregister_driver(&xen_hostmem_driver);
	xen_hostmem_debugfs_exit();
}
module_exit(xen_hostmem_exit);

MODULE_DESCRIPTION("virtio-gpu host memory on Xen: maps the device model's buffers");
MODULE_LICENSE("GPL");
MODULE_ALIAS("xen:hostmem");
