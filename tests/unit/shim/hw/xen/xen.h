/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the core uses of QEMU's xen.h, for building it without QEMU. */
#ifndef QEMU_HW_XEN_H
#define QEMU_HW_XEN_H

/* Xen's headers: current interface, and no barriers of their own. */
#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif

#endif
