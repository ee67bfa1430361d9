/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: which memory types can be granted
 */

#include "qemu/osdep.h"
#include "memtype.h"

/*
 * With nested paging.  Xen maps a grant write-back in the guest's nested page
 * table (p2m).  On AMD the guest's PAT is combined with that, and any other
 * type of the guest wins over write-back; Xen's p2m_type_to_flags() could not
 * prevent it.  On Intel, epte_get_entry_emt() sets "ignore PAT" for grants.
 */
static const struct {
    const char *cpu;
    XenHostmemReason reason;
} vendors[] = {
    { "AuthenticAMD", XEN_HOSTMEM_REASON_NONE },
    { "HygonGenuine", XEN_HOSTMEM_REASON_NONE },
    { "GenuineIntel", XEN_HOSTMEM_REASON_CPU_FORCES_CACHED },
};

static XenHostmemReason reason_of_cpu(const char *cpu)
{
    for (size_t i = 0; i < G_N_ELEMENTS(vendors); i++) {
        if (strcmp(vendors[i].cpu, cpu) == 0) {
            return vendors[i].reason;
        }
    }
    return XEN_HOSTMEM_REASON_UNKNOWN_CPU;
}

/* Why the type that the guest maps a grant with has no effect. */
static XenHostmemReason reason_of_host(const XenHostmemHost *host)
{
    switch (host->paging) {
    case XEN_HOSTMEM_PAGING_HAP:
        return reason_of_cpu(host->cpu);
    case XEN_HOSTMEM_PAGING_SHADOW:
        /*
         * Xen's _sh_propagate() takes the guest's type over only for memory
         * that the guest may access as a device's.
         */
        return XEN_HOSTMEM_REASON_SHADOW_PAGING;
    default:
        return XEN_HOSTMEM_REASON_UNKNOWN_CPU;
    }
}

XenHostmemReason xen_hostmem_memtype_reason(const XenHostmemHost *host,
                                            OnOffAuto wc,
                                            XenHostmemMemoryType type)
{
    switch (type) {
    case XEN_HOSTMEM_MEMORY_TYPE_CACHED:
        return XEN_HOSTMEM_REASON_NONE;
    case XEN_HOSTMEM_MEMORY_TYPE_UNCACHED:
    case XEN_HOSTMEM_MEMORY_TYPE_WRITE_COMBINED:
        return wc == ON_OFF_AUTO_ON ? XEN_HOSTMEM_REASON_NONE :
               wc == ON_OFF_AUTO_OFF ? XEN_HOSTMEM_REASON_NOT_CACHED :
               reason_of_host(host);
    default:
        return XEN_HOSTMEM_REASON_NO_MAP_INFO;
    }
}

char *xen_hostmem_memtype_warning(const XenHostmemHost *host, OnOffAuto wc)
{
    if (xen_hostmem_memtype_reason(host, wc,
                                   XEN_HOSTMEM_MEMORY_TYPE_WRITE_COMBINED) !=
        XEN_HOSTMEM_REASON_UNKNOWN_CPU) {
        return NULL;
    }
    return g_strdup_printf("access to write-combined and uncached blobs will "
                           "be trapped: memory types of grants are not known "
                           "for the CPU '%s', paging '%s'; see the property "
                           "xen-hostmem-wc", *host->cpu ? host->cpu : "unknown",
                           XenHostmemPaging_str(host->paging));
}
