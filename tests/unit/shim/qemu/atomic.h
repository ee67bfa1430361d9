/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of QEMU's atomic.h that the core uses, for a build without QEMU */
#ifndef QEMU_ATOMIC_H
#define QEMU_ATOMIC_H

/* pairs as QEMU's do: each use states its counterpart */
#define smp_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST) /* any */
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE) /* smp_wmb() */
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE) /* smp_rmb() */

#define qatomic_read(ptr)   __atomic_load_n(ptr, __ATOMIC_RELAXED)
#define qatomic_set(ptr, i) __atomic_store_n(ptr, i, __ATOMIC_RELAXED)

#endif
