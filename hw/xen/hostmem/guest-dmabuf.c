/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen: dma-bufs of the guest's memory, made by the module xen-guest-dmabuf
 *
 * The module does not replace a foreign mapping, which QEMU has of the same
 * frames: it is for others, who get a descriptor.
 */

#include "qemu/osdep.h"
#include "hw/xen/xen-guest-dmabuf.h"
#include "hw/xen/interface/guest-dmabuf.h"

#include <sys/ioctl.h>

static int device = -1;

static const char *advice_for_open(int err)
{
    switch (err) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
        return "load the module xen-guest-dmabuf in dom0";
    case EACCES:
    case EPERM:
        return "load the module xen-guest-dmabuf before the guest is started, "
               "when QEMU still has its privileges";
    default:
        return strerror(err);
    }
}

/* Whatever happens to this process later: no memory of another guest's */
static int open_device(uint32_t domid)
{
    struct xen_guest_dmabuf_restrict op = { .domid = domid };
    int fd = qemu_open_old(XEN_GUEST_DMABUF_PATH, O_RDWR);
    int err;

    if (fd < 0) {
        return errno;
    }
    if (RETRY_ON_EINTR(ioctl(fd, XEN_GUEST_DMABUF_RESTRICT, &op)) < 0) {
        err = errno;
        close(fd);
        return err;
    }
    device = fd;
    return 0;
}

bool xen_guest_dmabuf_open(uint32_t domid, char **why)
{
    int err = device < 0 ? open_device(domid) : 0;

    if (err && why) {
        *why = g_strdup_printf("cannot open " XEN_GUEST_DMABUF_PATH ": %s",
                               advice_for_open(err));
    }
    return !err;
}

static char *describe(const struct xen_guest_dmabuf_create *op,
                      const uint64_t *list, int err)
{
    if (op->bad < op->nr_pages) {
        return g_strdup_printf("frame 0x%" PRIx64 " is not memory of the "
                               "guest's: %s", list[op->bad], strerror(err));
    }
    switch (err) {
    case EDQUOT:
        return g_strdup("the guest has as much memory in dma-bufs as one may: "
                        "raise domain_limit of the module xen-guest-dmabuf");
    case ENOSPC:
        return g_strdup("all guests have as much memory in dma-bufs as they "
                        "may: raise total_limit of the module "
                        "xen-guest-dmabuf");
    default:
        return g_strdup_printf("xen-guest-dmabuf refuses: %s", strerror(err));
    }
}

int xen_guest_dmabuf_create(uint32_t domid, const xen_pfn_t *frames,
                            uint32_t nr_pages, bool writable, char **why)
{
    g_autofree uint64_t *list = g_try_new(uint64_t, nr_pages);
    struct xen_guest_dmabuf_create op = {
        .domid = domid,
        .flags = writable ? XEN_GUEST_DMABUF_WRITE : 0,
        .list = (uintptr_t)list,
        .nr_pages = nr_pages,
        .bad = XEN_GUEST_DMABUF_NO_ENTRY,
    };

    if (!xen_guest_dmabuf_open(domid, why)) {
        return -1;
    }
    if (!list) {
        *why = g_strdup("there is no memory for a list of frames");
        return -1;
    }
    for (uint32_t n = 0; n < nr_pages; n++) {
        list[n] = frames[n];
    }
    if (RETRY_ON_EINTR(ioctl(device, XEN_GUEST_DMABUF_FRAMES, &op)) < 0) {
        *why = describe(&op, list, errno);
        return -1;
    }
    return op.fd;
}
