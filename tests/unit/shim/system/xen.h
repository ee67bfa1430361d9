/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of xen.h that is used, without QEMU; for tests. */
#ifndef SYSTEM_XEN_H
#define SYSTEM_XEN_H

bool xen_enabled(void);

#endif
