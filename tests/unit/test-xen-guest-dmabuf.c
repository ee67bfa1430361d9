/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen: what QEMU asks of the module xen-guest-dmabuf, and what it says
 * when the module is absent or refuses
 *
 * The kernel is here: open() and ioctl() of the module's device are this
 * file's.
 */

#include "qemu/osdep.h"
#include "hw/xen/xen-guest-dmabuf.h"
#include "hw/xen/interface/guest-dmabuf.h"

#include <stdarg.h>
#include <sys/ioctl.h>

#define DOMID   9
#define DEVICE  1000        /* no real descriptor */
#define BUFFER  1001

static struct {
    int open_error, restrict_error, create_error;
    uint32_t bad;
    unsigned interrupted;       /* calls that a signal will interrupt */
    unsigned opened, closed, created;
    uint32_t restricted_to;
    uint32_t flags;
    uint64_t frames[8];
    uint32_t nr;
} t;

int qemu_open_old(const char *name, int flags, ...)
{
    g_assert_cmpstr(name, ==, XEN_GUEST_DMABUF_PATH);
    g_assert_cmpint(flags & O_ACCMODE, ==, O_RDWR);
    if (t.open_error) {
        errno = t.open_error;
        return -1;
    }
    t.opened++;
    return DEVICE;
}

int close(int fd)
{
    t.closed += fd == DEVICE;
    return 0;
}

static int create(struct xen_guest_dmabuf_create *op)
{
    g_assert_cmpuint(op->domid, ==, DOMID);
    g_assert_cmpuint(t.restricted_to, ==, DOMID);
    g_assert_cmpuint(op->reserved, ==, 0);
    g_assert_cmpuint(op->nr_pages, <=, G_N_ELEMENTS(t.frames));
    t.flags = op->flags;
    t.nr = op->nr_pages;
    memcpy(t.frames, (void *)(uintptr_t)op->list,
           op->nr_pages * sizeof(t.frames[0]));
    op->bad = t.bad;
    op->fd = t.create_error ? -1 : BUFFER;
    t.created += !t.create_error;
    return t.create_error;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    g_assert_cmpint(fd, ==, DEVICE);
    if (t.interrupted) {
        t.interrupted--;
        errno = EINTR;
        return -1;
    }
    if (request == XEN_GUEST_DMABUF_RESTRICT) {
        struct xen_guest_dmabuf_restrict *op = arg;

        g_assert_cmpuint(op->flags, ==, 0);
        t.restricted_to = op->domid;
        errno = t.restrict_error;
    } else {
        g_assert_cmpuint(request, ==, XEN_GUEST_DMABUF_FRAMES);
        errno = create(arg);
    }
    return errno ? -1 : 0;
}

static const xen_pfn_t frames[] = { 0x100, 0xfffff, 0x100, 0xffffffffff };

static void refused(const char *says)
{
    g_autofree char *why = NULL;

    g_assert_cmpint(xen_guest_dmabuf_create(DOMID, frames,
                                            G_N_ELEMENTS(frames), false, &why),
                    ==, -1);
    g_test_message("%s", why);
    g_assert_nonnull(strstr(why, says));
}

/* The module may come later, and a device that is not tied is not used. */
static void test_absent(void)
{
    static const struct {
        int err;
        const char *says;
    } cases[] = {
        { ENOENT, "load the module xen-guest-dmabuf in dom0" },
        { ENXIO, "load the module xen-guest-dmabuf in dom0" },
        { ENODEV, "load the module xen-guest-dmabuf in dom0" },
        { EACCES, "before the guest is started" },
        { EPERM, "before the guest is started" },
        { EMFILE, "Too many open files" },
    };

    for (size_t n = 0; n < G_N_ELEMENTS(cases); n++) {
        t.open_error = cases[n].err;
        refused(cases[n].says);
        g_assert_false(xen_guest_dmabuf_open(DOMID, NULL));
    }
    t.open_error = 0;
    t.restrict_error = EPERM;
    refused("before the guest is started");
    t.restrict_error = ENOTTY;
    refused("Inappropriate ioctl");
    g_assert_cmpuint(t.opened, ==, 2);
    g_assert_cmpuint(t.closed, ==, 2);
    g_assert_cmpuint(t.nr, ==, 0);
    t.restrict_error = 0;
}

static void made(bool writable)
{
    char *why = NULL;

    t.flags = UINT32_MAX;
    g_assert_cmpint(xen_guest_dmabuf_create(DOMID, frames,
                                            G_N_ELEMENTS(frames), writable,
                                            &why), ==, BUFFER);
    g_assert_null(why);
    g_assert_cmpuint(t.flags, ==, writable ? XEN_GUEST_DMABUF_WRITE : 0);
    g_assert_cmpuint(t.nr, ==, G_N_ELEMENTS(frames));
    for (size_t n = 0; n < G_N_ELEMENTS(frames); n++) {
        g_assert_cmphex(t.frames[n], ==, frames[n]);
    }
}

static void test_made(void)
{
    t.bad = XEN_GUEST_DMABUF_NO_ENTRY;
    t.interrupted = 1;
    made(false);
    t.interrupted = 3;
    made(true);
    g_assert_cmpuint(t.created, ==, 2);
    g_assert_cmpuint(t.opened, ==, 3);      /* kept open from now on */
    g_assert_cmpuint(t.closed, ==, 2);
}

static void test_refused(void)
{
    static const struct {
        int err;
        uint32_t bad;
        const char *says;
    } cases[] = {
        { ERANGE, 3, "frame 0xffffffffff is not" },
        { ENXIO, 1, "frame 0xfffff is not" },
        { EINVAL, UINT32_MAX, "refuses: Invalid argument" },
        { EIO, 4, "refuses: Input/output error" },  /* there is no entry 4 */
        { EDQUOT, UINT32_MAX, "raise domain_limit" },
        { ENOSPC, UINT32_MAX, "raise total_limit" },
        { ENOMEM, UINT32_MAX, "Cannot allocate memory" },
        { EMFILE, UINT32_MAX, "Too many open files" },
    };

    for (size_t n = 0; n < G_N_ELEMENTS(cases); n++) {
        t.create_error = cases[n].err;
        t.bad = cases[n].bad;
        refused(cases[n].says);
    }
    t.create_error = 0;
    t.bad = XEN_GUEST_DMABUF_NO_ENTRY;
    made(true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest-dmabuf/absent", test_absent);
    g_test_add_func("/guest-dmabuf/made", test_made);
    g_test_add_func("/guest-dmabuf/refused", test_refused);
    return g_test_run();
}
