// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: grants at the window's guest-physical addresses
 *
 * DOC: what Xen does, and what therefore is done here
 *
 * A grant that is mapped over a frame with another grant crashes the domain,
 * and one that is mapped over memory loses that memory. So each frame is
 * accounted for: a mapping stays in the tree until Xen has let go of each of
 * its pages, and nothing is mapped over what is in the tree (R13).
 *
 * A store that straddles two pages, or a rep stos, is completed by emulating
 * it anew after the device model has answered for the trapped part. If a frame
 * has changed from hole to grant or back meanwhile, the access no longer is
 * what the answer was for, and Xen crashes the domain. So what may be in use
 * changes inside stop_machine(), where no CPU waits for the device model: a
 * LIVE map (R12), and also the end of everything, because applications keep
 * their pointers when this driver goes. An UNMAP that is not LIVE follows the
 * guest's own unmap, after which nobody has a pointer.
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

/* Xen's answers are 0 or negative: what it has not processed keeps this. */
#define NOT_DONE		1

/* GNTST_eagain, the granter's page is being paged in: 1 + 2 + ... + 256 ms. */
#define MAX_EAGAIN		9

struct xen_hostmem_mapping {
	struct rb_node node;	/* in hm->mappings, ordered by offset */
	u64 id;
	u64 offset;
	u64 gpa;		/* where it is, even if the BAR has moved */
	u32 nr_pages;
	u32 held;		/* pages that hold a grant */
	bool leaving;		/* is in hm->leaving */
	grant_handle_t handles[];
};

struct hypercall {
	unsigned int command;
	void *ops;
	unsigned int count;
};

static int do_hypercall(void *data)
{
	struct hypercall *call = data;

	return HYPERVISOR_grant_table_op(call->command, call->ops, call->count);
}

/*
 * The error of the hypercall as such is not needed: each operation has a
 * status, which says more.
 */
static void grant_table_op(unsigned int command, void *ops, unsigned int count,
			   bool stop)
{
	struct hypercall call = {
		.command = command,
		.ops = ops,
		.count = count,
	};

	if (stop)
		stop_machine(do_hypercall, &call, NULL);
	else
		do_hypercall(&call);
}

static u32 batch_size(bool stop)
{
	return stop ? XEN_HOSTMEM_STOP_BATCH : XEN_HOSTMEM_BATCH;
}

static u64 address_of(const struct xen_hostmem_mapping *m, u32 page)
{
	return m->gpa + ((u64)page << XEN_HOSTMEM_PAGE_SHIFT);
}

static u32 page_at(const struct xen_hostmem_mapping *m, u64 address)
{
	return (address - m->gpa) >> XEN_HOSTMEM_PAGE_SHIFT;
}

static u64 mapping_end(const struct xen_hostmem_mapping *m)
{
	return m->offset + ((u64)m->nr_pages << XEN_HOSTMEM_PAGE_SHIFT);
}

/*
 * Tree
 */

/* Any mapping that shares a page with [offset, end). */
static struct xen_hostmem_mapping *find_overlap(struct xen_hostmem *hm,
						u64 offset, u64 end)
{
	struct rb_node *node = hm->mappings.rb_node;

	while (node) {
		struct xen_hostmem_mapping *m =
			rb_entry(node, struct xen_hostmem_mapping, node);

		if (end <= m->offset)
			node = node->rb_left;
		else if (offset >= mapping_end(m))
			node = node->rb_right;
		else
			return m;
	}
	return NULL;
}

/* It overlaps nothing in the tree. */
static void insert(struct xen_hostmem *hm, struct xen_hostmem_mapping *new)
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

static void drop(struct xen_hostmem *hm, struct xen_hostmem_mapping *m)
{
	rb_erase(&m->node, &hm->mappings);
	kvfree(m);
}

static struct xen_hostmem_mapping *
new_mapping(struct xen_hostmem *hm, const struct xen_hostmem_command *cmd)
{
	struct xen_hostmem_mapping *m;
	u32 i;

	/* nr_pages is bounded by the reference buffer. */
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

static int map_status(struct xen_hostmem *hm,
		      const struct gnttab_map_grant_ref *op)
{
	if (op->status == GNTST_no_space) {
		dev_warn_ratelimited(&hm->dev->dev,
				     "this domain's maptrack is full: raise max_maptrack_frames in its configuration\n");
		return XEN_HOSTMEM_ENOMEM;
	}
	dev_warn_ratelimited(&hm->dev->dev,
			     "Xen refuses to map reference %u of domain %u at %#llx: GNTST %d\n",
			     op->ref, op->dom, op->host_addr, op->status);
	return XEN_HOSTMEM_EIO;
}

/* Returns how many operations are to be tried again: they are moved to front. */
static u32 collect_map(struct xen_hostmem *hm, struct xen_hostmem_mapping *m,
		       u32 count, int *status)
{
	u32 i, again = 0;

	for (i = 0; i < count; i++) {
		struct gnttab_map_grant_ref *op = &hm->map_ops[i];

		if (op->status == GNTST_okay) {
			m->handles[page_at(m, op->host_addr)] = op->handle;
			m->held++;
		} else if (op->status == GNTST_eagain) {
			op->status = NOT_DONE;
			hm->map_ops[again++] = *op;
		} else if (*status == XEN_HOSTMEM_OK) {
			*status = map_status(hm, op);
		}
	}
	return again;
}

static int map_batch(struct xen_hostmem *hm, struct xen_hostmem_mapping *m,
		     u32 count, bool stop)
{
	int status = XEN_HOSTMEM_OK;
	unsigned int try;

	for (try = 0; ; try++) {
		grant_table_op(GNTTABOP_map_grant_ref, hm->map_ops, count, stop);
		count = collect_map(hm, m, count, &status);
		if (!count || status != XEN_HOSTMEM_OK)
			return status;
		if (try == MAX_EAGAIN)
			return XEN_HOSTMEM_EIO;
		msleep(1u << try);
	}
}

static int map_pages(struct xen_hostmem *hm, struct xen_hostmem_mapping *m,
		     const u32 *refs, bool stop)
{
	int status = XEN_HOSTMEM_OK;
	u32 page = 0, count, i;

	while (page < m->nr_pages && status == XEN_HOSTMEM_OK) {
		count = min(m->nr_pages - page, batch_size(stop));
		for (i = 0; i < count; i++, page++) {
			/* gnttab_set_map_op() would apply __pa(). */
			hm->map_ops[i] = (struct gnttab_map_grant_ref) {
				.host_addr = address_of(m, page),
				.flags = GNTMAP_host_map,
				.ref = READ_ONCE(refs[page]),
				.dom = hm->dev->otherend_id,
				.status = NOT_DONE,
			};
		}
		status = map_batch(hm, m, count, stop);
		cond_resched();
	}
	return status;
}

/*
 * Unmap
 */

static u32 fill_unmap(struct gnttab_unmap_grant_ref *ops,
		      const struct xen_hostmem_mapping *m, u32 *page, u32 max)
{
	u32 count = 0;

	for (; *page < m->nr_pages && count < max; (*page)++) {
		if (m->handles[*page] == INVALID_GRANT_HANDLE)
			continue;
		ops[count++] = (struct gnttab_unmap_grant_ref) {
			.host_addr = address_of(m, *page),
			.handle = m->handles[*page],
			.status = NOT_DONE,
		};
	}
	return count;
}

static void collect_unmap(struct xen_hostmem *hm,
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
		m->handles[page_at(m, op->host_addr)] = INVALID_GRANT_HANDLE;
		m->held--;
	}
}

/* m->held says how many pages are left, which should be none. */
static void unmap_pages(struct xen_hostmem *hm, struct xen_hostmem_mapping *m,
			bool stop)
{
	u32 page = 0, count;

	while (page < m->nr_pages) {
		count = fill_unmap(hm->unmap_ops, m, &page, batch_size(stop));
		if (!count)
			break;
		grant_table_op(GNTTABOP_unmap_grant_ref, hm->unmap_ops, count,
			       stop);
		collect_unmap(hm, hm->unmap_ops, m, count);
		cond_resched();
	}
}

/*
 * Requests
 */

/* Nothing of this machine's memory is where the grants go (R17). */
static bool is_hole(u64 gpa, u32 nr_pages)
{
	return region_intersects(gpa, (size_t)nr_pages << XEN_HOSTMEM_PAGE_SHIFT,
				 IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) ==
	       REGION_DISJOINT;
}

int xen_hostmem_map(struct xen_hostmem *hm,
		    const struct xen_hostmem_command *cmd)
{
	u64 end = cmd->offset + ((u64)cmd->nr_pages << XEN_HOSTMEM_PAGE_SHIFT);
	struct xen_hostmem_mapping *m;
	int status;

	if (xen_hostmem_window_check(&hm->window)) {
		dev_warn_ratelimited(&hm->dev->dev,
				     "the GPU does not decode its BAR, or that is not at %#llx any more\n",
				     hm->window.gpa);
		return XEN_HOSTMEM_ENODEV;
	}
	if (!is_hole(hm->window.gpa + cmd->offset, cmd->nr_pages)) {
		dev_warn_ratelimited(&hm->dev->dev,
				     "%u pages at %#llx are not all holes\n",
				     cmd->nr_pages,
				     hm->window.gpa + cmd->offset);
		return XEN_HOSTMEM_ENODEV;
	}
	if (find_overlap(hm, cmd->offset, end))
		return XEN_HOSTMEM_EEXIST;
	m = new_mapping(hm, cmd);
	if (!m)
		return XEN_HOSTMEM_ENOMEM;

	status = map_pages(hm, m, &hm->refs[cmd->first], cmd->live);
	if (status != XEN_HOSTMEM_OK)
		unmap_pages(hm, m, cmd->live);
	if (status != XEN_HOSTMEM_OK && !m->held) {
		kvfree(m);
		return status;
	}
	/*
	 * Pages that cannot be unmapped reach the right buffer, and the others
	 * trap, which reaches the same one. An error would say that nothing is
	 * mapped (R11), and let the buffer go. So it is a mapping, whose UNMAP
	 * is going to fail, and to put the range into quarantine (R24).
	 */
	insert(hm, m);
	return XEN_HOSTMEM_OK;
}

int xen_hostmem_unmap(struct xen_hostmem *hm,
		      const struct xen_hostmem_command *cmd)
{
	u64 end = cmd->offset + ((u64)cmd->nr_pages << XEN_HOSTMEM_PAGE_SHIFT);
	struct xen_hostmem_mapping *m = find_overlap(hm, cmd->offset, end);

	if (!m)
		return XEN_HOSTMEM_ENOENT;
	/* ENOENT would say that the range is free. It is not. */
	if (m->id != cmd->id || m->offset != cmd->offset ||
	    m->nr_pages != cmd->nr_pages)
		return XEN_HOSTMEM_EINVAL;

	unmap_pages(hm, m, cmd->live);
	if (m->held)
		return XEN_HOSTMEM_EIO;
	drop(hm, m);
	return XEN_HOSTMEM_OK;
}

bool xen_hostmem_unmap_add(struct xen_hostmem *hm,
			   const struct xen_hostmem_command *cmd)
{
	u64 end = cmd->offset + ((u64)cmd->nr_pages << XEN_HOSTMEM_PAGE_SHIFT);
	struct xen_hostmem_mapping *m = find_overlap(hm, cmd->offset, end);
	u32 page = 0;

	if (cmd->live || !m || m->leaving || m->id != cmd->id ||
	    m->offset != cmd->offset || m->nr_pages != cmd->nr_pages ||
	    m->held > XEN_HOSTMEM_BATCH - hm->nr_unmap_ops ||
	    hm->nr_leaving == XEN_HOSTMEM_NR_SLOTS)
		return false;
	hm->nr_unmap_ops += fill_unmap(&hm->unmap_ops[hm->nr_unmap_ops], m,
				       &page, m->held);
	m->leaving = true;
	hm->leaving[hm->nr_leaving++] = m;
	return true;
}

void xen_hostmem_unmap_commit(struct xen_hostmem *hm,
			      void (*done)(struct xen_hostmem *hm,
					   unsigned int i, int status))
{
	struct gnttab_unmap_grant_ref *op = hm->unmap_ops;
	unsigned int i;

	if (hm->nr_unmap_ops)
		grant_table_op(GNTTABOP_unmap_grant_ref, op, hm->nr_unmap_ops,
			       false);
	for (i = 0; i < hm->nr_leaving; i++) {
		struct xen_hostmem_mapping *m = hm->leaving[i];
		u32 count = m->held;
		int status = XEN_HOSTMEM_EIO;

		collect_unmap(hm, op, m, count);
		op += count;
		m->leaving = false;
		if (!m->held) {
			drop(hm, m);
			status = XEN_HOSTMEM_OK;
		}
		done(hm, i, status);
	}
	hm->nr_leaving = 0;
	hm->nr_unmap_ops = 0;
}

unsigned long xen_hostmem_unmap_all(struct xen_hostmem *hm)
{
	struct rb_node *node, *next;
	unsigned long left = 0;

	mutex_lock(&hm->lock);
	for (node = rb_first(&hm->mappings); node; node = next) {
		struct xen_hostmem_mapping *m =
			rb_entry(node, struct xen_hostmem_mapping, node);

		next = rb_next(node);
		unmap_pages(hm, m, true);
		left += m->held;
		if (!m->held)
			drop(hm, m);
	}
	mutex_unlock(&hm->lock);
	return left;
}

/* The driver goes, whatever Xen still holds. */
void xen_hostmem_forget_all(struct xen_hostmem *hm)
{
	struct xen_hostmem_mapping *m, *next;

	rbtree_postorder_for_each_entry_safe(m, next, &hm->mappings, node)
		kvfree(m);
	hm->mappings = RB_ROOT;
}

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
