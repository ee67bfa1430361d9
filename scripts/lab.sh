#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lab.sh PROGRAM [ARGUMENT...]: prepare dom0's disk and the guest's initrd, then run
# tests/lab/PROGRAM in the build base, with the disk's folder as its first argument.
# dom0's disk is created once per base and never changes: each boot writes to a
# snapshot of it. XEN names a hypervisor for the boot "patched": xen or xen.gz, built from
# the source of the lab's version of Xen with upstream/patches/xen-f*.patch.

. "$(dirname "$0")/common.sh"

KEEP_IMAGES=1           # days; each takes more than 1 GiB

program=$1
shift
need_root
[ -L "$BUILD/lab/emulator" ] || die "there is no build/lab/emulator: run make build"
emulator=$CACHE/emulators/$(basename "$(readlink "$BUILD/lab/emulator")")
[ -e "$emulator" ] || die "build/lab/emulator is no longer in the cache: run make build"
touch "$emulator" "$(base_dir dom0)"    # what is not used is removed

base=/cache/$(basename "$(base_dir dom0)")
key=$(hash_of "$TOP"/tests/lab/image/* "$TOP/tests/lab/initrd.sh")
image=images/$(basename "$base")-$key
mkdir -p "$CACHE/images" "$BUILD/lab"
exec 9>"$CACHE/images.lock"
flock 9
touch -c "$CACHE/$image"
forget_unused "$CACHE/images" '*' $KEEP_IMAGES
if [ ! -d "$CACHE/$image" ]; then
    step "creating dom0's disk"
    rm -rf "$CACHE/images"/*.tmp
    logged image "$TOP/scripts/in-base.sh" tests/lab/image/image.sh \
        "$base" "/cache/$image.tmp" || die "dom0's disk could not be created"
    mv "$CACHE/$image.tmp" "$CACHE/$image"
fi
exec 9>&-

if [ -n "${XEN:-}" ]; then
    gzip -dcf "$XEN" >"$BUILD/lab/xen-patched.tmp" || die "XEN=$XEN cannot be read"
    mv "$BUILD/lab/xen-patched.tmp" "$BUILD/lab/xen-patched"
fi

logged initrd "$TOP/scripts/in-base.sh" tests/lab/guest/initrd.sh \
    "$base" /src/build/lab/initrd.gz || die "the guest's initrd could not be created"
"$TOP/scripts/in-base.sh" python3 "tests/lab/$program" "/cache/$image" "$@"
