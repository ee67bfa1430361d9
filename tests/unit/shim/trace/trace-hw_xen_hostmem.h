/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backend's trace events, as far as tested files have them, without QEMU */
#ifndef SHIM_TRACE_XEN_HOSTMEM_H
#define SHIM_TRACE_XEN_HOSTMEM_H

#define trace_xen_hostmem_import(pages, rc)
#define trace_xen_hostmem_release(handle, rc)
#define trace_xen_hostmem_post(op, id, offset, pages, live) ((void)(op))
#define trace_xen_hostmem_transition(blob, offset, pages, from, to, reason)

#endif
