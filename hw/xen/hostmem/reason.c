/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: why a blob is trapped and not granted
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
        "reserved for rings: raise xen-hostmem-quota",
    [XEN_HOSTMEM_REASON_NO_FRONTEND] =
        "no hostmem driver is connected: load the module xen-hostmem in the "
        "guest",
    [XEN_HOSTMEM_REASON_NO_PROVIDER] =
        "this kernel cannot grant dma-bufs: load the module xen-dmabuf-grant, "
        "or use a kernel with CONFIG_XEN_GNTDEV_DMABUF",
    [XEN_HOSTMEM_REASON_NO_UDMABUF] =
        "a shared memory blob needs /dev/udmabuf: load the module udmabuf",
    [XEN_HOSTMEM_REASON_UDMABUF_FAILED] =
        "udmabuf refused a shared memory blob: raise udmabuf.size_limit_mb if "
        "the blob is larger (see the log for the error)",
    [XEN_HOSTMEM_REASON_NOT_EXPORTABLE] =
        "the renderer exports neither a dma-buf nor shared memory for the "
        "blob",
    [XEN_HOSTMEM_REASON_NOT_CACHED] =
        "the blob's map_info is not \"cached\", and a granted mapping would "
        "be",
    [XEN_HOSTMEM_REASON_SIZE_MISMATCH] =
        "the buffer and the blob differ in size, and this kernel's gntdev "
        "grants whole buffers only: load the module xen-dmabuf-grant",
    [XEN_HOSTMEM_REASON_TOO_LARGE] =
        "the blob has more pages than this kernel's gntdev can grant at once "
        "(65535): load the module xen-dmabuf-grant",
    [XEN_HOSTMEM_REASON_GRANT_TABLE_FULL] =
        "the grant table of this domain is full: raise gnttab_max_frames on "
        "Xen's command line",
    [XEN_HOSTMEM_REASON_NO_MEMORY] = "out of memory while granting",
    [XEN_HOSTMEM_REASON_NO_DESCRIPTORS] =
        "QEMU is out of file descriptors: raise its limit of open files",
    [XEN_HOSTMEM_REASON_NOT_SYSTEM_RAM] =
        "the buffer's pages are not system memory and cannot be granted",
    [XEN_HOSTMEM_REASON_IMPORT_FAILED] =
        "the kernel refused to grant the buffer (see the trace event "
        "xen_hostmem_import)",
    [XEN_HOSTMEM_REASON_GUEST_NO_MEMORY] =
        "the guest could not map the references: raise max_maptrack_frames in "
        "its xl.cfg",
    [XEN_HOSTMEM_REASON_GUEST_NO_WINDOW] =
        "the GPU's BAR is disabled in the guest, or is not where the guest's "
        "driver found it (see the guest's log)",
    [XEN_HOSTMEM_REASON_GUEST_REFUSED] =
        "the guest's driver refused the mapping (see the guest's log)",
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
        return XEN_HOSTMEM_REASON_QUOTA;
    case -ENOMEM:
        return XEN_HOSTMEM_REASON_NO_MEMORY;
    case -EMFILE:
    case -ENFILE:
        return XEN_HOSTMEM_REASON_NO_DESCRIPTORS;
    case -EOPNOTSUPP:
        return XEN_HOSTMEM_REASON_NOT_SYSTEM_RAM;
    default:
        return XEN_HOSTMEM_REASON_IMPORT_FAILED;
    }
}

XenHostmemReason xen_hostmem_reason_of_reply(int32_t status)
{
    switch (status) {
    case XEN_HOSTMEM_ENOMEM:
        return XEN_HOSTMEM_REASON_GUEST_NO_MEMORY;
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
    case XEN_HOSTMEM_REASON_NO_PROVIDER:
    case XEN_HOSTMEM_REASON_NO_UDMABUF:
    case XEN_HOSTMEM_REASON_UDMABUF_FAILED:
    case XEN_HOSTMEM_REASON_GRANT_TABLE_FULL:
    case XEN_HOSTMEM_REASON_NO_MEMORY:
    case XEN_HOSTMEM_REASON_NO_DESCRIPTORS:
    case XEN_HOSTMEM_REASON_GUEST_NO_MEMORY:
    case XEN_HOSTMEM_REASON_GUEST_NO_WINDOW:
        return true;
    default:
        return false;
    }
}
