/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of xen-bus.h that tested files use, without QEMU */
#ifndef HW_XEN_BUS_H
#define HW_XEN_BUS_H

#include <xenbus.h>

typedef struct XenDevice {
    uint32_t frontend_id;
} XenDevice;

#define XEN_DEVICE(obj)     ((XenDevice *)(obj))

/* Without checks */
#define OBJECT_DECLARE_SIMPLE_TYPE(Type, NAME)      \
    static inline Type *NAME(void *obj)             \
    {                                               \
        return obj;                                 \
    }

#endif
