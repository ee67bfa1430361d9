/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: access to memory that may disappear
 */

#include "qemu/osdep.h"
#include <setjmp.h>
#include "fault.h"

/* Set while this thread copies. */
static __thread sigjmp_buf *guard;

/* The previous handler of SIGBUS: QEMU's handler for machine checks. */
static struct sigaction previous;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    if (guard) {
        siglongjmp(*guard, 1);
    }
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(sig, info, context);
    } else if (previous.sa_handler != SIG_DFL &&
               previous.sa_handler != SIG_IGN) {
        previous.sa_handler(sig);
    } else {
        /* No other handler: let QEMU die at the faulting instruction. */
        sigaction(sig, &previous, NULL);
    }
}

static void install_handler(void)
{
    static gsize done;

    if (g_once_init_enter(&done)) {
        struct sigaction action = {
            .sa_sigaction = on_sigbus,
            .sa_flags = SA_SIGINFO | SA_NODEFER,
        };

        sigemptyset(&action.sa_mask);
        sigaction(SIGBUS, &action, &previous);
        g_once_init_leave(&done, 1);
    }
}

/*
 * A single access each: the compiler must neither split nor merge them, because
 * the guest may observe it. There is one function per width.
 */
#define DEFINE_COPY(type)                                               \
    static void copy_##type(void *dst, const void *src)                 \
    {                                                                   \
        __atomic_store_n((type *)dst,                                   \
                         __atomic_load_n((const type *)src,             \
                                         __ATOMIC_RELAXED),             \
                         __ATOMIC_RELAXED);                             \
    }

DEFINE_COPY(uint64_t)
DEFINE_COPY(uint32_t)
DEFINE_COPY(uint16_t)
DEFINE_COPY(uint8_t)

static void copy(void *dst, const void *src, size_t len)
{
    uintptr_t both = (uintptr_t)dst | (uintptr_t)src;

    if (len == 8 && both % 8 == 0) {
        copy_uint64_t(dst, src);
    } else if (len == 4 && both % 4 == 0) {
        copy_uint32_t(dst, src);
    } else if (len == 2 && both % 2 == 0) {
        copy_uint16_t(dst, src);
    } else {
        for (size_t i = 0; i < len; i++) {
            copy_uint8_t((uint8_t *)dst + i, (const uint8_t *)src + i);
        }
    }
}

static bool copy_or_jump(void *dst, const void *src, size_t len)
{
    sigjmp_buf here;

    /* 0: the caller restores the signal mask. */
    if (sigsetjmp(here, 0)) {
        guard = NULL;
        return false;
    }
    guard = &here;
    /* The handler runs on this thread, so a compiler barrier is enough. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    copy(dst, src, len);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    guard = NULL;
    return true;
}

bool xen_hostmem_copy_guarded(void *dst, const void *src, size_t len)
{
    sigset_t sigbus, before;
    bool done;

    install_handler();
    /*
     * QEMU's main thread blocks SIGBUS, to read it from a signalfd. A fault
     * while it is blocked kills the process without calling a handler.
     */
    sigemptyset(&sigbus);
    sigaddset(&sigbus, SIGBUS);
    pthread_sigmask(SIG_UNBLOCK, &sigbus, &before);
    done = copy_or_jump(dst, src, len);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return done;
}
