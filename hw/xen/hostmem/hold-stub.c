/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: a QEMU that emulates Xen has no guests of Xen to end
 */

#include "qemu/osdep.h"
#include "hold.h"

void xen_hostmem_end_guest(void)
{
}
