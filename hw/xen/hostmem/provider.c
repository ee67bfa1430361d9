/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the provider of grants for dma-bufs on this host
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "hw/xen/xen-dmabuf-grant.h"
#include "provider.h"

XenDmabufGranter *xen_hostmem_provider_open(XenHostmemProvider *p)
{
    Error *err = NULL;

    if (p->granter) {
        return p->granter;
    }
    p->granter = qemu_xen_gnttab_dmabuf_open(&err);
    if (err && !p->reported) {
        p->reported = true;
        warn_reportf_err(err, "xen-hostmem: ");
    } else {
        error_free(err);
    }
    return p->granter;
}

void xen_hostmem_provider_close(XenHostmemProvider *p)
{
    if (p->granter) {
        qemu_xen_gnttab_dmabuf_close(p->granter);
        p->granter = NULL;
    }
}

const char *xen_hostmem_provider_name(const XenHostmemProvider *p)
{
    return p->granter ? qemu_xen_gnttab_dmabuf_name(p->granter) : NULL;
}
