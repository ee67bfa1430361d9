/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults for xen-guest-dmabuf, built into a copy of the module that only the
 * lab loads: each call below fails when its turn comes. The compiler includes
 * this file before each file of the module. See faults.h.
 */
#ifndef GUEST_DMABUF_FAULTS_H
#define GUEST_DMABUF_FAULTS_H

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>
#include <xen/grant_table.h>
#include <xen/interface/memory.h>
#include <xen/xen.h>
#include <xen/xen-ops.h>
#include <asm/xen/hypercall.h>

#include "faults.h"

/* Xen does a part of the batch, and then has no memory left. */
static inline int lab_mmu_update(struct mmu_update *update, unsigned int nr,
				 int *done, domid_t domid)
{
	if (!done)
		return HYPERVISOR_mmu_update(update, nr, done, domid) ?:
		       lab_fault_releases() ? -EIO : 0;
	if (!lab_fault())
		return HYPERVISOR_mmu_update(update, nr, done, domid);
	if (nr > 1)
		HYPERVISOR_mmu_update(update, nr / 2, done, domid);
	return -ENOMEM;
}

static inline long lab_memory_op(unsigned int cmd, void *arg)
{
	struct xen_add_to_physmap_range *add = arg;

	if (cmd == XENMEM_remove_from_physmap)
		return HYPERVISOR_memory_op(cmd, arg) ?:
		       lab_fault_releases() ? -EIO : 0;
	if (cmd != XENMEM_add_to_physmap_range || !lab_fault())
		return HYPERVISOR_memory_op(cmd, arg);
	if (add->size > 1) {
		add->size /= 2;
		HYPERVISOR_memory_op(cmd, arg);
	}
	return -ENOMEM;
}

/* The last one of the batch is refused. */
static inline int lab_map_refs(struct gnttab_map_grant_ref *map,
			       struct gnttab_map_grant_ref *kmap,
			       struct page **pages, unsigned int nr)
{
	if (lab_fault())
		map[nr - 1].ref = U32_MAX;
	return gnttab_map_refs(map, kmap, pages, nr);
}

static inline int lab_unmap_refs(struct gntab_unmap_queue_data *queue)
{
	return gnttab_unmap_refs_sync(queue) ?:
	       lab_fault_releases() ? -EIO : 0;
}

/* Who says that it cannot fail does not look whether it has. */
#undef kmalloc
#define kmalloc(size, gfp) \
	(!((gfp) & __GFP_NOFAIL) && lab_fault() ? NULL : \
	 kmalloc_noprof(size, gfp))
#undef kzalloc
#define kzalloc(...) FAULT(NULL, kzalloc_noprof(__VA_ARGS__))
#undef kvmalloc_array
#define kvmalloc_array(...) FAULT(NULL, kvmalloc_array_noprof(__VA_ARGS__))
#define xen_alloc_unpopulated_pages(...) \
	FAULT(-ENOMEM, xen_alloc_unpopulated_pages(__VA_ARGS__))
#define gnttab_alloc_pages(...) \
	FAULT(-ENOMEM, gnttab_alloc_pages(__VA_ARGS__))
#define sg_alloc_table(...) FAULT(-ENOMEM, sg_alloc_table(__VA_ARGS__))
#define dma_map_sgtable(...) FAULT(-EIO, dma_map_sgtable(__VA_ARGS__))
#define dma_buf_export(...) FAULT(ERR_PTR(-ENOMEM), dma_buf_export(__VA_ARGS__))
#define get_unused_fd_flags(...) \
	FAULT(-EMFILE, get_unused_fd_flags(__VA_ARGS__))
#define mutex_lock_killable(...) FAULT(-EINTR, mutex_lock_killable(__VA_ARGS__))
#define xa_store(...) FAULT((void *)XA_ERROR(-ENOMEM), xa_store(__VA_ARGS__))
#define xen_remap_pfn(...) FAULT(-ENOMEM, xen_remap_pfn(__VA_ARGS__))
#define vmf_insert_pfn(...) FAULT(VM_FAULT_OOM, vmf_insert_pfn(__VA_ARGS__))
#define copy_from_user(...) FAULT(1ul, copy_from_user(__VA_ARGS__))
#define copy_to_user(...) FAULT(1ul, copy_to_user(__VA_ARGS__))
#define HYPERVISOR_mmu_update lab_mmu_update
#define HYPERVISOR_memory_op lab_memory_op
#define gnttab_map_refs lab_map_refs
#define gnttab_unmap_refs_sync lab_unmap_refs

/* The module's own, after what is included above */
#undef pr_fmt

#endif
