/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the size of the hostmem window
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/host-utils.h"
#include "qapi/error.h"
#include "hw/core/cpu.h"
#include "hw/virtio/virtio-gpu-hostmem.h"
#include "system/xen.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

#define PAGE_BYTES          4096    /* smallest size that a guest can map */
#define UNKNOWN_BITS        64

/* Physical address bits of the host's CPU; a guest of Xen has the same. */
static unsigned host_phys_bits(void)
{
#ifdef __x86_64__
    unsigned eax, ebx, ecx, edx;

    if (__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx)) {
        return eax & 0xff;
    }
#endif
    return UNKNOWN_BITS;
}

/* Physical address bits in the guest */
static unsigned guest_phys_bits(void)
{
    unsigned bits = 0;

    if (xen_enabled()) {
        return host_phys_bits();
    }
    if (first_cpu && object_property_find(OBJECT(first_cpu), "phys-bits")) {
        bits = object_property_get_uint(OBJECT(first_cpu), "phys-bits", NULL);
    }
    return bits ?: UNKNOWN_BITS;
}

bool virtio_gpu_check_hostmem(uint64_t size, Error **errp)
{
    unsigned bits = guest_phys_bits();
    uint64_t limit = 1ull << (bits - 1);
    g_autofree char *up = NULL, *down = NULL;

    if (size < PAGE_BYTES) {
        error_setg(errp, "hostmem=%" PRIu64 " is smaller than a page: it is in "
                   "bytes, unless it has a suffix as in hostmem=256M", size);
        return false;
    }
    if (size > limit) {
        /* RAM starts at 0 and a BAR is aligned to its size: half is the most */
        down = size_to_str(limit);
        error_setg(errp, "hostmem is too large for the guest's physical "
                   "addresses of %u bits: use at most %s", bits, down);
        return false;
    }
    if (!is_power_of_2(size)) {
        up = size_to_str(pow2ceil(size));
        down = size_to_str(pow2floor(size));
        error_setg(errp, "hostmem is the size of a PCI BAR and must be a power "
                   "of two: use %s or %s", down, up);
        return false;
    }
    return true;
}
