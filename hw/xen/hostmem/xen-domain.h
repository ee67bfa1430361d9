/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: what real Xen (not emulated by QEMU) says about domains
 */
#ifndef HW_XEN_HOSTMEM_XEN_DOMAIN_H
#define HW_XEN_HOSTMEM_XEN_DOMAIN_H

/**
 * libxenctrl_domain_flags: what Xen knows of a domain
 * @flags: set to XEN_DOMINF_*
 *
 * Returns false if Xen does not say, or there is no such domain.
 */
bool libxenctrl_domain_flags(uint32_t domid, uint32_t *flags);

/* See the members of struct gnttab_dmabuf_ops of the same names. */
bool libxenctrl_peer_runs(uint32_t domid);
uint64_t libxenctrl_table_pages(void);
uint64_t libxenctrl_peer_p2m_pages(uint32_t domid);

#endif
