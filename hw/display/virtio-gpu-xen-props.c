/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen: the types of its properties
 */

#include "qemu/osdep.h"
#include "hw/xen/hostmem/compat.h"
#include "hw/core/qdev-prop-internal.h"
#include "hw/virtio/virtio-gpu-xen.h"

const PropertyInfo virtio_gpu_xen_prop_policy = {
    .type = "XenHostmemPolicy",
    .description = "auto/granted/trapped/off",
    .enum_table = &XenHostmemPolicy_lookup,
    .get = qdev_propinfo_get_enum,
    .set = qdev_propinfo_set_enum,
    .set_default_value = qdev_propinfo_set_default_value_enum,
};

const PropertyInfo virtio_gpu_xen_prop_provider = {
    .type = "XenHostmemProvider",
    .description = "auto/module/gntdev",
    .enum_table = &XenHostmemProvider_lookup,
    .get = qdev_propinfo_get_enum,
    .set = qdev_propinfo_set_enum,
    .set_default_value = qdev_propinfo_set_default_value_enum,
};
