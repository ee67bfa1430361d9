#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lab.sh [CASE...]: install the packages of make deb in the lab's dom0 and in its guest,
# and use them (tests/lab/dom0/cases/packages.py). Needs make build, too. dom0's disk has
# what the packages depend on, and libvirt, which starts a guest; DKMS compiles the modules
# in the lab, which takes long on an emulated CPU.

. "$(dirname "$0")/common.sh"

image=$BUILD/lab/image-packages
share=$DEBS/lab              # what dom0 has beside its system

need_root
need_debs
[ -e "$BUILD/lab/qemu-system-x86_64" ] || die "the lab has not been built: run make build"
base=$(base_dir dom0)
touch "$base"
build_later
kver=$(ls "$base/lib/modules")
layer=$("$PACKAGING/layer.sh" dom0 "$(dependencies), linux-headers-$kver, $LIBVIRT") || exit

key=$layer-$(hash_of "$DEBS"/*.deb "$DEBS/$LATER"/*.deb "$TOP"/tests/lab/image/* \
    "$TOP/tests/lab/initrd.sh" "$PACKAGING/lab-image.sh")
if [ "$(cat "$image/key" 2>/dev/null)" != "$key" ]; then
    step "creating dom0's disk with the packages"
    rm -rf "$share"
    mkdir -p "$share/packages/later"
    cp "$DEBS"/*.deb "$share/packages/"
    cp "$DEBS/$LATER"/*.deb "$share/packages/later/"
    logged image-packages "$IN_BASE" sh packaging/lab-image.sh /src/build/lab/image-packages \
        "/cache/$(basename "$base")" "/cache/$layer" /src/build/deb/lab ||
        die "dom0's disk could not be created"
    echo "$key" >"$image/key"
fi
logged initrd "$IN_BASE" tests/lab/guest/initrd.sh "/cache/$(basename "$base")" \
    /src/build/lab/initrd.gz || die "the guest's initrd could not be created"
[ $# -gt 0 ] || set -- all
"$IN_BASE" python3 tests/lab/main.py /src/build/lab/image-packages --boot packages "$@"
