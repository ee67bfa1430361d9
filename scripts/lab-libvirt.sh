#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lab-libvirt.sh [CASE...]: the lab's cases of libvirt (tests/lab/dom0/cases/libvirt.py), in
# a dom0 that has Debian's libvirt in addition. Needs make build. The other cases' dom0
# stays without it.

. "$(dirname "$0")/common.sh"

image=$BUILD/lab/image-libvirt
in_base=$TOP/scripts/in-base.sh

need_root
[ -e "$BUILD/lab/qemu-system-x86_64" ] || die "the lab has not been built: run make build"
base=$(base_dir dom0)
touch "$base"
layer=$("$TOP/packaging/layer.sh" dom0 "$LIBVIRT") || exit

key=$layer-$(hash_of "$TOP"/tests/lab/image/* "$TOP/tests/lab/initrd.sh" \
    "$TOP/packaging/lab-image.sh")
if [ "$(cat "$image/key" 2>/dev/null)" != "$key" ]; then
    step "creating dom0's disk with libvirt"
    logged image-libvirt "$in_base" sh packaging/lab-image.sh /src/build/lab/image-libvirt \
        "/cache/$(basename "$base")" "/cache/$layer" || die "dom0's disk could not be created"
    echo "$key" >"$image/key"
fi
logged initrd "$in_base" tests/lab/guest/initrd.sh "/cache/$(basename "$base")" \
    /src/build/lab/initrd.gz || die "the guest's initrd could not be created"
[ $# -gt 0 ] || set -- all
"$in_base" python3 tests/lab/main.py /src/build/lab/image-libvirt --boot libvirt "$@"
