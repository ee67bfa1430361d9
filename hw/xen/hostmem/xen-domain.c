/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: what real Xen (not emulated by QEMU) says about domains
 *
 * A device model that has given up its privileges may not ask; each function
 * then says that it does not know.
 */

#include "qemu/osdep.h"
#include "hw/xen/xen_native.h"
#include "xen-domain.h"

bool libxenctrl_domain_flags(uint32_t domid, uint32_t *flags)
{
    xc_domaininfo_t info = { 0 };

    /* Returns the first domain from this ID on. */
    if (xc_domain_getinfolist(xen_xc, domid, 1, &info) != 1 ||
        info.domain != domid) {
        return false;
    }
    *flags = info.flags;
    return true;
}

/*
 * "xl pause", a debugger and "xl suspend" do not tell QEMU: libxl only asks
 * Xen.  So ask Xen, too.  A guest that has shut down by itself does not run,
 * either: it can give nothing back, and Xen ignores another shutdown.
 */
bool libxenctrl_peer_runs(uint32_t domid)
{
    uint32_t flags;

    if (!libxenctrl_domain_flags(domid, &flags)) {
        return true;            /* not known; a limit is better than none */
    }
    return !(flags & (XEN_DOMINF_paused | XEN_DOMINF_shutdown |
                      XEN_DOMINF_dying));
}

uint64_t libxenctrl_table_pages(void)
{
    struct gnttab_query_size query = { .dom = DOMID_SELF };
    bool large = xc_gnttab_get_version(xen_xc, DOMID_SELF) == 2;

    if (xc_gnttab_query_size(xen_xc, &query) || query.status != GNTST_okay) {
        return 0;
    }
    return (uint64_t)query.max_nr_frames *
           (XC_PAGE_SIZE / (large ? sizeof(grant_entry_v2_t)
                                  : sizeof(grant_entry_v1_t)));
}

uint64_t libxenctrl_peer_p2m_pages(uint32_t domid)
{
    uint64_t bytes = 0;

#if CONFIG_XEN_CTRL_INTERFACE_VERSION >= 41700
    if (xc_get_paging_mempool_size(xen_xc, domid, &bytes)) {
        return 0;
    }
#endif
    return bytes >> XC_PAGE_SHIFT;
}
