/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of units.h that are used, without QEMU */
#ifndef QEMU_UNITS_H
#define QEMU_UNITS_H

#include <stdint.h>

#define KiB     (INT64_C(1) << 10)
#define MiB     (INT64_C(1) << 20)

#endif
