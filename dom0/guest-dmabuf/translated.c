// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-guest-dmabuf: frames of another domain in a domain whose physical
 * addresses Xen translates: a PVH dom0
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <asm/xen/hypercall.h>
#include <xen/interface/memory.h>
#include <xen/interface/xen.h>
#include <xen/page.h>

#include "driver.h"

/*
 * Xen puts the frames behind our pages, always writable; only our own mappings
 * can be for reading only.
 */
static int guest_dmabuf_add(struct guest_dmabuf *buf, const u64 *gfn, u32 nr,
			    int *errs)
{
	xen_ulong_t from[GUEST_DMABUF_BATCH];
	xen_pfn_t to[GUEST_DMABUF_BATCH];
	struct xen_add_to_physmap_range add = {
		.domid = DOMID_SELF,
		.space = XENMAPSPACE_gmfn_foreign,
		.size = nr,
		.foreign_domid = buf->domid,
	};
	u32 i;

	for (i = 0; i < nr; i++) {
		from[i] = gfn[i];
		to[i] = page_to_xen_pfn(buf->pages[buf->nr_held + i]);
	}
	set_xen_guest_handle(add.idxs, from);
	set_xen_guest_handle(add.gpfns, to);
	set_xen_guest_handle(add.errs, errs);
	return HYPERVISOR_memory_op(XENMEM_add_to_physmap_range, &add);
}

static void guest_dmabuf_translated_release(struct guest_dmabuf *buf,
					    u32 first, u32 nr)
{
	struct xen_remove_from_physmap remove = { .domid = DOMID_SELF };
	u32 i;

	for (i = first; i < first + nr; i++) {
		remove.gpfn = page_to_xen_pfn(buf->pages[i]);
		if (HYPERVISOR_memory_op(XENMEM_remove_from_physmap, &remove))
			buf->lost = true;
	}
}

static int guest_dmabuf_translated_hold(struct guest_dmabuf *buf,
					const void *list, u32 nr)
{
	u32 first = buf->nr_held, i;
	int errs[GUEST_DMABUF_BATCH];
	int err;

	err = guest_dmabuf_check_frames(buf, list, nr);
	if (err)
		return err;
	/* What Xen does not come to has failed. */
	for (i = 0; i < nr; i++)
		errs[i] = -EIO;
	err = guest_dmabuf_add(buf, list, nr, errs);
	for (i = 0; i < nr && !errs[i]; i++)
		buf->nr_held++;
	if (i == nr)
		return 0;
	err = guest_dmabuf_frame_error(buf, first + i, err ?: errs[i]);
	for (i++; i < nr; i++) {
		if (!errs[i])
			guest_dmabuf_translated_release(buf, first + i, 1);
	}
	return err;
}

const struct guest_dmabuf_source guest_dmabuf_translated = {
	.entry_size = sizeof(u64),
	.alloc = guest_dmabuf_alloc_unpopulated,
	.free = guest_dmabuf_free_unpopulated,
	.hold = guest_dmabuf_translated_hold,
	.release = guest_dmabuf_translated_release,
};
