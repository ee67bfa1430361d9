/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: ending a guest that keeps memory too long
 */

#include "qemu/osdep.h"
#include "hw/xen/xen_native.h"
#include "hold.h"

/*
 * Not by QEMU's own shutdown: that ends this process, and the guest would go on
 * without a device model, with everything still mapped.
 */
void xen_hostmem_end_guest(void)
{
    destroy_hvm_domain(false);
}
