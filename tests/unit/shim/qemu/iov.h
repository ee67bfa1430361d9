/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of iov.h that are used, without QEMU; for tests. */
#ifndef QEMU_IOV_H
#define QEMU_IOV_H

size_t iov_size(const struct iovec *iov, unsigned int iov_cnt);
size_t iov_to_buf(const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                  void *buf, size_t bytes);

#endif
