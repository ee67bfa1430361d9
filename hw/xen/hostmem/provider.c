/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the providers of grants for dma-bufs on this host
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "hw/xen/xen-dmabuf-grant.h"
#include "hw/xen/interface/dmabuf-grant.h"
#include "provider.h"

/* Added to handles of gntdev's. */
#define OF_GNTDEV (1ull << 63)

enum {
    NONE,                       /* there is no provider */
    DENIED,                     /* the module is there, but not for us */
    FAILED,                     /* the module is there, but cannot be opened */
    GNTDEV_FAILED,              /* the same of gntdev */
    GNTDEV_IN_USE,              /* for want of the module */
};

static bool first(XenHostmemProviders *p, unsigned int problem)
{
    bool is_first = !(p->reported & 1u << problem);

    p->reported |= 1u << problem;
    return is_first;
}

/* Nothing else makes the next provider an alternative. */
static bool is_absent(int err)
{
    return err == -ENOENT || err == -ENXIO || err == -ENODEV;
}

static void report_module(XenHostmemProviders *p, int err)
{
    if (err == -EACCES || err == -EPERM) {
        if (first(p, DENIED)) {
            warn_report("xen-hostmem: QEMU's user may not open "
                        XEN_DMABUF_GRANT_PATH ": load the module "
                        "xen-dmabuf-grant before the guest is started, when "
                        "QEMU still has its privileges");
        }
    } else if (first(p, FAILED)) {
        warn_report("xen-hostmem: cannot open " XEN_DMABUF_GRANT_PATH ", will "
                    "try again: %s", strerror(-err));
    }
}

static void report_none(XenHostmemProviders *p)
{
    if (first(p, NONE)) {
        warn_report("xen-hostmem: there is no " XEN_DMABUF_GRANT_PATH "%s: "
                    "load the module xen-dmabuf-grant%s",
                    p->choice == XEN_HOSTMEM_PROVIDER_GNTDEV ?
                    ", and gntdev cannot grant dma-bufs" : "",
                    p->choice == XEN_HOSTMEM_PROVIDER_GNTDEV ?
                    ", or use a kernel with CONFIG_XEN_GNTDEV_DMABUF" :
                    ", or, if the kernel has CONFIG_XEN_GNTDEV_DMABUF and you "
                    "trust this guest, set xen-hostmem-provider=gntdev");
    }
}

static void report_gntdev(XenHostmemProviders *p)
{
    if (first(p, GNTDEV_IN_USE)) {
        warn_report("xen-hostmem: there is no " XEN_DMABUF_GRANT_PATH ", so "
                    "gntdev grants memory to the guest: it cannot prove that "
                    "the guest has let go of a page, so a guest that claims to "
                    "have can keep any amount of it");
    }
}

/* The error for a caller: a lack of rights is not the buffer's. */
static int no_module(int err)
{
    return err == -EACCES || err == -EPERM ? -ENOSYS : err;
}

static int open_gntdev(XenHostmemProviders *p)
{
    int err;

    if (p->gntdev) {
        return 0;
    }
    err = qemu_xen_gnttab_dmabuf_open(XEN_DMABUF_PROVIDER_GNTDEV, p->domid,
                                      &p->gntdev);
    if (err == 0) {
        report_gntdev(p);
    } else if (is_absent(err)) {
        report_none(p);
        return -ENOSYS;
    } else if (first(p, GNTDEV_FAILED)) {
        warn_report("xen-hostmem: cannot open gntdev, will try again: %s",
                    strerror(-err));
    }
    return err;
}

int xen_hostmem_providers_open(XenHostmemProviders *p)
{
    int err;

    if (p->module) {
        return 0;
    }
    err = qemu_xen_gnttab_dmabuf_open(XEN_DMABUF_PROVIDER_MODULE, p->domid,
                                      &p->module);
    if (err == 0) {
        return 0;
    }
    if (!is_absent(err)) {
        report_module(p, err);
        return no_module(err);
    }
    if (p->choice == XEN_HOSTMEM_PROVIDER_GNTDEV) {
        return open_gntdev(p);
    }
    report_none(p);
    return -ENOSYS;
}

void xen_hostmem_providers_close(XenHostmemProviders *p)
{
    if (p->module) {
        qemu_xen_gnttab_dmabuf_close(p->module);
        p->module = NULL;
    }
    if (p->gntdev) {
        qemu_xen_gnttab_dmabuf_close(p->gntdev);
        p->gntdev = NULL;
    }
}

const char *xen_hostmem_providers_name(const XenHostmemProviders *p)
{
    return p->module ? "xen-dmabuf-grant" : p->gntdev ? "gntdev" : NULL;
}

int xen_hostmem_providers_import(XenHostmemProviders *p, int dmabuf,
                                 uint32_t nr_pages, uint32_t *refs,
                                 uint64_t *handle)
{
    int err = xen_hostmem_providers_open(p);

    if (err < 0) {
        return err;
    }
    err = qemu_xen_gnttab_dmabuf_import(p->module ?: p->gntdev, dmabuf,
                                        nr_pages, refs, handle);
    if (err == 0 && !p->module) {
        *handle |= OF_GNTDEV;
    }
    return err;
}

int xen_hostmem_providers_release(XenHostmemProviders *p, uint64_t handle,
                                  bool confirmed)
{
    return qemu_xen_gnttab_dmabuf_release(handle & OF_GNTDEV ? p->gntdev :
                                                               p->module,
                                          handle & ~OF_GNTDEV, confirmed);
}
