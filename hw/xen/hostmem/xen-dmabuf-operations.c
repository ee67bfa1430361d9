/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen grant operations for dma-bufs, for real Xen (not emulated by QEMU)
 * The providers are described in hw/xen/xen-dmabuf-grant.h.
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"

#include "hw/xen/xen_native.h"
#include "hw/xen/xen-dmabuf-grant.h"
#include "hw/xen/xen-gnttab-log.h"
#include "hw/xen/interface/dmabuf-grant.h"
#include "gntdev-safe.h"
#include "xen-domain.h"

#undef XC_WANT_COMPAT_GNTTAB_API
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <xengnttab.h>

struct XenDmabufGranter {
    uint32_t domid;
    int device;                 /* fd of the module's device, or -1 */
    xengnttab_handle *xgt;      /* gntdev, or NULL */
    GHashTable *fds;            /* gntdev: the fds that identify imports */
};

/* The module */

/*
 * Whatever happens to this process later, its descriptor grants to no other
 * domain.  A module without this ioctl is from before QEMU asked for it.
 */
static int module_restrict(int device, uint32_t domid)
{
    struct xen_dmabuf_grant_restrict op = { .domid = domid };

    if (RETRY_ON_EINTR(ioctl(device, XEN_DMABUF_GRANT_RESTRICT, &op)) < 0) {
        if (errno != ENOTTY) {
            return -errno;
        }
        warn_report_once("xen-hostmem: " XEN_DMABUF_GRANT_PATH " cannot be "
                         "restricted to one guest: load the module "
                         "xen-dmabuf-grant that belongs to this QEMU");
    }
    return 0;
}

static int open_module(XenDmabufGranter *g)
{
    int err;

    g->device = qemu_open_old(XEN_DMABUF_GRANT_PATH, O_RDWR);
    if (g->device < 0) {
        return -errno;
    }
    err = module_restrict(g->device, g->domid);
    if (err < 0) {
        close(g->device);
    }
    return err;
}

static int module_import(XenDmabufGranter *g, int fd, uint32_t nr_pages,
                         uint32_t *refs, uint64_t *handle)
{
    struct xen_dmabuf_grant_import op = {
        .fd = fd,
        .domid = g->domid,
        .nr_pages = nr_pages,
        .refs = (uintptr_t)refs,
    };

    if (RETRY_ON_EINTR(ioctl(g->device, XEN_DMABUF_GRANT_IMPORT, &op)) < 0) {
        return -errno;
    }
    *handle = op.handle;
    return 0;
}

static int module_release(XenDmabufGranter *g, uint64_t handle)
{
    struct xen_dmabuf_grant_release op = { .handle = handle };

    if (RETRY_ON_EINTR(ioctl(g->device, XEN_DMABUF_GRANT_RELEASE, &op)) < 0) {
        /* ENOENT: the import is already gone, which is the desired result. */
        return errno == ENOENT ? 0 : -errno;
    }
    return op.busy ? -EBUSY : 0;
}

/* libxengnttab */

/*
 * gntdev uses a 16-bit count to allocate references, so 65536 would be
 * truncated to 0 (gnttab_alloc_grant_references() in Linux).
 */
#define GNTDEV_MAX_PAGES 65535

/*
 * gntdev identifies an import by its fd number. Keep a duplicate open, so that
 * the number is not reused for another buffer.
 */
static int gntdev_import(XenDmabufGranter *g, int fd, uint32_t nr_pages,
                         uint32_t *refs, uint64_t *handle)
{
    off_t size = lseek(fd, 0, SEEK_END);
    struct utsname kernel;
    int own;

    if (uname(&kernel) < 0 ||
        !xen_hostmem_gntdev_is_safe("", kernel.release, fd)) {
        return -EPERM;
    }
    if (nr_pages > GNTDEV_MAX_PAGES) {
        return -E2BIG;
    }
    if (size != (off_t)nr_pages * XEN_PAGE_SIZE) {
        return size < 0 ? -errno : -ERANGE;
    }
    own = qemu_dup(fd);
    if (own < 0) {
        return -errno;
    }
    if (xengnttab_dmabuf_imp_to_refs(g->xgt, g->domid, own, nr_pages, refs)) {
        int err = errno;

        close(own);
        return -err;
    }
    g_hash_table_add(g->fds, GINT_TO_POINTER(own));
    *handle = own;
    return 0;
}

/*
 * gntdev releases at once. If references are still mapped, it ends them later
 * and keeps their pages until then, but does not report it. So do not release
 * without the peer's confirmation.
 */
static int gntdev_release(XenDmabufGranter *g, uint64_t handle, bool confirmed)
{
    int fd = handle;

    if (!confirmed) {
        return -EBUSY;
    }
    if (!g_hash_table_remove(g->fds, GINT_TO_POINTER(fd))) {
        return -ENOENT;
    }
    xengnttab_dmabuf_imp_release(g->xgt, fd);
    close(fd);
    return 0;
}

/* A kernel without the feature rejects the ioctl as unknown. */
static bool gntdev_has_dmabuf(xengnttab_handle *xgt)
{
    uint32_t ref;

    xengnttab_dmabuf_imp_to_refs(xgt, 0, -1, 1, &ref);
    return errno != ENOTTY && errno != ENOSYS && errno != EOPNOTSUPP;
}

static int open_gntdev(XenDmabufGranter *g)
{
    g->device = -1;
    g->xgt = xengnttab_open(xen_gnttab_log(), 0);
    if (!g->xgt) {
        return -errno;
    }
    if (!gntdev_has_dmabuf(g->xgt)) {
        xengnttab_close(g->xgt);
        return -ENODEV;
    }
    g->fds = g_hash_table_new(NULL, NULL);
    return 0;
}

static void close_gntdev(XenDmabufGranter *g)
{
    GHashTableIter iter;
    gpointer fd;

    /* Close gntdev first: it releases the remaining imports by fd number. */
    xengnttab_close(g->xgt);
    g_hash_table_iter_init(&iter, g->fds);
    while (g_hash_table_iter_next(&iter, &fd, NULL)) {
        close(GPOINTER_TO_INT(fd));
    }
    g_hash_table_destroy(g->fds);
}

/* Common */

static int dmabuf_open(XenDmabufProvider provider, uint32_t domid,
                       XenDmabufGranter **granter)
{
    g_autofree XenDmabufGranter *g = g_new0(XenDmabufGranter, 1);
    int err;

    g->domid = domid;
    err = provider == XEN_DMABUF_PROVIDER_GNTDEV ? open_gntdev(g) :
                                                   open_module(g);
    if (err == 0) {
        *granter = g_steal_pointer(&g);
    }
    return err;
}

static void dmabuf_close(XenDmabufGranter *g)
{
    if (g->xgt) {
        close_gntdev(g);
    } else {
        close(g->device);
    }
    g_free(g);
}

static int dmabuf_import(XenDmabufGranter *g, int fd, uint32_t nr_pages,
                         uint32_t *refs, uint64_t *handle)
{
    return g->xgt ? gntdev_import(g, fd, nr_pages, refs, handle)
                  : module_import(g, fd, nr_pages, refs, handle);
}

static int dmabuf_release(XenDmabufGranter *g, uint64_t handle, bool confirmed)
{
    return g->xgt ? gntdev_release(g, handle, confirmed)
                  : module_release(g, handle);
}

const struct gnttab_dmabuf_ops libxengnttab_dmabuf_ops = {
    .open = dmabuf_open,
    .close = dmabuf_close,
    .import = dmabuf_import,
    .release = dmabuf_release,
    .peer_runs = libxenctrl_peer_runs,
    .table_pages = libxenctrl_table_pages,
    .peer_p2m_pages = libxenctrl_peer_p2m_pages,
};
