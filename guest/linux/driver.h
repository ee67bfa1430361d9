/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-hostmem: what the driver's parts know of each other
 *
 * The numbers R1, R2, ... are requirements of docs/specs/xen-hostmem.rst.
 *
 * Everything that a device does runs in its one ordered work queue: state
 * changes, requests, and the end. So none of it can run beside another, and
 * the only lock is the one that keeps debugfs from reading half a change.
 */
#ifndef XEN_HOSTMEM_DRIVER_H
#define XEN_HOSTMEM_DRIVER_H

#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/rbtree.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <xen/page.h>
#include <xen/xenbus.h>

#include "hostmem.h"

struct dentry;
struct pci_dev;
struct seq_file;

/*
 * Pages in one hypercall. Each unmap hypercall costs one round trip to the
 * device model, so the more the better: as many as QEMU puts into one request.
 * Interrupts are served meanwhile, and Xen lets other virtual CPUs run; but on
 * a kernel without preemption no other task of this one does.
 */
#define XEN_HOSTMEM_BATCH		4096

/* Requests on the ring at a time. */
#define XEN_HOSTMEM_NR_SLOTS	__CONST_RING_SIZE(xen_hostmem, XEN_PAGE_SIZE)

/* Pages in one stop_machine(): all virtual CPUs stand still that long. */
#define XEN_HOSTMEM_STOP_BATCH		256

/* The part of a PCI BAR that grants may be mapped at. */
struct xen_hostmem_window {
	struct pci_dev *pdev;	/* held; NULL: no window */
	unsigned int bar;
	u64 bar_address;	/* what the BAR registers hold */
	u64 bar_offset;		/* of the window in the BAR */
	u64 gpa;		/* guest-physical address of the window */
	u64 size;
	u64 good_until;		/* jiffies64; the registers were read */
};

struct xen_hostmem_stats {
	u64 maps;
	u64 live_maps;
	u64 unmaps;
	u64 failures;		/* well-formed, but answered with an error */
	u64 unexpected;		/* malformed */
};

struct xen_hostmem {
	struct xenbus_device *dev;
	struct workqueue_struct *wq;
	struct work_struct state_work;
	struct work_struct ring_work;
	struct work_struct stop_work;
	struct work_struct start_work;
	struct work_struct thaw_work;	/* on system_freezable_wq */
	struct notifier_block reboot_nb;
	struct dentry *debugfs;

	bool begun;		/* Initialising was entered */
	bool stopped;		/* by us: the backend's state does not matter */
	bool closing;		/* MAP is not served any more */
	bool broken;		/* the ring is not served any more */

	/* connection.c */
	struct xen_hostmem_back_ring ring;
	struct xen_hostmem_sring *sring;
	u32 *refs;		/* the reference buffer; the peer writes it */
	grant_ref_t ring_gref;
	grant_ref_t ref_grefs[XEN_HOSTMEM_MAX_GREF_PAGES];
	evtchn_port_t evtchn;
	int irq;		/* 0: none */
	atomic_t event;		/* the interrupt waits for its EOI */

	struct xen_hostmem_window window;

	/* ring.c: UNMAPs that are served together */
	struct xen_hostmem_request unmaps[XEN_HOSTMEM_NR_SLOTS];

	struct mutex lock;	/* mappings and stats, against debugfs */
	struct rb_root mappings;
	struct xen_hostmem_stats stats;
	struct gnttab_map_grant_ref *map_ops;		/* XEN_HOSTMEM_BATCH */
	struct gnttab_unmap_grant_ref *unmap_ops;	/* XEN_HOSTMEM_BATCH */

	/* map.c: the mappings that unmap_ops is for, in its order */
	struct xen_hostmem_mapping *leaving[XEN_HOSTMEM_NR_SLOTS];
	unsigned int nr_leaving;
	u32 nr_unmap_ops;
};

/* A request, checked against R16. */
struct xen_hostmem_command {
	u64 id;
	u64 offset;		/* bytes, within the window */
	u32 nr_pages;		/* within the window from offset on */
	u32 first;		/* MAP: within the reference buffer */
	bool unmap;
	bool live;
};

#define XEN_HOSTMEM_NR_REFS \
	(XEN_HOSTMEM_MAX_GREF_PAGES * XEN_HOSTMEM_REFS_PER_PAGE)

/*
 * connection.c: ring page, reference buffer, event channel
 *
 * _open() reports its own error. _close() may be called at any time.
 */
int xen_hostmem_connection_open(struct xen_hostmem *hm);
void xen_hostmem_connection_close(struct xen_hostmem *hm);

/*
 * ring.c: requests and answers
 *
 * Serves what is in the ring now. Returns 1 if there is more, 0 if not, and
 * -EPROTO, after reporting it, if the ring cannot be believed.
 */
int xen_hostmem_ring_serve(struct xen_hostmem *hm);

/*
 * map.c: grants at the window
 *
 * _map() and _unmap() return a status of the protocol. _unmap_all() returns
 * the number of pages that Xen would not let go.
 *
 * _unmap_add() takes an UNMAP into the next hypercall, up to
 * XEN_HOSTMEM_NR_SLOTS of them; false: it is for _unmap(), after the commit of
 * those taken before. _unmap_commit() does all that were taken, and calls
 * @done with the status of each, in their order.
 */
int xen_hostmem_map(struct xen_hostmem *hm,
		    const struct xen_hostmem_command *cmd);
int xen_hostmem_unmap(struct xen_hostmem *hm,
		      const struct xen_hostmem_command *cmd);
bool xen_hostmem_unmap_add(struct xen_hostmem *hm,
			   const struct xen_hostmem_command *cmd);
void xen_hostmem_unmap_commit(struct xen_hostmem *hm,
			      void (*done)(struct xen_hostmem *hm,
					   unsigned int i, int status));
unsigned long xen_hostmem_unmap_all(struct xen_hostmem *hm);
void xen_hostmem_forget_all(struct xen_hostmem *hm);
void xen_hostmem_show_mappings(struct xen_hostmem *hm, struct seq_file *seq);

/*
 * window.c: the PCI function's shared memory region
 *
 * _find() reports its own error. _check() returns 0 or -ENODEV (R17).
 */
int xen_hostmem_window_find(struct xen_hostmem *hm);
int xen_hostmem_window_check(struct xen_hostmem_window *window);
void xen_hostmem_window_put(struct xen_hostmem_window *window);

/* debugfs.c */
void xen_hostmem_debugfs_init(void);
void xen_hostmem_debugfs_exit(void);
void xen_hostmem_debugfs_add(struct xen_hostmem *hm);
void xen_hostmem_debugfs_remove(struct xen_hostmem *hm);

#endif /* XEN_HOSTMEM_DRIVER_H */
