/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: differences between QEMU 10.0, 10.2 and 11
 *
 * Not needed in QEMU's own tree.
 */
#ifndef HW_XEN_HOSTMEM_COMPAT_H
#define HW_XEN_HOSTMEM_COMPAT_H

#if __has_include("system/memory.h")            /* 10.1 */
#include "system/address-spaces.h"
#include "system/memory.h"
#else
#include "exec/address-spaces.h"
#include "exec/memory.h"
#endif

#if __has_include("hw/core/qdev-properties.h")  /* 11.0 */
#include "hw/core/qdev-properties.h"
#else
#include "hw/qdev-properties.h"
#endif

/* The second parameter of class_init(): const since 10.1 */
#if QEMU_VERSION_MAJOR > 10 || QEMU_VERSION_MINOR > 0
typedef const void XenHostmemClassData;
#else
typedef void XenHostmemClassData;
#endif

#endif
