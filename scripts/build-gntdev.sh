#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the kernel's own xen-gntdev with its dma-buf calls, which Debian does not
# enable, for the lab boot that tests libxengnttab as the provider of grants.
#
#   build-gntdev.sh SRC_TARBALL KVER OUTDIR PATCH
#
# SRC_TARBALL  linux-source-*.tar.xz of the same kernel series
# KVER         the kernel to build for; its headers are in /lib/modules/KVER
# OUTDIR       where xen-gntdev.ko goes
# PATCH        our patch for it: with this applied it is xen-gntdev-fixed.ko
set -eu

die() {
	echo "build-gntdev: $*" >&2
	exit 1
}

[ $# -eq 4 ] || die "usage: build-gntdev.sh SRC_TARBALL KVER OUTDIR PATCH"
tarball=$1 kver=$2 outdir=$3 patch=$4
kdir=/lib/modules/$kver/build
series=$(echo "$kver" | cut -d. -f1,2)

[ -r "$tarball" ] || die "$tarball cannot be read: install linux-source-$series"
[ -d "$kdir" ] || die "there is no $kdir: install linux-headers-$kver"
mkdir -p "$outdir"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The top folder's name differs between packages: strip it.
tar -xf "$tarball" -C "$work" --strip-components=3 --wildcards \
	'*/drivers/xen/gntdev*' || die "$tarball has no drivers/xen/gntdev*"
[ -f "$work/gntdev-dmabuf.c" ] || die "$tarball has no drivers/xen/gntdev-dmabuf.c"

# The options also enable code that needs DMA-able grant memory from the kernel
# itself. Nothing here uses that, so it is refused.
cat >"$work/stub.c" <<'STUB'
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <xen/grant_table.h>

int gnttab_dma_alloc_pages(struct gnttab_dma_alloc_args *args)
{
	return -EOPNOTSUPP;
}

int gnttab_dma_free_pages(struct gnttab_dma_alloc_args *args)
{
	return 0;
}
STUB
cat >"$work/Kbuild" <<'KBUILD'
obj-m := xen-gntdev.o
xen-gntdev-y := gntdev.o gntdev-dmabuf.o stub.o
ccflags-y := -DCONFIG_XEN_GRANT_DMA_ALLOC=1 -DCONFIG_XEN_GNTDEV_DMABUF=1
KBUILD

# build NAME [OPTION...]
build() {
	name=$1
	shift
	make -C "$kdir" M="$work" "$@" modules || die "the build for $kver failed, see above"
	cp "$work/xen-gntdev.ko" "$outdir/$name.ko"
}

build xen-gntdev
patch -d "$work" -p3 -F0 <"$patch" || die "$patch does not apply"
build xen-gntdev-fixed W=1 KCFLAGS=-Werror
