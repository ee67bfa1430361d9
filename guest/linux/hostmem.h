/* SPDX-License-Identifier: MIT */
/*
 * hostmem.h: host memory in a PCI window of the device model, granted to the
 * guest
 *
 * Layout only. docs/specs/xen-hostmem.rst specifies the behaviour; the
 * requirement numbers (R...) refer to it.
 *
 * Version: 1
 *
 *****************************************************************************
 * Roles
 *****************************************************************************
 *
 * A PV device in the usual sense: the backend is the device model (QEMU), the
 * frontend is a driver in the guest. But the direction of the ring is reversed:
 * the *backend produces requests* ("map these references at this offset") and
 * the frontend responds. The guest provides all shared memory.
 *
 *****************************************************************************
 * Xenstore (example: one device of a running guest)
 *****************************************************************************
 *
 * Under /local/domain/1/device/hostmem/0:
 *
 *      backend         = "/local/domain/0/backend/hostmem/1/0"
 *      backend-id      = "0"
 *      state           = "4"
 *      version         = "1"
 *      ring-ref        = "8"
 *      event-channel   = "15"
 *      gref-pages      = "16"
 *      gref-ref-0      = "9"
 *      ...
 *      gref-ref-15     = "24"
 *      unmapped        = "0"
 *
 * Under /local/domain/0/backend/hostmem/1/0:
 *
 *      frontend        = "/local/domain/1/device/hostmem/0"
 *      frontend-id     = "1"
 *      state           = "4"
 *      versions        = "1"
 *      pci-address     = "0000:00:04.0"
 *      shm-id          = "1"
 *      window-size     = "268435456"
 *
 *****************************************************************************
 * Backend nodes
 *****************************************************************************
 *
 * versions
 *      Values:         <uint> [ "," <uint> ]*
 *
 *      The protocol versions that the backend speaks. Written before a
 *      frontend can see InitWait (R1).
 *
 * pci-address
 *      Values:         "ssss:bb:dd.f", hexadecimal
 *
 *      The PCI function that has the window, as numbered by the guest's
 *      firmware. Valid in state Connected only.
 *
 * shm-id
 *      Values:         <uint8>
 *
 *      ID of the function's virtio shared memory region (struct
 *      virtio_pci_cap64, cfg_type VIRTIO_PCI_CAP_SHARED_MEMORY_CFG) that is
 *      the window. Valid in state Connected only.
 *
 * window-size
 *      Values:         <uint64>, bytes
 *
 *      Size of the window, a multiple of 4096. Valid in state Connected only.
 *
 *****************************************************************************
 * Frontend nodes
 *****************************************************************************
 *
 * version
 *      Values:         <uint>
 *
 *      The version that the frontend chose from the backend's versions.
 *
 * ring-ref
 *      Values:         <grant_ref_t>
 *
 *      The page of the request ring, granted for reading and writing.
 *
 * event-channel
 *      Values:         <uint>
 *
 *      Interdomain event channel port, signalled in both directions.
 *
 * gref-pages
 *      Values:         1 .. XEN_HOSTMEM_MAX_GREF_PAGES
 *
 *      Number of pages of the reference buffer.
 *
 * gref-ref-<n>, n = 0 .. gref-pages - 1
 *      Values:         <grant_ref_t>
 *
 *      Page n of the reference buffer, granted for reading and writing.
 *
 * unmapped
 *      Values:         "0" or "1"
 *
 *      0 while something may be mapped; 1, written before Closed, states that
 *      nothing is mapped (R19). The state alone is not sufficient: a kernel
 *      that starts after a crash resets it to Closed for devices that have no
 *      driver yet.
 *
 *****************************************************************************
 * States
 *****************************************************************************
 *
 *      Backend (device model)                 Frontend (guest driver)
 *      InitWait                               Initialising
 *        o versions is written                  o reads versions
 *                                               o grants ring and buffer
 *                                             Initialised
 *        o maps ring and buffer
 *        o writes the window's identity
 *      Connected                                o finds the window
 *                                             Connected
 *        o posts requests  ------------------>  o maps, unmaps
 *          reads responses <------------------    responds
 *                                             Closing
 *        o posts no more requests               o unmaps everything
 *      Closing                                Closed
 *        o unmaps ring and buffer
 *      Closed                                   o frees ring and buffer
 */
#ifndef XEN_PUBLIC_IO_HOSTMEM_H
#define XEN_PUBLIC_IO_HOSTMEM_H

#include "ring.h"
#include "../grant_table.h"

#define XEN_HOSTMEM_VERSION             1

/* Names of the nodes described above. */
#define XEN_HOSTMEM_NODE_VERSIONS       "versions"
#define XEN_HOSTMEM_NODE_PCI_ADDRESS    "pci-address"
#define XEN_HOSTMEM_NODE_SHM_ID         "shm-id"
#define XEN_HOSTMEM_NODE_WINDOW_SIZE    "window-size"
#define XEN_HOSTMEM_NODE_VERSION        "version"
#define XEN_HOSTMEM_NODE_RING_REF       "ring-ref"
#define XEN_HOSTMEM_NODE_EVENT_CHANNEL  "event-channel"
#define XEN_HOSTMEM_NODE_GREF_PAGES     "gref-pages"
#define XEN_HOSTMEM_NODE_GREF_REF       "gref-ref-%u"
#define XEN_HOSTMEM_NODE_UNMAPPED       "unmapped"

/* Unit of every page count: the size of a grant, not of the guest's pages. */
#define XEN_HOSTMEM_PAGE_SHIFT          12
#define XEN_HOSTMEM_PAGE_SIZE           (1u << XEN_HOSTMEM_PAGE_SHIFT)

/* Upper bound of gref-pages, and number of references in such a page. */
#define XEN_HOSTMEM_MAX_GREF_PAGES      16
#define XEN_HOSTMEM_REFS_PER_PAGE       (XEN_HOSTMEM_PAGE_SIZE / 4)

/* operation */
#define XEN_HOSTMEM_OP_MAP              1
#define XEN_HOSTMEM_OP_UNMAP            2

/*
 * flags
 * LIVE: the guest may access this part of the window meanwhile (R12).
 */
#define XEN_HOSTMEM_LIVE        (1u << 0)

/* status: 0, or one of these negative Xen error numbers (R15) */
#define XEN_HOSTMEM_OK          0
#define XEN_HOSTMEM_ENOENT      (-2)    /* nothing in the range is mapped */
#define XEN_HOSTMEM_EIO         (-5)    /* an operation of Xen failed */
#define XEN_HOSTMEM_ENOMEM      (-12)   /* no memory, or maptrack full */
#define XEN_HOSTMEM_EEXIST      (-17)   /* range is already mapped */
#define XEN_HOSTMEM_ENODEV      (-19)   /* window moved or not decoding */
#define XEN_HOSTMEM_EINVAL      (-22)   /* malformed request */
#define XEN_HOSTMEM_ENOSPC      (-28)   /* no memory for the guest's p2m */

/*
 * Request, 32 octets
 *          0                1                2                3        octet
 * +----------------+----------------+----------------+----------------+
 * |                            id, low                                | 0
 * |                            id, high                               | 4
 * +----------------+----------------+----------------+----------------+
 * |                          offset, low                              | 8
 * |                          offset, high                             | 12
 * +----------------+----------------+----------------+----------------+
 * |                           nr_pages                                | 16
 * +----------------+----------------+----------------+----------------+
 * |                             first                                 | 20
 * +----------------+----------------+----------------+----------------+
 * |   operation    |     flags      |           reserved              | 24
 * +----------------+----------------+----------------+----------------+
 * |                           reserved                                | 28
 * +----------------+----------------+----------------+----------------+
 *
 * id         chosen by the backend, echoed in the response; an UNMAP carries
 *            the id of the MAP that it undoes (R9)
 * offset     bytes from the start of the window, a multiple of 4096
 * nr_pages   1 or more
 * first      MAP: index of the first of nr_pages references in the reference
 *            buffer; UNMAP: 0
 * operation  XEN_HOSTMEM_OP_*
 * flags      0 or XEN_HOSTMEM_LIVE
 * reserved   0
 */
struct xen_hostmem_request {
    uint64_t id;
    uint64_t offset;
    uint32_t nr_pages;
    uint32_t first;
    uint8_t operation;
    uint8_t flags;
    uint8_t reserved[6];
};

/*
 * Response, 32 octets
 *          0                1                2                3        octet
 * +----------------+----------------+----------------+----------------+
 * |                            id, low                                | 0
 * |                            id, high                               | 4
 * +----------------+----------------+----------------+----------------+
 * |                            status                                 | 8
 * +----------------+----------------+----------------+----------------+
 * |   operation    |                reserved                          | 12
 * +----------------+----------------+----------------+----------------+
 * |                           reserved                                | 16
 *  ...
 * |                           reserved                                | 28
 * +----------------+----------------+----------------+----------------+
 */
struct xen_hostmem_response {
    uint64_t id;
    int32_t status;
    uint8_t operation;
    uint8_t reserved[19];
};

DEFINE_RING_TYPES(xen_hostmem, struct xen_hostmem_request,
                  struct xen_hostmem_response);

#endif /* XEN_PUBLIC_IO_HOSTMEM_H */
