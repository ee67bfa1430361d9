/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of bswap.h that are used, without QEMU */
#ifndef QEMU_BSWAP_H
#define QEMU_BSWAP_H

#include <endian.h>

#define le32_to_cpu(v)  le32toh(v)
#define le64_to_cpu(v)  le64toh(v)
#define cpu_to_le32(v)  htole32(v)
#define cpu_to_le64(v)  htole64(v)

#endif
