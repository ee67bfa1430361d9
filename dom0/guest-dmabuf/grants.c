// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-guest-dmabuf: pages that another domain has granted
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <xen/grant_table.h>

#include "driver.h"

/**
 * DOC: Granted pages
 *
 * This needs no control over the other domain, and with an IOMMU that confines
 * a PV dom0 (dom0-iommu=strict) it is the way in which devices get access. The
 * other domain's grant table and Xen's table of mapped grants bound it.
 */

static int guest_dmabuf_grants_alloc(struct guest_dmabuf *buf)
{
	buf->handles = kvmalloc_array(buf->nr_pages, sizeof(*buf->handles),
				      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!buf->handles)
		return -ENOMEM;
	return gnttab_alloc_pages(buf->nr_pages, buf->pages);
}

static void guest_dmabuf_grants_free(struct guest_dmabuf *buf)
{
	gnttab_free_pages(buf->nr_pages, buf->pages);
}

static unsigned int guest_dmabuf_grant_flags(const struct guest_dmabuf *buf)
{
	return GNTMAP_host_map | (buf->write ? 0 : GNTMAP_readonly);
}

/* What a status of Xen's means to the caller. */
static int guest_dmabuf_grant_error(struct guest_dmabuf *buf, u32 at,
				    int status)
{
	switch (status) {
	case GNTST_bad_domain:
		return -ESRCH;
	case GNTST_no_device_space:
		return -ENOSPC;
	}
	buf->bad = at;
	switch (status) {
	case GNTST_bad_gntref:
		return -ENXIO;
	/* Also for one that is not in use, or is for another domain. */
	case GNTST_general_error:
	case GNTST_permission_denied:
		return -EACCES;
	case GNTST_bad_page:
	case GNTST_eagain:
		return -EAGAIN;
	default:
		return -EIO;
	}
}

static void guest_dmabuf_grants_release(struct guest_dmabuf *buf, u32 first,
					u32 nr)
{
	struct gnttab_unmap_grant_ref unmap[GUEST_DMABUF_BATCH];
	struct gntab_unmap_queue_data queue = {
		.unmap_ops = unmap,
		.pages = buf->pages + first,
		.count = nr,
	};
	u32 i;

	for (i = 0; i < nr; i++)
		gnttab_set_unmap_op(&unmap[i],
				    (unsigned long)page_address(queue.pages[i]),
				    guest_dmabuf_grant_flags(buf),
				    buf->handles[first + i]);
	if (gnttab_unmap_refs_sync(&queue))
		buf->lost = true;
	for (i = 0; i < nr; i++) {
		if (unmap[i].status != GNTST_okay)
			buf->lost = true;
	}
}

static int guest_dmabuf_grants_hold(struct guest_dmabuf *buf, const void *list,
				    u32 nr)
{
	struct gnttab_map_grant_ref map[GUEST_DMABUF_BATCH];
	struct page **pages = buf->pages + buf->nr_held;
	grant_handle_t *handles = buf->handles + buf->nr_held;
	u32 first = buf->nr_held, i;
	const u32 *ref = list;
	int err;

	for (i = 0; i < nr; i++)
		gnttab_set_map_op(&map[i],
				  (unsigned long)page_address(pages[i]),
				  guest_dmabuf_grant_flags(buf), ref[i],
				  buf->domid);
	/* If it fails as a whole, nobody says which are mapped. */
	if (gnttab_map_refs(map, NULL, pages, nr)) {
		buf->lost = true;
		return -EIO;
	}
	for (i = 0; i < nr; i++)
		handles[i] = map[i].handle;
	for (i = 0; i < nr && map[i].status == GNTST_okay; i++)
		buf->nr_held++;
	if (i == nr)
		return 0;
	err = guest_dmabuf_grant_error(buf, first + i, map[i].status);
	for (i++; i < nr; i++) {
		if (map[i].status == GNTST_okay)
			guest_dmabuf_grants_release(buf, first + i, 1);
	}
	return err;
}

const struct guest_dmabuf_source guest_dmabuf_grants = {
	.entry_size = sizeof(u32),
	.alloc = guest_dmabuf_grants_alloc,
	.free = guest_dmabuf_grants_free,
	.hold = guest_dmabuf_grants_hold,
	.release = guest_dmabuf_grants_release,
};
