#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# modules.sh DOM0-BASE: build our kernel modules, the lab's exporters and its importer, its
# second provider (a gntdev with dma-buf support) and Linux' virtio-gpu with our patch, for
# the kernel that dom0 and the guests run. Runs in the build base.

set -eu
dom0=$1
out=/src/build/modules
mkdir -p "$out"

kver=$(ls "$dom0/lib/modules")
if [ ! -d "/lib/modules/$kver/build" ]; then
    echo "error: the dom0 base has kernel $kver, but the build base has headers for" \
        "$(ls /lib/modules): they were created on different days. Remove both" \
        "from the cache folder (base-*) and run again" >&2
    exit 1
fi

# Built in a copy, so that the kernel's build leaves no files beside the sources.
module()
{
    source=$1 name=$2
    rsync -rlpc --include='*.[ch]' --include=Kbuild --exclude='*' "$source/" "$out/$name/"
    make -C "/lib/modules/$kver/build" M="$out/$name" W=1 C=1 KCFLAGS=-Werror modules
    cp "$out/$name/$name.ko" "$out/"
}

module /src/guest/linux xen-hostmem
module /src/dom0/linux xen-dmabuf-grant
module /src/dom0/guest-dmabuf xen-guest-dmabuf
module /src/tests/lab/dmabuf-pool lab-dmabuf-pool
module /src/tests/lab/dmabuf-ttm lab-dmabuf-ttm
module /src/tests/lab/dma lab-dma

module /src/tests/lab/dom0/leaky lab-leaky

# faults SOURCE NAME HEADER: a copy of a module in which calls fail; see faults.h
faults()
{
    source=$1 name=$2 header=$3
    copy=$out/$name-faults
    mkdir -p "$copy"
    cp -p "$source"/*.[ch] /src/tests/lab/dom0/faults/*.[ch] "$copy/"
    cat "$source/Kbuild" - >"$copy/Kbuild" <<KBUILD
$name-y += faults.o
ccflags-y += -include \$(src)/$header
KBUILD
    make -C "/lib/modules/$kver/build" M="$copy" modules
    cp "$copy/$name.ko" "$out/$name-faults.ko"
}

faults /src/dom0/linux xen-dmabuf-grant dmabuf-grant-faults.h
faults /src/dom0/guest-dmabuf xen-guest-dmabuf guest-dmabuf-faults.h

source=/usr/src/linux-source-$(echo "$kver" | cut -d. -f1,2).tar.xz

# rebuilt MODULE PATCH...: one of Linux' own modules, made by build-MODULE.sh
rebuilt()
{
    module=$1 script=/src/scripts/build-$1.sh
    shift
    key=$(cat "$script" "$@" /src/upstream/patches/linux-*-"$module".patch 2>/dev/null |
        sha256sum | cut -c1-16)-$kver
    [ "$(cat "$out/$module.key" 2>/dev/null)" != "$key" ] || return 0
    sh "$script" "$source" "$kver" "$out" "$@"
    echo "$key" >"$out/$module.key"
}

# The patches of a series for Linux, in its order
patches_of()
{
    sed -n 's|^patch = "\(.*\)"|/src/\1|p' "/src/upstream/$1.toml"
}

# shellcheck disable=SC2046 # a list
rebuilt gntdev $(patches_of linux-gntdev)
# The patch is for this series.
[ "${kver#6.12.}" = "$kver" ] ||
    rebuilt virtio-gpu /src/upstream/patches/linux-6.12-virtgpu-noexec.patch
