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
 * - userfaultfd, which from 6.7 on write-protected entries of any VMA until it
 *   was mended, refuses one without VM_MAYWRITE.
 * - No entry waits for its first write, as it would by vm_page_prot when dirty
 *   pages are tracked (/proc/PID/clear_refs).
 * - fork() does not copy the mapping, and MADV_DOFORK is refused, because of
 *   VM_IO.
 * - mremap() makes a copy of the VMA, for which it calls our open(), before it
 *   moves the entries, and it has locked the old VMA against faults. There we
 *   clear those that it would move. Then it calls our mremap(), which makes the
 *   new ones.
 *
 * If something were written by a fault where VM_WRITE is set and VM_MAYWRITE is
 * not, the kernel would warn. So the VMA has neither, although its entries allow
 * writing, and the entries are all there from the beginning, and after a move.
 * Only if there is no memory for a move, which then fails, some are missing:
 * reading brings them back, and writing before that is a SIGSEGV.
 *
 * Elsewhere an entry is an ordinary one, but what user space may do is the same.
 */

/* Pages that are mapped at once; Xen flushes the TLBs after each time. */
#define GUEST_DMABUF_VIEW_BATCH 256

/**
 * struct guest_dmabuf_vma - a VMA that maps a buffer; in its vm_private_data
 * @buf: the buffer, which the VMA's file holds
 * @vma: the VMA
 * @prot: what its entries allow on a PV domain
 */
struct guest_dmabuf_vma {
	struct guest_dmabuf *buf;
	struct vm_area_struct *vma;
	pgprot_t prot;
};

static struct guest_dmabuf_vma *guest_dmabuf_vma_new(struct guest_dmabuf *buf,
						     struct vm_area_struct *vma,
						     pgprot_t prot, gfp_t gfp)
{
	struct guest_dmabuf_vma *view = kmalloc(sizeof(*view), gfp);

	if (view) {
		view->buf = buf;
		view->vma = vma;
		view->prot = prot;
		atomic_inc(&guest_dmabuf_stats.views);
	}
	return view;
}

static void guest_dmabuf_vma_free(struct guest_dmabuf_vma *view)
{
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

/* Clears what is about to be moved from one VMA to its copy. */
static void guest_dmabuf_clear(struct vm_area_struct *from,
			       const struct vm_area_struct *to)
{
	unsigned long at = (to->vm_pgoff - from->vm_pgoff) << PAGE_SHIFT;

	guest_dmabuf_zap_range(from, from->vm_start + at,
			       to->vm_end - to->vm_start);
}

/*
 * The VMA is a copy: one to which mremap() is about to move entries, or the
 * part of one that is split. No error can be returned, and without what belongs
 * to it, the next mremap() would move entries. So the few bytes must be had.
 */
static void guest_dmabuf_vma_open(struct vm_area_struct *vma)
{
	struct guest_dmabuf_vma *from = vma->vm_private_data;

	if (xen_pv_domain() && !guest_dmabuf_is_part(vma, from->vma))
		guest_dmabuf_clear(from->vma, vma);
	vma->vm_private_data = guest_dmabuf_vma_new(from->buf, vma, from->prot,
						    GFP_KERNEL_ACCOUNT |
						    __GFP_NOFAIL);
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

static int guest_dmabuf_insert_pv(const struct guest_dmabuf_vma *view,
				  unsigned long addr, u32 first, u32 nr)
{
	const struct guest_dmabuf *buf = view->buf;
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
	done = xen_remap_pfn(view->vma, addr, batch->mfn, nr, batch->err,
			     view->prot, buf->domid, true);
	kfree(batch);
	return done == nr ? 0 : done < 0 ? done : -EFAULT;
}

static int guest_dmabuf_insert_pages(const struct guest_dmabuf_vma *view,
				     unsigned long addr, u32 first, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		unsigned long pfn = page_to_pfn(view->buf->pages[first + i]);

		if (vmf_insert_pfn(view->vma, addr + i * PAGE_SIZE, pfn) !=
		    VM_FAULT_NOPAGE)
			return -ENOMEM;
	}
	return 0;
}

/* At most GUEST_DMABUF_VIEW_BATCH pages */
static int guest_dmabuf_insert(const struct guest_dmabuf_vma *view,
			       unsigned long addr, u32 first, u32 nr)
{
	if (xen_pv_domain())
		return guest_dmabuf_insert_pv(view, addr, first, nr);
	return guest_dmabuf_insert_pages(view, addr, first, nr);
}

static vm_fault_t guest_dmabuf_vma_fault(struct vm_fault *vmf)
{
	struct guest_dmabuf_vma *view = vmf->vma->vm_private_data;

	if (vmf->pgoff >= view->buf->nr_pages)
		return VM_FAULT_SIGBUS;
	switch (guest_dmabuf_insert(view, vmf->address & PAGE_MASK, vmf->pgoff,
				    1)) {
	case 0:
		return VM_FAULT_NOPAGE;
	case -ENOMEM:
		return VM_FAULT_OOM;
	default:
		return VM_FAULT_SIGBUS;
	}
}

static int guest_dmabuf_insert_all(const struct guest_dmabuf_vma *view)
{
	struct vm_area_struct *vma = view->vma;
	unsigned long done, nr, all = vma_pages(vma);
	int err = 0;

	for (done = 0; done < all && !err; done += nr) {
		nr = min(all - done, (unsigned long)GUEST_DMABUF_VIEW_BATCH);
		err = guest_dmabuf_insert(view,
					  vma->vm_start + done * PAGE_SIZE,
					  vma->vm_pgoff + done, nr);
	}
	return err;
}

/* The VMA is the new one of an mremap(), and has no entries on a PV domain. */
static int guest_dmabuf_vma_mremap(struct vm_area_struct *vma)
{
	int err;

	if (!xen_pv_domain())
		return 0;
	err = guest_dmabuf_insert_all(vma->vm_private_data);
	/* What was made must not be moved back. */
	if (err)
		guest_dmabuf_clear(vma, vma);
	return err;
}

static const struct vm_operations_struct guest_dmabuf_vm_ops = {
	.open = guest_dmabuf_vma_open,
	.close = guest_dmabuf_vma_close,
	.mremap = guest_dmabuf_vma_mremap,
	.mprotect = guest_dmabuf_vma_mprotect,
	.fault = guest_dmabuf_vma_fault,
};

/* What the kernel must not know of a VMA, or not allow later */
static vm_flags_t guest_dmabuf_hidden_flags(const struct guest_dmabuf *buf)
{
	if (xen_pv_domain())
		return VM_WRITE | VM_MAYWRITE | VM_MAYEXEC;
	return buf->write ? VM_MAYEXEC : VM_MAYWRITE | VM_MAYEXEC;
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
	struct guest_dmabuf_vma *view;
	int err;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if ((vma->vm_flags & VM_EXEC) ||
	    (!buf->write && (vma->vm_flags & VM_WRITE)))
		return -EACCES;
	view = guest_dmabuf_vma_new(buf, vma, vm_get_page_prot(vma->vm_flags),
				    GFP_KERNEL_ACCOUNT);
	if (!view)
		return -ENOMEM;
	guest_dmabuf_flags_mod(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY |
			       VM_DONTEXPAND | VM_DONTDUMP,
			       guest_dmabuf_hidden_flags(buf));
	err = guest_dmabuf_insert_all(view);
	if (err) {
		guest_dmabuf_vma_free(view);
		return err;
	}
	vma->vm_private_data = view;
	vma->vm_ops = &guest_dmabuf_vm_ops;
	return 0;
}
