/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of QEMU's xen.h that the core uses, for a build without QEMU */
#ifndef QEMU_HW_XEN_H
#define QEMU_HW_XEN_H

/* Xen's headers: the current interface, without their own barriers. */
#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif

extern uint32_t xen_domid;

#endif
