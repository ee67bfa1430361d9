/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU's build writes into this file */
#define VIRGL_PREFIX "/usr"
