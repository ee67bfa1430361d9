/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: what decides memory types on this host
 */

#include "qemu/osdep.h"

#include "hw/xen/xen_native.h"
#include "memtype.h"
#include "xen-domain.h"

#ifdef CONFIG_CPUID_H
#include "qemu/cpuid.h"
#endif

/* In a PV dom0, too, CPUID returns the host's vendor. */
static void probe_cpu(XenHostmemHost *host)
{
#ifdef CONFIG_CPUID_H
    unsigned eax, ebx, ecx, edx;

    if (__get_cpuid(0, &eax, &ebx, &ecx, &edx)) {
        memcpy(host->cpu, &ebx, 4);
        memcpy(host->cpu + 4, &edx, 4);
        memcpy(host->cpu + 8, &ecx, 4);
    }
#endif
}

/* It is fixed when the domain is created, before QEMU is started. */
static XenHostmemPaging probe_paging(uint32_t domid)
{
    uint32_t flags;

    if (!libxenctrl_domain_flags(domid, &flags)) {
        return XEN_HOSTMEM_PAGING_UNKNOWN;
    }
    return flags & XEN_DOMINF_hap ? XEN_HOSTMEM_PAGING_HAP :
                                    XEN_HOSTMEM_PAGING_SHADOW;
}

void xen_hostmem_host_probe(XenHostmemHost *host, uint32_t domid)
{
    memset(host, 0, sizeof(*host));
    probe_cpu(host);
    host->paging = probe_paging(domid);
}
