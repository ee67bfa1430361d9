#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the kernel's own virtio-gpu with our patch, for the lab's cases of a guest that
# has it: virtio-gpu-noexec.ko.
#
#   build-virtio-gpu.sh SRC_TARBALL KVER OUTDIR PATCH
#
# SRC_TARBALL  linux-source-*.tar.xz of the same kernel series
# KVER         the kernel to build for; its headers are in /lib/modules/KVER
# OUTDIR       where the module goes
# PATCH        our patch for this kernel series
set -eu

die() {
	echo "build-virtio-gpu: $*" >&2
	exit 1
}

[ $# -eq 4 ] || die "usage: build-virtio-gpu.sh SRC_TARBALL KVER OUTDIR PATCH"
tarball=$1 kver=$2 outdir=$3 patch=$4
kdir=/lib/modules/$kver/build
series=$(echo "$kver" | cut -d. -f1,2)
folder=drivers/gpu/drm/virtio

[ -r "$tarball" ] || die "$tarball cannot be read: install linux-source-$series"
[ -d "$kdir" ] || die "there is no $kdir: install linux-headers-$kver"
mkdir -p "$outdir"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The top folder's name differs between packages: strip it.
tar -xf "$tarball" -C "$work" --strip-components=1 --wildcards "*/$folder/*" ||
	die "$tarball has no $folder"
patch -d "$work" -p1 -F0 <"$patch" || die "$patch does not apply"
# Its trace header names its own folder as seen from the kernel's tree.
sed -i "s|^#define TRACE_INCLUDE_PATH .*|#define TRACE_INCLUDE_PATH $work/$folder|" \
	"$work/$folder/virtgpu_trace.h"
make -C "$kdir" M="$work/$folder" W=1 KCFLAGS=-Werror modules ||
	die "the build for $kver failed, see above"
# Each guest has it in its initrd.
strip --strip-debug -o "$outdir/virtio-gpu-noexec.ko" "$work/$folder/virtio-gpu.ko"
