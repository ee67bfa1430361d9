// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-guest-dmabuf: mappings of a buffer for the CPU
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <xen/page.h>
#include <xen/xen.h>
#include <xen/xen-ops.h>

#include "compat.h"
#include "driver.h"

/**
 * DOC: Page table entries that the kernel cannot write
 *
 * On a PV domain an entry for another domain's memory can be made only by Xen,
 * on behalf of that domain. If the kernel moves or changes such an entry, Xen
 * refuses, the kernel warns, and the mapping is lost. So it must never come to
 * that:
 *
 * - mprotect() is refused.
 * - fork() does not copy the mapping, and MADV_DOFORK is refused, because of
 *   VM_IO.
 * - mremap() makes a copy of the VMA, for which it calls our open(), before it
 *   moves the entries, and it has locked the old VMA against faults. There we
 *   clear the old VMA's entries, so that there is none to move.
 *   The new VMA gets its entries from faults.
 *
 * Elsewhere an entry is an ordinary one, but what user space may do is the same.
 */

/* Pages that are mapped at once; Xen flushes the TLBs after each time. */
#define GUEST_DMABUF_VIEW_BATCH 256

/**
 * struct guest_dmabuf_vma - a VMA that maps a buffer; in its vm_private_data
 * @buf: the buffer, which the VMA's file holds
 * @vma: the VMA
 */
struct guest_dmabuf_vma {
	struct guest_dmabuf *buf;
	struct vm_area_struct *vma;
};

static struct guest_dmabuf_vma *guest_dmabuf_vma_new(struct guest_dmabuf *buf,
						     struct vm_area_struct *vma)
{
	struct guest_dmabuf_vma *view = kmalloc(sizeof(*view),
						GFP_KERNEL_ACCOUNT);

	if (view) {
		view->buf = buf;
		view->vma = vma;
		atomic_inc(&guest_dmabuf_stats.views);
	}
	return view;
}

static void guest_dmabuf_vma_free(struct guest_dmabuf_vma *view)
{
	if (!view)
		return;
	kfree(view);
	atomic_dec(&guest_dmabuf_stats.views);
}

/* Part of a VMA that is being split, which keeps its entries. */
static bool guest_dmabuf_is_part(const struct vm_area_struct *part,
				 const struct vm_area_struct *whole)
{
	return part->vm_start >= whole->vm_start &&
	       part->vm_end <= whole->vm_end;
}

/*
 * The VMA is a copy: one to which mremap() is about to move entries, or the
 * part of one that is split. If there is no memory for what belongs to it, it
 * shows nothing, and an access is a SIGBUS.
 */
static void guest_dmabuf_vma_open(struct vm_area_struct *vma)
{
	struct guest_dmabuf_vma *from = vma->vm_private_data;

	if (!from)
		return;
	if (xen_pv_domain() && !guest_dmabuf_is_part(vma, from->vma))
		guest_dmabuf_zap_range(from->vma, from->vma->vm_start,
				       from->vma->vm_end - from->vma->vm_start);
	vma->vm_private_data = guest_dmabuf_vma_new(from->buf, vma);
}

static void guest_dmabuf_vma_close(struct vm_area_struct *vma)
{
	guest_dmabuf_vma_free(vma->vm_private_data);
}

static int guest_dmabuf_vma_mprotect(struct vm_area_struct *vma,
				     unsigned long start, unsigned long end,
				     unsigned long flags)
{
	return -EACCES;
}

static int guest_dmabuf_insert_pv(struct guest_dmabuf *buf,
				  struct vm_area_struct *vma,
				  unsigned long addr, u32 first, u32 nr)
{
	struct {
		xen_pfn_t mfn[GUEST_DMABUF_VIEW_BATCH];
		int err[GUEST_DMABUF_VIEW_BATCH];
	} *batch;
	int done;
	u32 i;

	batch = kmalloc(sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		batch->mfn[i] = pfn_to_mfn(page_to_pfn(buf->pages[first + i]));
	done = xen_remap_pfn(vma, addr, batch->mfn, nr, batch->err,
			     vma->vm_page_prot, buf->domid, true);
	kfree(batch);
	return done == nr ? 0 : done < 0 ? done : -EFAULT;
}

static int guest_dmabuf_insert_pages(struct guest_dmabuf *buf,
				     struct vm_area_struct *vma,
				     unsigned long addr, u32 first, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		unsigned long pfn = page_to_pfn(buf->pages[first + i]);

		if (vmf_insert_pfn(vma, addr + i * PAGE_SIZE, pfn) !=
		    VM_FAULT_NOPAGE)
			return -ENOMEM;
	}
	return 0;
}

/* At most GUEST_DMABUF_VIEW_BATCH pages */
static int guest_dmabuf_insert(struct guest_dmabuf *buf,
			       struct vm_area_struct *vma, unsigned long addr,
			       u32 first, u32 nr)
{
	if (xen_pv_domain())
		return guest_dmabuf_insert_pv(buf, vma, addr, first, nr);
	return guest_dmabuf_insert_pages(buf, vma, addr, first, nr);
}

static vm_fault_t guest_dmabuf_vma_fault(struct vm_fault *vmf)
{
	struct guest_dmabuf_vma *view = vmf->vma->vm_private_data;

	if (!view || vmf->pgoff >= view->buf->nr_pages)
		return VM_FAULT_SIGBUS;
	switch (guest_dmabuf_insert(view->buf, vmf->vma,
				    vmf->address & PAGE_MASK, vmf->pgoff, 1)) {
	case 0:
		return VM_FAULT_NOPAGE;
	case -ENOMEM:
		return VM_FAULT_OOM;
	default:
		return VM_FAULT_SIGBUS;
	}
}

static const struct vm_operations_struct guest_dmabuf_vm_ops = {
	.open = guest_dmabuf_vma_open,
	.close = guest_dmabuf_vma_close,
	.mprotect = guest_dmabuf_vma_mprotect,
	.fault = guest_dmabuf_vma_fault,
};

static int guest_dmabuf_insert_all(struct guest_dmabuf *buf,
				   struct vm_area_struct *vma)
{
	unsigned long done, nr, all = vma_pages(vma);
	int err = 0;

	for (done = 0; done < all && !err; done += nr) {
		nr = min(all - done, (unsigned long)GUEST_DMABUF_VIEW_BATCH);
		err = guest_dmabuf_insert(buf, vma,
					  vma->vm_start + done * PAGE_SIZE,
					  vma->vm_pgoff + done, nr);
	}
	return err;
}

/**
 * guest_dmabuf_view() - map a part of a buffer for the CPU
 * @buf: the buffer
 * @vma: the VMA, which lies within the buffer
 *
 * Return: 0, -EINVAL if the VMA is private, -EACCES if it allows more than the
 * buffer does, -EPERM on a PV domain without control over the other, -ENOMEM,
 * or another error.
 */
int guest_dmabuf_view(struct guest_dmabuf *buf, struct vm_area_struct *vma)
{
	vm_flags_t never = VM_MAYEXEC | (buf->write ? 0 : VM_MAYWRITE);
	struct guest_dmabuf_vma *view;
	int err;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if ((vma->vm_flags & VM_EXEC) ||
	    (!buf->write && (vma->vm_flags & VM_WRITE)))
		return -EACCES;
	view = guest_dmabuf_vma_new(buf, vma);
	if (!view)
		return -ENOMEM;
	guest_dmabuf_flags_mod(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY |
			       VM_DONTEXPAND | VM_DONTDUMP, never);
	err = guest_dmabuf_insert_all(buf, vma);
	if (err) {
		guest_dmabuf_vma_free(view);
		return err;
	}
	vma->vm_private_data = view;
	vma->vm_ops = &guest_dmabuf_vm_ops;
	return 0;
}
