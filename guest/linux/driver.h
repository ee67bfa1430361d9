/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xen-hostmem: declarations shared by the driver's files
 *
 * R1, R2, ... refer to the requirements in docs/specs/xen-hostmem.rst.
 */
#ifndef XEN_HOSTMEM_DRIVER_H
#define XEN_HOSTMEM_DRIVER_H

#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pm.h>
#include <linux/rbtree.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <xen/page.h>
#include <xen/xenbus.h>

#include "hostmem.h"

struct dentry;
struct pci_dev;
struct seq_file;

/**
 * DOC: Locking
 *
 * All work on a device runs in that device's ordered workqueue: state changes,
 * requests and teardown. Nothing there runs concurrently, so one lock is
 * enough: &xen_hostmem.lock, which keeps debugfs from seeing a half-made
 * change. xenwatch waits for that workqueue while the state is, or becomes,
 * Initialising, so no work may wait for xenwatch.
 */

/*
 * Pages per hypercall. Each unmap hypercall costs one round trip to the device
 * model, so large batches are better: this is as many as QEMU puts into one
 * request. Interrupts are still served and Xen lets other virtual CPUs run,
 * but on a kernel without preemption no other task runs on this CPU meanwhile.
 */
#define XEN_HOSTMEM_BATCH		4096

/* Requests that fit on the ring. */
#define XEN_HOSTMEM_NR_SLOTS	__CONST_RING_SIZE(xen_hostmem, XEN_PAGE_SIZE)

/* Pages per stop_machine(), which halts all virtual CPUs for as long. */
#define XEN_HOSTMEM_STOP_BATCH		256

/* References that fit in the reference buffer. */
#define XEN_HOSTMEM_NR_REFS \
	(XEN_HOSTMEM_MAX_GREF_PAGES * XEN_HOSTMEM_REFS_PER_PAGE)

/**
 * struct xen_hostmem_window - the part of a PCI BAR where grants may be mapped
 * @pdev: the GPU, with a reference held; NULL if there is no window
 * @bar: number of the BAR
 * @bar_address: expected contents of the BAR's registers
 * @bar_offset: offset of the window in the BAR, in bytes
 * @gpa: guest-physical address of the window
 * @size: size of the window in bytes
 * @good_until: time (jiffies64) until which the registers are trusted to hold
 *	@bar_address without being read again
 */
struct xen_hostmem_window {
	struct pci_dev *pdev;
	unsigned int bar;
	u64 bar_address;
	u64 bar_offset;
	u64 gpa;
	u64 size;
	u64 good_until;
};

/**
 * struct xen_hostmem_stats - counters shown in debugfs
 * @maps: successful MAP requests
 * @live_maps: those of them that had the LIVE flag
 * @unmaps: successful UNMAP requests
 * @failures: well-formed requests that were answered with an error
 * @unexpected: malformed requests
 */
struct xen_hostmem_stats {
	u64 maps;
	u64 live_maps;
	u64 unmaps;
	u64 failures;
	u64 unexpected;
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
	struct xenbus_watch watch;	/* of the backend, if node is not NULL */
	struct dentry *debugfs;

	bool begun;		/* Initialising was entered since the last stop */
	bool stopped;		/* by this driver: ignore the backend's state */
	bool closing;		/* MAP is no longer served */
	bool broken;		/* the ring is no longer served */

	/* connection.c */
	struct xen_hostmem_back_ring ring;
	struct xen_hostmem_sring *sring;
	u32 *refs;		/* the reference buffer; the backend writes it */
	grant_ref_t ring_gref;
	grant_ref_t ref_grefs[XEN_HOSTMEM_MAX_GREF_PAGES];
	evtchn_port_t evtchn;
	int irq;		/* 0: none */
	atomic_t event;		/* an interrupt waits for its EOI */

	struct xen_hostmem_window window;

	/* ring.c: UNMAPs that are served together */
	struct xen_hostmem_request unmaps[XEN_HOSTMEM_NR_SLOTS];

	struct mutex lock;	/* mappings and stats, against debugfs */
	struct rb_root mappings;
	struct xen_hostmem_stats stats;
	struct gnttab_map_grant_ref *map_ops;		/* XEN_HOSTMEM_BATCH */
	struct gnttab_unmap_grant_ref *unmap_ops;	/* XEN_HOSTMEM_BATCH */

	/* map.c: the mappings that unmap_ops covers, in the same order */
	struct xen_hostmem_mapping *leaving[XEN_HOSTMEM_NR_SLOTS];
	unsigned int nr_leaving;
	u32 nr_unmap_ops;
};

/**
 * struct xen_hostmem_command - a request that has passed the checks of R16
 * @id: the backend's name for the mapping
 * @offset: start of the range, in bytes from the start of the window
 * @nr_pages: length of the range, which lies within the window
 * @first: for a MAP, index of its first reference; all of its references lie
 *	within the reference buffer
 * @operation: XEN_HOSTMEM_OP_MAP or XEN_HOSTMEM_OP_UNMAP
 * @live: the guest may be accessing the range right now
 */
struct xen_hostmem_command {
	u64 id;
	u64 offset;
	u32 nr_pages;
	u32 first;
	u8 operation;
	bool live;
};

/* connection.c: ring page, reference buffer, event channel */
int xen_hostmem_connection_open(struct xen_hostmem *hm);
void xen_hostmem_connection_close(struct xen_hostmem *hm);

/* ring.c: requests and responses */
int xen_hostmem_ring_serve(struct xen_hostmem *hm);

/* map.c: grants in the window */
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

/* window.c: the PCI function's shared memory region */
int xen_hostmem_window_find(struct xen_hostmem *hm);
int xen_hostmem_window_check(struct xen_hostmem_window *window);
void xen_hostmem_window_put(struct xen_hostmem_window *window);

/* unbind.c: waiting for programs */
void xen_hostmem_wait_for_users(struct xen_hostmem *hm);

/* noexec.c: no program executes the window */
bool xen_hostmem_noexec(void);
int xen_hostmem_noexec_init(void);
void xen_hostmem_noexec_exit(void);

/* suspend.c: the driver's .pm, which refuses Xen's suspend */
extern const struct dev_pm_ops xen_hostmem_pm_ops;
int xen_hostmem_suspend_init(void);
void xen_hostmem_suspend_exit(void);

/* debugfs.c */
void xen_hostmem_debugfs_init(void);
void xen_hostmem_debugfs_exit(void);
void xen_hostmem_debugfs_add(struct xen_hostmem *hm);
void xen_hostmem_debugfs_remove(struct xen_hostmem *hm);

#endif /* XEN_HOSTMEM_DRIVER_H */
