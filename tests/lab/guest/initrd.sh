#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# initrd.sh BASE OUT: make the guest's initrd from what is in build/. It contains our
# driver, which each test loads when it needs it. Runs in the build base.

set -eu
base=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../../build
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
modules=$tree/lib/modules/$(ls "$base/lib/modules")

mkdir -p "$tree/bin" "$modules"
cp "$here/init" "$tree/"
cp "$here/spawn" "$here/in-system" "$tree/bin/"
cp "$build/tools/rpc" "$build/tools/ask" "$build/tools/blobtool" "$build/tools/rawgpu" \
    "$build/tools/kmsdraw" "$build/tools/rawfront" "$build/tools/keeper" \
    "$build/tools/misuse" "$build/tools/pages" "$build/tools/venushang" "$tree/bin/"
install -m 755 "$here/../../../guest/linux/mtrr/xen-hostmem-mtrr" "$tree/bin/"
mkdir "$tree/system-bin"
cp "$build/tools/vktool" "$build/tools/gltool" "$build/tools/xen-hostmem-check" \
    "$build/tools/xen-hostmem-report" "$build/tools/blobtool" "$build/tools/vkmemory" \
    "$tree/system-bin/"
cp "$build/modules/xen-hostmem.ko" "$modules/"
# only for the series that the patch is for
[ ! -e "$build/modules/virtio-gpu-noexec.ko" ] ||
    cp "$build/modules/virtio-gpu-noexec.ko" "$modules/"
"$here/../initrd.sh" "$tree" "$base" "$out" \
    drm_kms_helper virtio-gpu virtio_blk virtio_console ext4 \
    xen-gntalloc xen-gntdev xen-evtchn xen-privcmd
