/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: what real Xen (not emulated by QEMU) says about domains
 *
 * See the members of struct gnttab_dmabuf_ops of the same names.
 */
#ifndef HW_XEN_HOSTMEM_XEN_DOMAIN_H
#define HW_XEN_HOSTMEM_XEN_DOMAIN_H

bool libxenctrl_peer_runs(uint32_t domid);
uint64_t libxenctrl_table_pages(void);
uint64_t libxenctrl_peer_p2m_pages(uint32_t domid);

#endif
