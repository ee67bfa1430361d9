// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: grants at the window's guest-physical addresses
 */
#include <linux/delay.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>
#include <asm/xen/hypercall.h>
#include <xen/grant_table.h>

#include "driver.h"

/**
 * DOC: Limits that Xen sets
 *
 * Mapping a grant over a frame that already holds one crashes the domain, and
 * mapping one over memory loses that memory. Therefore every frame is
 * accounted for: a mapping stays in the tree until Xen has released all of its
 * pages, and nothing is mapped over a range that is in the tree (R13).
 *
 * Xen completes a store that crosses a page boundary, or a rep stos, by
 * emulating it again once the device model has answered for the trapped part.
 * If a frame has meanwhile changed from a hole to a grant or back, the access
 * no longer matches the answer and Xen crashes the domain. Therefore a range
 * that may be in use is only changed inside stop_machine(), where no CPU is
 * waiting for the device model. This applies to a LIVE map (R12), and to the
 * final teardown, because applications keep their pointers when this driver
 * goes away. An UNMAP without LIVE follows the guest's own unmap, after which
 * nobody has a pointer.
 */

/* Xen sets 0 or a negative status; an operation not processed keeps this. */
#define HOSTMEM_NOT_DONE	1

/*
 * Retries after GNTST_eagain, which says that the granter's page is being
 * paged in. They wait 1 + 2 + ... + 256 ms.
 */
#define HOSTMEM_MAX_EAGAIN	9

struct xen_hostmem_mapping {
	struct rb_node node;	/* in hm->mappings, ordered by offset */
	u64 id;
	u64 offset;
	u64 gpa;		/* stays the same even if the BAR moves */
	u32 nr_pages;
	u32 held;		/* pages that hold a grant */
	bool leaving;		/* is in hm->leaving */
	grant_handle_t handles[];
};

struct hostmem_hypercall {
	unsigned int command;
	void *ops;
	unsigned int count;
};

static int hostmem_do_hypercall(void *data)
{
	struct hostmem_hypercall *call = data;

	return HYPERVISOR_grant_table_op(call->command, call->ops, call->count);
}

/*
 * The error of the hypercall itself is ignored: the status of each operation
 * says more.
 */
static void hostmem_grant_table_op(unsigned int command, void *ops,
				   unsigned int count, bool stop)
{
	struct hostmem_hypercall call = {
		.command = command,
		.ops = ops,
		.count = count,
	};

	if (stop)
		stop_machine(hostmem_do_hypercall, &call, NULL);
	else
		hostmem_do_hypercall(&call);
}

static u32 hostmem_batch_size(bool stop)
{
	return stop ? XEN_HOSTMEM_STOP_BATCH : XEN_HOSTMEM_BATCH;
}

static u64 hostmem_address_of(const struct xen_hostmem_mapping *m, u32 page)
{
	return m->gpa + ((u64)page << XEN_HOSTMEM_PAGE_SHIFT);
}

static u32 hostmem_page_at(const struct xen_hostmem_mapping *m, u64 address)
{
	return (address - m->gpa) >> XEN_HOSTMEM_PAGE_SHIFT;
}

static u64 hostmem_mapping_end(const struct xen_hostmem_mapping *m)
{
	return m->offset + ((u64)m->nr_pages << XEN_HOSTMEM_PAGE_SHIFT);
}

static u64 hostmem_command_end(const struct xen_hostmem_command *cmd)
{
	return cmd->offset + ((u64)cmd->nr_pages << XEN_HOSTMEM_PAGE_SHIFT);
}

/*
 * Tree
 */

/* Returns any mapping that shares a page with [offset, end). */
static struct xen_hostmem_mapping *
hostmem_find_overlap(struct xen_hostmem *hm, u64 offset, u64 end)
{
	struct rb_node *node = hm->mappings.rb_node;

	while (node) {
		struct xen_hostmem_mapping *m =
			rb_entry(node, struct xen_hostmem_mapping, node);

		if (end <= m->offset)
			node = node->rb_left;
		else if (offset >= hostmem_mapping_end(m))
			node = node->rb_right;
		else
			return m;
	}
	return NULL;
}

/* The new mapping overlaps nothing in the tree. */
static void hostmem_insert(struct xen_hostmem *hm,
			   struct xen_hostmem_mapping *new)
{
	struct rb_node **link = &hm->mappings.rb_node, *parent = NULL;

	while (*link) {
		struct xen_hostmem_mapping *m;

		parent = *link;
		m = rb_entry(parent, struct xen_hostmem_mapping, node);
		link = new->offset < m->offset ? &parent->rb_left
					       : &parent->rb_right;
	}
	rb_link_node(&new->node, parent, link);
	rb_insert_color(&new->node, &hm->mappings);
}

static void hostmem_drop(struct xen_hostmem *hm, struct xen_hostmem_mapping *m)
{
	rb_erase(&m->node, &hm->mappings);
	kvfree(m);
}

static struct xen_hostmem_mapping *
hostmem_new_mapping(struct xen_hostmem *hm,
		    const struct xen_hostmem_command *cmd)
{
	struct xen_hostmem_mapping *m;
	u32 i;

	/* The reference buffer bounds nr_pages. */
	m = kvmalloc(struct_size(m, handles, cmd->nr_pages), GFP_KERNEL);
	if (!m)
		return NULL;
	m->id = cmd->id;
	m->offset = cmd->offset;
	m->gpa = hm->window.gpa + cmd->offset;
	m->nr_pages = cmd->nr_pages;
	m->held = 0;
	m->leaving = false;
	for (i = 0; i < m->nr_pages; i++)
		m->handles[i] = INVALID_GRANT_HANDLE;
	return m;
}

/*
 * Map
 */

static int hostmem_map_status(struct xen_hostmem *hm,
			      const struct gnttab_map_grant_ref *op)
{
	if (op->status == GNTST_no_space) {
		dev_warn_ratelimited(&hm->dev->dev,
				     "this domain's maptrack table is full: raise max_maptrack_frames in its configuration\n");
		return XEN_HOSTMEM_ENOMEM;
	}
	if (op->status == GNTST_general_error) {
		dev_warn_ratelimited(&hm->dev->dev,
				     "Xen cannot map a page at %#llx, most likely for lack of memory for this domain's page tables: raise shadow_memory in its configuration\n",
				     op->host_addr);
		return XEN_HOSTMEM_ENOSPC;
	}
	dev_warn_ratelimited(&hm->dev->dev,
			     "Xen refuses to map reference %u of domain %u at %#llx: GNTST %d\n",
			     op->ref, op->dom, op->host_addr, op->status);
	return XEN_HOSTMEM_EIO;
}

/*
 * Moves the operations that have to be retried to the front and returns their
 * number.
 */
static u32 hostmem_collect_map(struct xen_hostmem *hm,
			       struct xen_hostmem_mapping *m, u32 count,
			       int *status)
{
	u32 i, again = 0;

	for (i = 0; i < count; i++) {
		struct gnttab_map_grant_ref *op = &hm->map_ops[i];

		if (op->status == GNTST_okay) {
			m->handles[hostmem_page_at(m, op->host_addr)] =
				op->handle;
			m->held++;
		} else if (op->status == GNTST_eagain) {
			op->status = HOSTMEM_NOT_DONE;
			hm->map_ops[again++] = *op;
		} else if (*status == XEN_HOSTMEM_OK) {
			*status = hostmem_map_status(hm, op);
		}
	}
	return again;
}

static int hostmem_map_batch(struct xen_hostmem *hm,
			     struct xen_hostmem_mapping *m, u32 count,
			     bool stop)
{
	int status = XEN_HOSTMEM_OK;
	unsigned int try;

	for (try = 0; ; try++) {
		hostmem_grant_table_op(GNTTABOP_map_grant_ref, hm->map_ops,
				       count, stop);
		count = hostmem_collect_map(hm, m, count, &status);
		if (!count || status != XEN_HOSTMEM_OK)
			return status;
		if (try == HOSTMEM_MAX_EAGAIN)
			return XEN_HOSTMEM_EIO;
		msleep(1u << try);
	}
}

static int hostmem_map_pages(struct xen_hostmem *hm,
			     struct xen_hostmem_mapping *m, const u32 *refs,
			     bool stop)
{
	int status = XEN_HOSTMEM_OK;
	u32 page = 0, count, i;

	while (page < m->nr_pages && status == XEN_HOSTMEM_OK) {
		count = min(m->nr_pages - page, hostmem_batch_size(stop));
		for (i = 0; i < count; i++, page++) {
			/* gnttab_set_map_op() would apply __pa(). */
			hm->map_ops[i] = (struct gnttab_map_grant_ref) {
				.host_addr = hostmem_address_of(m, page),
				.flags = GNTMAP_host_map,
				.ref = READ_ONCE(refs[page]),
				.dom = hm->dev->otherend_id,
				.status = HOSTMEM_NOT_DONE,
			};
		}
		status = hostmem_map_batch(hm, m, count, stop);
		cond_resched();
	}
	return status;
}

/*
 * Unmap
 */

static u32 hostmem_fill_unmap(struct gnttab_unmap_grant_ref *ops,
			      const struct xen_hostmem_mapping *m, u32 *page,
			      u32 max)
{
	u32 count = 0;

	for (; *page < m->nr_pages && count < max; (*page)++) {
		if (m->handles[*page] == INVALID_GRANT_HANDLE)
			continue;
		ops[count++] = (struct gnttab_unmap_grant_ref) {
			.host_addr = hostmem_address_of(m, *page),
			.handle = m->handles[*page],
			.status = HOSTMEM_NOT_DONE,
		};
	}
	return count;
}

static void hostmem_collect_unmap(struct xen_hostmem *hm,
				  const struct gnttab_unmap_grant_ref *op,
				  struct xen_hostmem_mapping *m, u32 count)
{
	for (; count; count--, op++) {
		if (op->status != GNTST_okay) {
			dev_err_ratelimited(&hm->dev->dev,
					    "Xen refuses to unmap handle %u at %#llx: GNTST %d\n",
					    op->handle, op->host_addr,
					    op->status);
			continue;
		}
		m->handles[hostmem_page_at(m, op->host_addr)] =
			INVALID_GRANT_HANDLE;
		m->held--;
	}
}

/* Afterwards m->held is the number of pages left, which should be 0. */
static void hostmem_unmap_pages(struct xen_hostmem *hm,
				struct xen_hostmem_mapping *m, bool stop)
{
	u32 page = 0, count;

	while (page < m->nr_pages) {
		count = hostmem_fill_unmap(hm->unmap_ops, m, &page,
					   hostmem_batch_size(stop));
		if (!count)
			break;
		hostmem_grant_table_op(GNTTABOP_unmap_grant_ref, hm->unmap_ops,
				       count, stop);
		hostmem_collect_unmap(hm, hm->unmap_ops, m, count);
		cond_resched();
	}
}

/*
 * Requests
 */

/* None of this machine's memory is in the range (R17). */
static bool hostmem_is_hole(u64 gpa, u32 nr_pages)
{
	return region_intersects(gpa,
				 (size_t)nr_pages << XEN_HOSTMEM_PAGE_SHIFT,
				 IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) ==
	       REGION_DISJOINT;
}

/**
 * xen_hostmem_map() - serve a MAP
 * @hm: the device
 * @cmd: a MAP; its references are read from the reference buffer once
 *
 * Success also covers a map that failed and could not be undone. Its pages
 * reach the right buffer and those that are missing trap, which reaches the
 * same buffer.
 *
 * Context: The device's workqueue, with &xen_hostmem.lock held. Sleeps, and
 * stops all CPUs if the command is LIVE.
 * Return: XEN_HOSTMEM_OK, or an error of the protocol if nothing is mapped.
 */
int xen_hostmem_map(struct xen_hostmem *hm,
		    const struct xen_hostmem_command *cmd)
{
	struct xen_hostmem_mapping *m;
	int status;

	if (xen_hostmem_window_check(&hm->window)) {
		dev_warn_ratelimited(&hm->dev->dev,
				     "the GPU's BAR is not at %#llx any more, or the GPU does not decode it\n",
				     hm->window.gpa);
		return XEN_HOSTMEM_ENODEV;
	}
	if (!hostmem_is_hole(hm->window.gpa + cmd->offset, cmd->nr_pages)) {
		dev_warn_ratelimited(&hm->dev->dev,
				     "there is memory within the %u pages at %#llx\n",
				     cmd->nr_pages,
				     hm->window.gpa + cmd->offset);
		return XEN_HOSTMEM_ENODEV;
	}
	if (!xen_hostmem_noexec()) {
		dev_warn_ratelimited(&hm->dev->dev,
				     "not mapped: a program that executes it would end this guest (see the parameter allow_exec)\n");
		return XEN_HOSTMEM_ENODEV;
	}
	if (hostmem_find_overlap(hm, cmd->offset, hostmem_command_end(cmd)))
		return XEN_HOSTMEM_EEXIST;
	m = hostmem_new_mapping(hm, cmd);
	if (!m)
		return XEN_HOSTMEM_ENOMEM;

	status = hostmem_map_pages(hm, m, &hm->refs[cmd->first], cmd->live);
	if (status != XEN_HOSTMEM_OK)
		hostmem_unmap_pages(hm, m, cmd->live);
	if (status != XEN_HOSTMEM_OK && !m->held) {
		kvfree(m);
		return status;
	}
	/*
	 * If pages are left that cannot be unmapped, an error would claim that
	 * nothing is mapped (R11), and the backend would free the buffer. So
	 * keep it as a mapping. Its UNMAP will fail, which puts the range into
	 * quarantine (R24).
	 */
	hostmem_insert(hm, m);
	return XEN_HOSTMEM_OK;
}

/**
 * xen_hostmem_unmap() - serve an UNMAP
 * @hm: the device
 * @cmd: an UNMAP
 *
 * On an error other than XEN_HOSTMEM_ENOENT the mapping stays.
 *
 * Context: The device's workqueue, with &xen_hostmem.lock held. Sleeps, and
 * stops all CPUs if the command is LIVE.
 * Return: XEN_HOSTMEM_OK or an error of the protocol.
 */
int xen_hostmem_unmap(struct xen_hostmem *hm,
		      const struct xen_hostmem_command *cmd)
{
	struct xen_hostmem_mapping *m =
		hostmem_find_overlap(hm, cmd->offset, hostmem_command_end(cmd));

	if (!m)
		return XEN_HOSTMEM_ENOENT;
	/* ENOENT would claim that the range is free, which it is not. */
	if (m->id != cmd->id || m->offset != cmd->offset ||
	    m->nr_pages != cmd->nr_pages)
		return XEN_HOSTMEM_EINVAL;

	hostmem_unmap_pages(hm, m, cmd->live);
	if (m->held)
		return XEN_HOSTMEM_EIO;
	hostmem_drop(hm, m);
	return XEN_HOSTMEM_OK;
}

/**
 * xen_hostmem_unmap_add() - add an UNMAP to the next hypercall
 * @hm: the device
 * @cmd: an UNMAP
 *
 * Up to XEN_HOSTMEM_NR_SLOTS of them, and XEN_HOSTMEM_BATCH pages, fit into
 * one hypercall.
 *
 * Context: The device's workqueue, with &xen_hostmem.lock held.
 * Return: True if it was added. False if xen_hostmem_unmap() has to serve it,
 * after xen_hostmem_unmap_commit() has served those added before.
 */
bool xen_hostmem_unmap_add(struct xen_hostmem *hm,
			   const struct xen_hostmem_command *cmd)
{
	struct xen_hostmem_mapping *m =
		hostmem_find_overlap(hm, cmd->offset, hostmem_command_end(cmd));
	u32 page = 0;

	if (cmd->live || !m || m->leaving || m->id != cmd->id ||
	    m->offset != cmd->offset || m->nr_pages != cmd->nr_pages ||
	    m->held > XEN_HOSTMEM_BATCH - hm->nr_unmap_ops ||
	    hm->nr_leaving == XEN_HOSTMEM_NR_SLOTS)
		return false;
	hm->nr_unmap_ops += hostmem_fill_unmap(&hm->unmap_ops[hm->nr_unmap_ops],
					       m, &page, m->held);
	m->leaving = true;
	hm->leaving[hm->nr_leaving++] = m;
	return true;
}

/**
 * xen_hostmem_unmap_commit() - serve the UNMAPs that were added
 * @hm: the device
 * @done: called for each of them in the order in which they were added, with
 *	its number, counted from 0, and its status
 *
 * Context: The device's workqueue, with &xen_hostmem.lock held.
 */
void xen_hostmem_unmap_commit(struct xen_hostmem *hm,
			      void (*done)(struct xen_hostmem *hm,
					   unsigned int i, int status))
{
	struct gnttab_unmap_grant_ref *op = hm->unmap_ops;
	unsigned int i;

	if (hm->nr_unmap_ops)
		hostmem_grant_table_op(GNTTABOP_unmap_grant_ref, op,
				       hm->nr_unmap_ops, false);
	for (i = 0; i < hm->nr_leaving; i++) {
		struct xen_hostmem_mapping *m = hm->leaving[i];
		u32 count = m->held;
		int status = XEN_HOSTMEM_EIO;

		hostmem_collect_unmap(hm, op, m, count);
		op += count;
		m->leaving = false;
		if (!m->held) {
			hostmem_drop(hm, m);
			status = XEN_HOSTMEM_OK;
		}
		done(hm, i, status);
	}
	hm->nr_leaving = 0;
	hm->nr_unmap_ops = 0;
}

/**
 * xen_hostmem_unmap_all() - unmap everything, whether or not it is in use
 * @hm: the device
 *
 * Context: The device's workqueue. Takes &xen_hostmem.lock, sleeps, stops all
 * CPUs.
 * Return: The number of pages that Xen refused to unmap.
 */
unsigned long xen_hostmem_unmap_all(struct xen_hostmem *hm)
{
	struct rb_node *node, *next;
	unsigned long left = 0;

	mutex_lock(&hm->lock);
	for (node = rb_first(&hm->mappings); node; node = next) {
		struct xen_hostmem_mapping *m =
			rb_entry(node, struct xen_hostmem_mapping, node);

		next = rb_next(node);
		hostmem_unmap_pages(hm, m, true);
		left += m->held;
		if (!m->held)
			hostmem_drop(hm, m);
	}
	mutex_unlock(&hm->lock);
	return left;
}

/**
 * xen_hostmem_forget_all() - free what describes the mappings
 * @hm: the device, which is being freed
 *
 * Nothing is unmapped: this is for pages that xen_hostmem_unmap_all() could
 * not unmap.
 */
void xen_hostmem_forget_all(struct xen_hostmem *hm)
{
	struct xen_hostmem_mapping *m, *next;

	rbtree_postorder_for_each_entry_safe(m, next, &hm->mappings, node)
		kvfree(m);
	hm->mappings = RB_ROOT;
}

/**
 * xen_hostmem_show_mappings() - list the mappings, one line each
 * @hm: the device
 * @seq: the file in debugfs
 *
 * Context: With &xen_hostmem.lock held.
 */
void xen_hostmem_show_mappings(struct xen_hostmem *hm, struct seq_file *seq)
{
	struct rb_node *node;

	for (node = rb_first(&hm->mappings); node; node = rb_next(node)) {
		struct xen_hostmem_mapping *m =
			rb_entry(node, struct xen_hostmem_mapping, node);

		seq_printf(seq, "mapping %#llx pages %u held %u\n",
			   m->offset, m->nr_pages, m->held);
	}
}
