// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-guest-dmabuf: frames of another domain in a PV domain
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <asm/xen/hypercall.h>
#include <xen/interface/xen.h>
#include <xen/page.h>

#include "driver.h"

/**
 * DOC: Foreign frames in a PV domain
 *
 * A page of ours without memory has an empty entry in the kernel's page tables.
 * Xen fills it in if it is asked to do so on behalf of the other domain, with
 * its frame number; what is in the entry afterwards is the machine frame. The
 * mapping is the reference that keeps the frame.
 *
 * The table that translates our frame numbers gets the machine frame, too,
 * marked as foreign, as grant mappings have it. From it the DMA API learns the
 * address for a device. The kernel's function that would do this is not
 * exported, but the table is.
 */

static pte_t *guest_dmabuf_pte(const struct page *page)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)page_address(page), &level);

	return pte && level == PG_LEVEL_4K ? pte : NULL;
}

static bool guest_dmabuf_set_update(struct mmu_update *update,
				    const struct page *page, pte_t value)
{
	pte_t *pte = guest_dmabuf_pte(page);

	if (WARN_ON_ONCE(!pte || page_to_pfn(page) >= xen_p2m_size))
		return false;
	update->ptr = virt_to_machine(pte).maddr | MMU_NORMAL_PT_UPDATE;
	update->val = pte_val_ma(value);
	return true;
}

static void guest_dmabuf_set_p2m(const struct page *page, unsigned long mfn)
{
	WRITE_ONCE(xen_p2m_addr[page_to_pfn(page)], mfn);
}

static int guest_dmabuf_pv_hold(struct guest_dmabuf *buf, const void *list,
				u32 nr)
{
	struct mmu_update update[GUEST_DMABUF_BATCH];
	struct page **pages = buf->pages + buf->nr_held;
	pgprot_t prot = buf->write ? PAGE_KERNEL : PAGE_KERNEL_RO;
	const u64 *gfn = list;
	int err, done = 0, i;

	err = guest_dmabuf_check_frames(buf, gfn, nr);
	if (err)
		return err;
	for (i = 0; i < nr; i++) {
		if (!guest_dmabuf_set_update(&update[i], pages[i],
					     mfn_pte(gfn[i], prot)))
			return -EIO;
	}
	err = HYPERVISOR_mmu_update(update, nr, &done, buf->domid);
	for (i = 0; i < done; i++) {
		pte_t *pte = guest_dmabuf_pte(pages[i]);

		guest_dmabuf_set_p2m(pages[i], FOREIGN_FRAME(pte_mfn(*pte)));
	}
	buf->nr_held += done;
	return err ? guest_dmabuf_frame_error(buf, buf->nr_held, err) : 0;
}

static void guest_dmabuf_pv_release(struct guest_dmabuf *buf, u32 first, u32 nr)
{
	struct mmu_update update[GUEST_DMABUF_BATCH];
	struct page **pages = buf->pages + first;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (!guest_dmabuf_set_update(&update[i], pages[i],
					     __pte_ma(0))) {
			buf->lost = true;
			return;
		}
		guest_dmabuf_set_p2m(pages[i], INVALID_P2M_ENTRY);
	}
	if (HYPERVISOR_mmu_update(update, nr, NULL, DOMID_SELF))
		buf->lost = true;
}

/* The next user of these pages must not find the old ones in a TLB. */
static void guest_dmabuf_pv_free(struct guest_dmabuf *buf)
{
	struct mmuext_op flush = { .cmd = MMUEXT_TLB_FLUSH_ALL };

	if (HYPERVISOR_mmuext_op(&flush, 1, NULL, DOMID_SELF))
		pr_err_once("Xen does not flush the TLBs\n");
	guest_dmabuf_free_unpopulated(buf);
}

const struct guest_dmabuf_source guest_dmabuf_pv = {
	.entry_size = sizeof(u64),
	.alloc = guest_dmabuf_alloc_unpopulated,
	.free = guest_dmabuf_pv_free,
	.hold = guest_dmabuf_pv_hold,
	.release = guest_dmabuf_pv_release,
};
