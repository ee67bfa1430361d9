/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the window as one I/O region
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/units.h"
#include "compat.h"
#include "trap.h"
#include "fault.h"
#include "trace.h"

/*
 * DMA of QEMU's own devices to the window goes through bounce buffers, because
 * the window is not RAM to QEMU: a pointer to a blob could outlive its mapping,
 * or fault. QEMU allows one page of them for all devices; a virtio request that
 * exceeds the limit breaks its device. This is four full requests, each with
 * 1024 descriptors of a page.
 */
#define BOUNCE_BYTES (16 * MiB)

/*
 * The part of an access that falls into one blob. Xen splits accesses at page
 * boundaries, where blobs start, but a blob may end in the middle of a page.
 */
static void *trap_find(XenHostmemTrap *trap, hwaddr addr, unsigned size,
                       uint64_t *len)
{
    void *host;

    *len = size;
    host = xen_hostmem_window_host(trap->window, addr, len);
    if (!host) {
        trap->strays++;
        qemu_log_mask(LOG_GUEST_ERROR, "xen-hostmem: access of %u bytes at "
                      "window offset 0x%" HWADDR_PRIx ", where no blob is "
                      "mapped\n", size, addr);
    }
    return host;
}

static MemTxResult trap_read(void *opaque, hwaddr addr, uint64_t *data,
                             unsigned size, MemTxAttrs attrs)
{
    XenHostmemTrap *trap = opaque;
    uint64_t value = 0, len;
    void *host = trap_find(trap, addr, size, &len);

    /* All ones, as on a bus where no device answers. */
    *data = UINT64_MAX;
    if (!host || !xen_hostmem_copy_guarded(&value, host, len)) {
        return MEMTX_OK;
    }
    trap->reads++;
    *data = value;
    return MEMTX_OK;
}

static MemTxResult trap_write(void *opaque, hwaddr addr, uint64_t data,
                              unsigned size, MemTxAttrs attrs)
{
    XenHostmemTrap *trap = opaque;
    uint64_t len;
    void *host = trap_find(trap, addr, size, &len);

    if (host && xen_hostmem_copy_guarded(host, &data, len)) {
        trap->writes++;
    }
    return MEMTX_OK;
}

static const MemoryRegionOps trap_ops = {
    .read_with_attrs = trap_read,
    .write_with_attrs = trap_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

void xen_hostmem_trap_init(XenHostmemTrap *trap, Object *owner,
                           MemoryRegion *bar, XenHostmemWindow *window,
                           uint64_t size)
{
    trap->window = window;
    memory_region_init_io(&trap->region, owner, &trap_ops, trap,
                          "xen-hostmem-window", size);
    /* Above the background region that virtio-gpu-gl adds since QEMU 11.0 */
    memory_region_add_subregion_overlap(bar, 0, &trap->region, 1);
    /* Never lowered again, because buffers may be in use then. */
    address_space_memory.max_bounce_buffer_size =
        MAX(address_space_memory.max_bounce_buffer_size, BOUNCE_BYTES);
}

void xen_hostmem_trap_fini(XenHostmemTrap *trap, MemoryRegion *bar)
{
    memory_region_del_subregion(bar, &trap->region);
}
