/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the core uses of QEMU's atomic.h, for building it without QEMU. */
#ifndef QEMU_ATOMIC_H
#define QEMU_ATOMIC_H

/* pairs as QEMU's do: each use says with what */
#define smp_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST) /* any */
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE) /* smp_wmb() */
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE) /* smp_rmb() */

#define qatomic_read(ptr)   __atomic_load_n(ptr, __ATOMIC_RELAXED)

#endif
