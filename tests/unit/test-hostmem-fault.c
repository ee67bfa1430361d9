/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access to memory that may disappear (I4)
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "hw/xen/hostmem/fault.h"

static void test_copies(void)
{
    uint8_t src[16], dst[16];

    for (unsigned i = 0; i < sizeof(src); i++) {
        src[i] = i + 1;
    }
    for (size_t len = 0; len <= 8; len++) {
        for (size_t at = 0; at + len <= sizeof(src); at++) {
            memset(dst, 0, sizeof(dst));
            g_assert_true(xen_hostmem_copy_guarded(dst + at, src + at, len));
            g_assert_cmpmem(dst + at, len, src + at, len);
            g_assert_true(at + len == sizeof(dst) || dst[at + len] == 0);
        }
    }
}

static void test_truncated(void)
{
    int fd = memfd_create("blob", MFD_CLOEXEC);
    uint64_t value = 1;
    uint8_t *p;

    g_assert_cmpint(ftruncate(fd, 8192), ==, 0);
    p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(p != MAP_FAILED);
    g_assert_true(xen_hostmem_copy_guarded(p + 4096, &value, 8));

    g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
    for (int i = 0; i < 3; i++) {
        g_assert_false(xen_hostmem_copy_guarded(p + 4096, &value, 8));
        g_assert_false(xen_hostmem_copy_guarded(&value, p + 4096, 8));
        g_assert_true(xen_hostmem_copy_guarded(p, &value, 8));
    }
    munmap(p, 8192);
    close(fd);
}

/* As in QEMU's main thread, which reads it from a signalfd. */
static void test_blocked(void)
{
    sigset_t sigbus, before, after;

    sigemptyset(&sigbus);
    sigaddset(&sigbus, SIGBUS);
    pthread_sigmask(SIG_BLOCK, &sigbus, &before);
    test_truncated();
    pthread_sigmask(SIG_SETMASK, &before, &after);
    g_assert_true(sigismember(&after, SIGBUS));
}

/* Other SIGBUS signals still reach the previous handler. */
static sig_atomic_t handled;

static void handler(int sig)
{
    handled = 1;
}

static void test_others(void)
{
    raise(SIGBUS);
    g_assert_cmpint(handled, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    sigaction(SIGBUS, &(struct sigaction) { .sa_handler = handler }, NULL);
    g_test_add_func("/fault/copies", test_copies);
    g_test_add_func("/fault/truncated", test_truncated);
    g_test_add_func("/fault/blocked", test_blocked);
    g_test_add_func("/fault/others", test_others);
    return g_test_run();
}
