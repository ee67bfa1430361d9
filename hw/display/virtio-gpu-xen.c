/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen: options, begin and end
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/pci/pci_device.h"
#include "hw/virtio/virtio-gpu-parked.h"
#include "hw/virtio/virtio-gpu-xen.h"
#include "hw/xen/interface/io/hostmem.h"
#include "system/xen.h"

#include <virglrenderer.h>

#if VIRGL_VERSION_MAJOR >= 1

static PCIDevice *find_pci_device(VirtIOGPU *g)
{
    BusState *bus = qdev_get_parent_bus(DEVICE(g));
    Object *proxy = bus ? OBJECT(bus->parent) : NULL;

    return (PCIDevice *)object_dynamic_cast(proxy, TYPE_PCI_DEVICE);
}

static bool check_quota(VirtIOGPU *g, Error **errp)
{
    uint64_t hostmem = VIRTIO_GPU_BASE(g)->conf.hostmem;

    if (g->xen_policy == XEN_HOSTMEM_POLICY_TRAPPED ||
        g->xen_policy == XEN_HOSTMEM_POLICY_OFF) {
        error_setg(errp, "xen-hostmem=%s grants nothing: remove "
                   "xen-hostmem-quota", XenHostmemPolicy_str(g->xen_policy));
        return false;
    }
    if (g->xen_quota % XEN_HOSTMEM_PAGE_SIZE) {
        error_setg(errp, "xen-hostmem-quota is not a multiple of %u",
                   XEN_HOSTMEM_PAGE_SIZE);
        return false;
    }
    if (g->xen_quota > hostmem) {
        error_setg(errp, "xen-hostmem-quota is larger than the window: raise "
                   "hostmem, or lower the quota to %" PRIu64, hostmem);
        return false;
    }
    return true;
}

/* Options that cannot do what they say are errors. */
static bool check_options(VirtIOGPU *g, Error **errp)
{
    const char *option = g->xen_policy != XEN_HOSTMEM_POLICY_AUTO ?
                         "xen-hostmem" :
                         g->xen_quota ? "xen-hostmem-quota" : NULL;

    if (!option) {
        return true;
    }
    if (!xen_enabled()) {
        error_setg(errp, "%s is for guests of Xen: remove it, or let xl start "
                   "this guest", option);
        return false;
    }
    if (!virtio_gpu_hostmem_enabled(VIRTIO_GPU_BASE(g)->conf)) {
        error_setg(errp, "%s needs a window: add hostmem=SIZE, or remove %s",
                   option, option);
        return false;
    }
    return !g->xen_quota || check_quota(g, errp);
}

bool virtio_gpu_xen_realize(VirtIOGPU *g, Error **errp)
{
    VirtIOGPUBase *b = VIRTIO_GPU_BASE(g);
    XenHostmemConfig cfg = {
        .pci = find_pci_device(g),
        .bar = &b->hostmem,
        .size = b->conf.hostmem,
        .shm_id = VIRTIO_GPU_SHM_ID_HOST_VISIBLE,
        .rules = {
            .grant = g->xen_policy != XEN_HOSTMEM_POLICY_TRAPPED,
            .trap = g->xen_policy != XEN_HOSTMEM_POLICY_GRANTED,
            .quota = g->xen_quota ?: b->conf.hostmem,
        },
        .export = virtio_gpu_xen_export_again,
        .settled = virtio_gpu_xen_settled,
        .opaque = g,
    };

    if (!check_options(g, errp)) {
        return false;
    }
    if (!xen_enabled() || g->xen_policy == XEN_HOSTMEM_POLICY_OFF ||
        !virtio_gpu_hostmem_enabled(b->conf) || !cfg.pci) {
        return true;
    }
    if (!virtio_gpu_blob_enabled(b->conf)) {
        error_setg(errp, "hostmem is for blobs: add blob=on, or remove "
                   "hostmem");
        return false;
    }
    g->xen = xen_hostmem_new(&cfg, errp);
    if (!g->xen) {
        return false;
    }
    g->parked = virtio_gpu_parked_new();
    return true;
}

void virtio_gpu_xen_unrealize(VirtIOGPU *g)
{
    struct virtio_gpu_ctrl_command *cmd;

    if (!g->xen) {
        return;
    }
    xen_hostmem_reset(g->xen);
    while ((cmd = virtio_gpu_parked_take_any(g->parked))) {
        virtqueue_detach_element(cmd->vq, &cmd->elem, 0);
        g_free(cmd);
    }
    g_clear_pointer(&g->parked, virtio_gpu_parked_free);
    g_clear_pointer(&g->xen, xen_hostmem_free);
}

#else /* blobs need virglrenderer 1.0, so there is nothing to do */

bool virtio_gpu_xen_realize(VirtIOGPU *g, Error **errp)
{
    if (g->xen_policy != XEN_HOSTMEM_POLICY_AUTO || g->xen_quota) {
        error_setg(errp, "xen-hostmem needs a QEMU with virglrenderer 1.0 or "
                   "newer");
        return false;
    }
    return true;
}

void virtio_gpu_xen_unrealize(VirtIOGPU *g)
{
}

#endif
