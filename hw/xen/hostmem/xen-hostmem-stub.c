/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: stubs for a QEMU without Xen
 *
 * xen_hostmem_new() always fails, so the functions that take a XenHostmem are
 * never called.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-xen-hostmem.h"
#include "hw/xen/xen-hostmem.h"

XenHostmemInfoList *qmp_query_xen_hostmem(Error **errp)
{
    return NULL;
}

XenHostmem *xen_hostmem_new(const XenHostmemConfig *cfg, Error **errp)
{
    error_setg(errp, "this QEMU was built without Xen support");
    return NULL;
}

void xen_hostmem_free(XenHostmem *h)
{
    g_assert_not_reached();
}

XenHostmemReason xen_hostmem_check_type(const XenHostmem *h,
                                        XenHostmemMemoryType type)
{
    g_assert_not_reached();
}

int xen_hostmem_map(XenHostmem *h, uint32_t blob, uint64_t offset,
                    const XenHostmemBuffer *buf)
{
    g_assert_not_reached();
}

int xen_hostmem_unmap(XenHostmem *h, uint32_t blob)
{
    g_assert_not_reached();
}

void xen_hostmem_reset(XenHostmem *h)
{
    g_assert_not_reached();
}
