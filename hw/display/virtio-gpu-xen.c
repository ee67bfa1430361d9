/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen: properties, realize and unrealize
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/blocker.h"
#include "hw/pci/pci_device.h"
#include "hw/virtio/virtio-gpu-xen.h"
#include "hw/xen/interface/io/hostmem.h"
#include "system/xen.h"
#include "virtio-gpu-xen-blob.h"

static PCIDevice *find_pci_device(VirtIOGPU *g)
{
    BusState *bus = qdev_get_parent_bus(DEVICE(g));
    Object *proxy = bus ? OBJECT(bus->parent) : NULL;

    return (PCIDevice *)object_dynamic_cast(proxy, TYPE_PCI_DEVICE);
}

static bool check_quota(VirtIOGPUGL *gl, Error **errp)
{
    uint64_t hostmem = VIRTIO_GPU_BASE(gl)->conf.hostmem;

    if (gl->xen_hostmem_quota % XEN_HOSTMEM_PAGE_SIZE) {
        error_setg(errp, "xen-hostmem-quota is not a multiple of %u",
                   XEN_HOSTMEM_PAGE_SIZE);
        return false;
    }
    if (gl->xen_hostmem_quota > hostmem) {
        error_setg(errp, "xen-hostmem-quota is larger than the window: raise "
                   "hostmem, or lower the quota to at most %" PRIu64, hostmem);
        return false;
    }
    return true;
}

/* A property that has no effect is an error. */
static bool check_property(VirtIOGPUGL *gl, const char *property,
                           bool for_grants, Error **errp)
{
    if (!xen_enabled()) {
        error_setg(errp, "%s is for guests of Xen only: remove it, or start "
                   "this guest with xl", property);
        return false;
    }
    if (!virtio_gpu_hostmem_enabled(VIRTIO_GPU_BASE(gl)->conf)) {
        error_setg(errp, "%s requires a host memory window: add hostmem=SIZE, "
                   "or remove %s", property, property);
        return false;
    }
    if (for_grants &&
        (gl->xen_hostmem_policy == XEN_HOSTMEM_POLICY_TRAPPED ||
         gl->xen_hostmem_policy == XEN_HOSTMEM_POLICY_OFF)) {
        error_setg(errp, "%s has no effect with xen-hostmem=%s: remove %s",
                   property, XenHostmemPolicy_str(gl->xen_hostmem_policy),
                   property);
        return false;
    }
    return true;
}

static bool check_properties(VirtIOGPUGL *gl, Error **errp)
{
    const struct {
        const char *name;
        bool set;
        bool for_grants;        /* no effect unless blobs are granted */
    } properties[] = {
        { "xen-hostmem",
          gl->xen_hostmem_policy != XEN_HOSTMEM_POLICY_AUTO, false },
        { "xen-hostmem-quota", gl->xen_hostmem_quota, true },
        { "xen-hostmem-wc", gl->xen_hostmem_wc != ON_OFF_AUTO_AUTO, true },
        { "xen-hostmem-provider",
          gl->xen_hostmem_provider != XEN_HOSTMEM_PROVIDER_AUTO, true },
        { "xen-hostmem-hold-limit", gl->xen_hostmem_hold_limit, true },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(properties); i++) {
        if (properties[i].set &&
            !check_property(gl, properties[i].name, properties[i].for_grants,
                            errp)) {
            return false;
        }
    }
    return !gl->xen_hostmem_quota || check_quota(gl, errp);
}

static void get_usage(void *opaque, XenHostmemUsage *usage)
{
    const VirtIOGPUBlobQuota *quota = &VIRTIO_GPU_GL(opaque)->blob_quota;

    usage->used = quota->used;
    usage->limit = quota->limit;
    usage->refused = quota->refused;
}

bool virtio_gpu_xen_realize(VirtIOGPU *g, Error **errp)
{
    VirtIOGPUBase *b = VIRTIO_GPU_BASE(g);
    VirtIOGPUGL *gl = VIRTIO_GPU_GL(g);
    XenHostmemConfig cfg = {
        .pci = find_pci_device(g),
        .bar = &b->hostmem,
        .size = b->conf.hostmem,
        .shm_id = VIRTIO_GPU_SHM_ID_HOST_VISIBLE,
        .rules = {
            .grant = gl->xen_hostmem_policy != XEN_HOSTMEM_POLICY_TRAPPED,
            .trap = gl->xen_hostmem_policy != XEN_HOSTMEM_POLICY_GRANTED,
            .quota = gl->xen_hostmem_quota,
        },
        .hold_limit = gl->xen_hostmem_hold_limit,
        .provider = gl->xen_hostmem_provider,
        .wc = gl->xen_hostmem_wc,
        .export = virtio_gpu_xen_export,
        .settled = virtio_gpu_xen_settled,
        .get_usage = get_usage,
        .opaque = g,
    };

    if (!check_properties(gl, errp)) {
        return false;
    }
    if (!xen_enabled() || gl->xen_hostmem_policy == XEN_HOSTMEM_POLICY_OFF ||
        !virtio_gpu_hostmem_enabled(b->conf) || !cfg.pci) {
        return true;
    }
    if (!virtio_gpu_blob_enabled(b->conf)) {
        error_setg(errp, "hostmem requires blob resources: add blob=on, or "
                   "remove hostmem");
        return false;
    }
    virtio_gpu_xen_open_udmabuf();
    gl->xen_hostmem = xen_hostmem_new(&cfg, errp);
    return gl->xen_hostmem;
}

bool virtio_gpu_xen_block_migration(VirtIOGPU *g, Error **errp)
{
    VirtIOGPUGL *gl = VIRTIO_GPU_GL(g);

    if (!gl->xen_hostmem) {
        return true;
    }
    error_setg(&gl->xen_hostmem_blocker, "a virtio GPU with hostmem on Xen "
               "cannot be saved or migrated, because the guest has memory of "
               "this host mapped: shut the guest down instead");
    return migrate_add_blocker(&gl->xen_hostmem_blocker, errp) >= 0;
}

void virtio_gpu_xen_unrealize(VirtIOGPU *g)
{
    VirtIOGPUGL *gl = VIRTIO_GPU_GL(g);

    migrate_del_blocker(&gl->xen_hostmem_blocker);
    if (gl->xen_hostmem) {
        xen_hostmem_reset(gl->xen_hostmem);
        g_clear_pointer(&gl->xen_hostmem, xen_hostmem_free);
    }
}
