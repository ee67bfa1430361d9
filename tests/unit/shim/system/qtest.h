/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of qtest.h that is used, without QEMU */
#ifndef SYSTEM_QTEST_H
#define SYSTEM_QTEST_H

#define qtest_enabled()     false

#endif
