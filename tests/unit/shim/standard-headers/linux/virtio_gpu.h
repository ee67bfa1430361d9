/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's copy of the header, for a build without QEMU */
#include <linux/virtio_gpu.h>
