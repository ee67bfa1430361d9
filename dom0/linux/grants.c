// SPDX-License-Identifier: GPL-2.0-only
/*
 * A set of grant references.
 *
 * What the peer can do: map any reference from the moment it is granted,
 * also before anybody told it the number (it may simply try them), map one
 * many times, and never unmap. With version 1 of the grant table it can even
 * map a reference anew that it has mapped, while we wait for it to let go.
 * So the only proof that a page is ours again is
 * gnttab_try_end_foreign_access(): it revokes the reference atomically, and
 * only while nothing has it mapped.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <xen/grant_table.h>

#include "xdg.h"

/* References handled between two chances to give the CPU away. */
#define XDG_RESCHED_EVERY 1024

int xdg_grants_init(struct xdg_grants *grants, u32 size)
{
	/* The size is the caller's, though bounded by its buffer: charge it. */
	grants->refs = kvmalloc_array(size, sizeof(*grants->refs),
				      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!grants->refs)
		return -ENOMEM;
	grants->size = size;
	grants->live = 0;
	grants->next = 0;
	return 0;
}

void xdg_grants_free(struct xdg_grants *grants)
{
	WARN_ON(grants->live);
	kvfree(grants->refs);
	grants->refs = NULL;
}

/* A large set leaves room for this many references. */
static unsigned short reserve = 1024;
module_param(reserve, ushort, 0644);
MODULE_PARM_DESC(reserve,
		 "an import of more pages than this leaves as many references free");

/*
 * The table is one for all peers. Small buffers may be rings, for which there
 * is no slow path: those must not find it full of bulk data, not even while
 * that is being granted.
 */
static int leave_room(const struct xdg_grants *grants)
{
	u32 wanted = READ_ONCE(reserve);
	grant_ref_t head;
	int err;

	if (!wanted || grants->size <= wanted)
		return 0;
	wanted = min3(wanted + XDG_RESCHED_EVERY,
		      wanted + grants->size - grants->live, (u32)U16_MAX);
	err = gnttab_alloc_grant_references(wanted, &head);
	if (err < 0)
		return err;
	gnttab_free_grant_references(head);
	return 0;
}

/*
 * One reference at a time: the kernel's call for many takes a u16 count and
 * would silently allocate fewer.
 */
int xdg_grants_add(struct xdg_grants *grants, domid_t domid, unsigned long gfn)
{
	int ref, err;

	if (WARN_ON(grants->live == grants->size))
		return -EINVAL;
	if (grants->live % XDG_RESCHED_EVERY == 0) {
		cond_resched();
		err = leave_room(grants);
		if (err)
			return err;
	}
	ref = gnttab_grant_foreign_access(domid, gfn, 0);
	if (ref < 0)
		return ref;
	grants->refs[grants->live++] = ref;
	atomic_inc(&xdg_stats.references);
	return 0;
}

/*
 * Try to end up to max references, and return how many were tried. What stays
 * live is what the peer has mapped.
 *
 * A pass over everything starts at the front, so that each reference is tried
 * exactly once. A bounded one goes on where the last one stopped: references
 * that the peer keeps forever do not hide those behind them.
 */
u32 xdg_grants_end(struct xdg_grants *grants, u32 max)
{
	u32 tries = min(max, grants->live);
	u32 i;

	if (max >= grants->live)
		grants->next = 0;
	for (i = 0; i < tries; i++) {
		if (grants->next >= grants->live)
			grants->next = 0;
		if (gnttab_try_end_foreign_access(grants->refs[grants->next])) {
			grants->live--;
			grants->refs[grants->next] = grants->refs[grants->live];
			atomic_dec(&xdg_stats.references);
		} else {
			grants->next++;
		}
		if (i % XDG_RESCHED_EVERY == XDG_RESCHED_EVERY - 1)
			cond_resched();
	}
	return tries;
}
