/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: reasons why a blob is trapped instead of granted
 */

#include "qemu/osdep.h"
#include "reason.h"
#include "hw/xen/xen.h" /* before any of Xen's own headers */
#include "hw/xen/interface/io/hostmem.h"

static const char *const texts[XEN_HOSTMEM_REASON__MAX] = {
    [XEN_HOSTMEM_REASON_NONE] = "granted",
    [XEN_HOSTMEM_REASON_POLICY] = "the device has xen-hostmem=trapped",
    [XEN_HOSTMEM_REASON_QUOTA] =
        "the device's quota of granted memory is used up, except for the part "
        "reserved for rings (a blob counts as much as the buffer that it is a "
        "part of): raise xen-hostmem-quota, which is by default the size of "
        "the window, but at most a quarter of dom0's grant table "
        "(gnttab_max_frames on Xen's command line)",
    [XEN_HOSTMEM_REASON_PEER_LIMIT] =
        "the guest holds as much of dom0's grant table as one guest may: raise "
        "gnttab_max_frames on Xen's command line, or peer_limit and peer_small "
        "of the module xen-dmabuf-grant",
    [XEN_HOSTMEM_REASON_PIN_LIMIT] =
        "the guest has parts of buffers which together are as large as one "
        "guest's may be: raise peer_pinned of the module xen-dmabuf-grant",
    [XEN_HOSTMEM_REASON_NO_FRONTEND] =
        "no hostmem driver is connected: load the module xen-hostmem in the "
        "guest",
    [XEN_HOSTMEM_REASON_NO_PROVIDER] =
        "there is no provider of grants in dom0 that QEMU may use: load the "
        "module xen-dmabuf-grant, if QEMU does not run as root before the "
        "guest is started",
    [XEN_HOSTMEM_REASON_NO_UDMABUF] =
        "the blob is shared memory and /dev/udmabuf is missing, or QEMU may "
        "not open it: load the module udmabuf in dom0, if QEMU does not run as "
        "root before the guest is started",
    [XEN_HOSTMEM_REASON_UDMABUF_FAILED] =
        "udmabuf rejected the blob's shared memory (see the log for the "
        "error): raise udmabuf.size_limit_mb if the blob is larger than that",
    [XEN_HOSTMEM_REASON_NOT_EXPORTABLE] =
        "the renderer exports the blob neither as a dma-buf nor as shared "
        "memory",
    [XEN_HOSTMEM_REASON_NOT_CACHED] =
        "the blob is write-combined or uncached, and the device has "
        "xen-hostmem-wc=off",
    [XEN_HOSTMEM_REASON_CPU_FORCES_CACHED] =
        "the blob is write-combined or uncached, but this CPU makes every "
        "grant cached: use xen-hostmem-wc=on if the host's GPU snoops caches",
    [XEN_HOSTMEM_REASON_SHADOW_PAGING] =
        "the blob is write-combined or uncached, but shadow page tables make "
        "every grant cached: remove hap=0 from the guest's xl.cfg",
    [XEN_HOSTMEM_REASON_UNKNOWN_CPU] =
        "the blob is write-combined or uncached, and it is not known whether "
        "a grant would be (see \"info xen-hostmem\" for the CPU): "
        "use xen-hostmem-wc=on if it would, or if the host's GPU snoops caches",
    [XEN_HOSTMEM_REASON_NO_MAP_INFO] =
        "the renderer does not say which memory type the blob has",
    [XEN_HOSTMEM_REASON_SIZE_MISMATCH] =
        "the buffer and the blob differ in size, and gntdev can only grant "
        "whole buffers: load the module xen-dmabuf-grant",
    [XEN_HOSTMEM_REASON_TOO_LARGE] =
        "the blob has more than 65535 pages, the most that gntdev can grant "
        "at once: load the module xen-dmabuf-grant",
    [XEN_HOSTMEM_REASON_GRANT_TABLE_FULL] =
        "dom0's grant table is full: raise gnttab_max_frames on Xen's command "
        "line",
    [XEN_HOSTMEM_REASON_NO_MEMORY] =
        "dom0 ran out of memory while granting the blob",
    [XEN_HOSTMEM_REASON_NO_DESCRIPTORS] =
        "QEMU is out of file descriptors: raise its limit on open files",
    [XEN_HOSTMEM_REASON_NOT_SYSTEM_RAM] =
        "the buffer is not in system memory (but in video memory, for "
        "example) and cannot be granted",
    [XEN_HOSTMEM_REASON_GNTDEV_UNSAFE] =
        "it is not known to be safe to give this buffer to gntdev: load the "
        "module xen-dmabuf-grant",
    [XEN_HOSTMEM_REASON_IMPORT_FAILED] =
        "the kernel refused to grant the buffer (see the trace event "
        "xen_hostmem_import)",
    [XEN_HOSTMEM_REASON_GUEST_NO_MEMORY] =
        "the guest has no memory or no maptrack entries left to map the "
        "grants: raise max_maptrack_frames in its xl.cfg",
    [XEN_HOSTMEM_REASON_GUEST_P2M_FULL] =
        "Xen has no memory left for the tables of the guest's address space, "
        "except for what is kept for rings: raise shadow_memory in its xl.cfg",
    [XEN_HOSTMEM_REASON_GUEST_NO_WINDOW] =
        "the GPU's BAR has been disabled or moved in the guest (see the "
        "guest's kernel log)",
    [XEN_HOSTMEM_REASON_GUEST_REFUSED] =
        "the guest's hostmem driver failed to map the blob (see the guest's "
        "kernel log)",
};

const char *xen_hostmem_reason_text(XenHostmemReason reason)
{
    return texts[reason];
}

XenHostmemReason xen_hostmem_reason_of_import(int err)
{
    switch (err) {
    case -ENOSYS:
    case -ENOTTY:
        return XEN_HOSTMEM_REASON_NO_PROVIDER;
    case -ENOSPC:
        return XEN_HOSTMEM_REASON_GRANT_TABLE_FULL;
    case -E2BIG:
        return XEN_HOSTMEM_REASON_TOO_LARGE;
    case -ERANGE:
        return XEN_HOSTMEM_REASON_SIZE_MISMATCH;
    case -EDQUOT:
        return XEN_HOSTMEM_REASON_PEER_LIMIT;
    case -ENOBUFS:
        return XEN_HOSTMEM_REASON_PIN_LIMIT;
    case -ENOMEM:
        return XEN_HOSTMEM_REASON_NO_MEMORY;
    case -EMFILE:
    case -ENFILE:
        return XEN_HOSTMEM_REASON_NO_DESCRIPTORS;
    case -EOPNOTSUPP:
        return XEN_HOSTMEM_REASON_NOT_SYSTEM_RAM;
    case -EPERM:
        return XEN_HOSTMEM_REASON_GNTDEV_UNSAFE;
    default:
        return XEN_HOSTMEM_REASON_IMPORT_FAILED;
    }
}

XenHostmemReason xen_hostmem_reason_of_reply(int32_t status)
{
    switch (status) {
    case XEN_HOSTMEM_ENOMEM:
        return XEN_HOSTMEM_REASON_GUEST_NO_MEMORY;
    case XEN_HOSTMEM_ENOSPC:
        return XEN_HOSTMEM_REASON_GUEST_P2M_FULL;
    case XEN_HOSTMEM_ENODEV:
        return XEN_HOSTMEM_REASON_GUEST_NO_WINDOW;
    default:
        return XEN_HOSTMEM_REASON_GUEST_REFUSED;
    }
}

bool xen_hostmem_reason_may_pass(XenHostmemReason reason)
{
    switch (reason) {
    case XEN_HOSTMEM_REASON_QUOTA:
    case XEN_HOSTMEM_REASON_PEER_LIMIT:
    case XEN_HOSTMEM_REASON_PIN_LIMIT:
    case XEN_HOSTMEM_REASON_NO_PROVIDER:
    case XEN_HOSTMEM_REASON_NO_UDMABUF:
    case XEN_HOSTMEM_REASON_UDMABUF_FAILED:
    case XEN_HOSTMEM_REASON_GRANT_TABLE_FULL:
    case XEN_HOSTMEM_REASON_NO_MEMORY:
    case XEN_HOSTMEM_REASON_NO_DESCRIPTORS:
    case XEN_HOSTMEM_REASON_GUEST_NO_MEMORY:
    case XEN_HOSTMEM_REASON_GUEST_P2M_FULL:
    case XEN_HOSTMEM_REASON_GUEST_NO_WINDOW:
        return true;
    default:
        return false;
    }
}
