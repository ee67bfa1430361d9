/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: stub for a QEMU without Xen's libraries
 */

#include "qemu/osdep.h"
#include "memtype.h"

void xen_hostmem_host_probe(XenHostmemHost *host, uint32_t domid)
{
    memset(host, 0, sizeof(*host));     /* all unknown */
}
