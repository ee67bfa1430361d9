#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the kernel's own xen-gntdev with its dma-buf calls, which Debian does not
# enable, for the lab boot that tests libxengnttab as the provider of grants.
#
#   build-gntdev.sh SRC_TARBALL KVER OUTDIR PATCH...
#
# SRC_TARBALL  linux-source-*.tar.xz of the same kernel series
# KVER         the kernel to build for; its headers are in /lib/modules/KVER
# OUTDIR       where xen-gntdev.ko goes
# PATCH        our series for it: with the first applied it is xen-gntdev-fixed.ko, with
#              all of them xen-gntdev-series.ko
#
# The series is for a current kernel. What an older one has differently is first put right
# by linux-SERIES-gntdev.patch, if that is beside the first patch.
set -eu

die() {
	echo "build-gntdev: $*" >&2
	exit 1
}

[ $# -ge 4 ] || die "usage: build-gntdev.sh SRC_TARBALL KVER OUTDIR PATCH..."
tarball=$1 kver=$2 outdir=$3 first=$4
shift 3
kdir=/lib/modules/$kver/build
series=$(echo "$kver" | cut -d. -f1,2)
older=$(dirname "$first")/linux-$series-gntdev.patch

[ -r "$tarball" ] || die "$tarball cannot be read: install linux-source-$series"
[ -d "$kdir" ] || die "there is no $kdir: install linux-headers-$kver"
mkdir -p "$outdir"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The top folder's name differs between packages: strip it.
tar -xf "$tarball" -C "$work" --strip-components=1 --wildcards \
	'*/drivers/xen/gntdev*' '*/drivers/xen/grant-table.c' \
	'*/include/xen/grant_table.h' '*/include/uapi/xen/gntdev.h' ||
	die "$tarball has no drivers/xen/gntdev*"
plain=$work/plain
mkdir "$plain"
mv "$work/drivers" "$work/include" "$plain/"

# build NAME FOLDER [OPTION...]: of a tree with these files. The options also enable code
# that needs DMA-able grant memory from the kernel itself. Nothing here uses that, so it is
# refused.
build() {
	name=$1 tree=$2 dir=$2/drivers/xen
	shift 2
	cat >"$dir/stub.c" <<'STUB'
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
	cat >"$dir/Kbuild" <<KBUILD
LINUXINCLUDE := -I$tree/include -I$tree/include/uapi \$(LINUXINCLUDE)
obj-m := xen-gntdev.o
xen-gntdev-y := gntdev.o gntdev-dmabuf.o stub.o
ccflags-y := -DCONFIG_XEN_GRANT_DMA_ALLOC=1 -DCONFIG_XEN_GNTDEV_DMABUF=1
KBUILD
	[ ! -e "$dir/counts.c" ] || cat >>"$dir/Kbuild" <<'KBUILD'
xen-gntdev-y += counts.o
ccflags-y += -Dgnttab_alloc_grant_references=lab_alloc_grant_references
KBUILD
	make -C "$kdir" M="$dir" "$@" modules || die "the build for $kver failed, see above"
	cp "$dir/xen-gntdev.ko" "$outdir/$name.ko"
}

# apply TREE PATCH
apply() {
	patch -d "$1" -p1 -F0 <"$2" || die "$2 does not apply"
}

# The one function of the kernel proper that the series changes is linked into the module.
# The static function that it calls is found by its name.
link_counts() {
	dir=$1/drivers/xen
	cat >"$dir/counts.c" <<'COUNTS'
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/export.h>
#include <linux/kprobes.h>
#include <xen/grant_table.h>

#undef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL_GPL(name)

static int get_free_entries(unsigned int count)
{
	static int (*found)(unsigned int count);
	struct kprobe probe = {
		.symbol_name = "get_free_entries",
		.flags = KPROBE_FLAG_DISABLED,
	};

	if (!found && !register_kprobe(&probe)) {
		found = (void *)probe.addr;
		unregister_kprobe(&probe);
	}
	return found ? found(count) : -ENOENT;
}

COUNTS
	sed -n '/^int gnttab_alloc_grant_references(/,/^}/p' "$dir/grant-table.c" >>"$dir/counts.c"
	grep -q '(unsigned int count' "$dir/counts.c" || die "the function was not found"
}

cp -r "$plain" "$work/fixed"
cp -r "$plain" "$work/series"
apply "$work/fixed" "$first"
[ ! -e "$older" ] || apply "$work/series" "$older"
for patch; do
	apply "$work/series" "$patch"
done
link_counts "$work/series"

build xen-gntdev "$plain"
build xen-gntdev-fixed "$work/fixed" W=1 KCFLAGS=-Werror
build xen-gntdev-series "$work/series" W=1 KCFLAGS=-Werror
