#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lab.sh [--system newest] PROGRAM [ARGUMENT...]: prepare dom0's disk and the guest's
# initrd, then run tests/lab/PROGRAM in the build base, with the disk's folder as its
# first argument. dom0's disk is created once per base and never changes: each boot
# writes to a snapshot of it.
#
# With --system newest, all that is emulated is the lab's second system, which
# scripts/newest.sh builds in build/newest; the machine that emulates it is the same.
#
# PATIENCE, a whole number, is for a slow machine, or one that has other work: the clock of
# the emulated machine runs slower by this factor, and so do all time limits.
#
# XEN names a hypervisor for the boot "patched": xen or xen.gz, built from the source of
# the lab's version of Xen with upstream/patches/xen-f*.patch.

[ "${1:-}" != --system ] || { export XH_SYSTEM="${2:-}"; shift 2; }
. "$(dirname "$0")/common.sh"

KEEP_IMAGES=1           # days; each takes more than 1 GiB

program=$1
shift
need_root
case ${PATIENCE:-1} in
*[!0-9]* | 0*) die "PATIENCE is a factor of the lab's time limits, 2 say, not '$PATIENCE'" ;;
esac
case $SYSTEM in
'') dom0=dom0 ;;
newest)
    [ "$program" = main.py ] || die "the newest system runs main.py, not $program"
    dom0=newest-dom0
    set -- --system newest --qemu "$(upstream newest_qemu)" "$@"
    ;;
*) die "the lab has no system '$SYSTEM': leave --system out, or name newest" ;;
esac
make="make build"
[ -z "$SYSTEM" ] || make="scripts/newest.sh build"
[ -L "$BUILD/lab/emulator" ] || die "there is no ${BUILD#"$TOP/"}/lab/emulator: run $make"
emulator=$CACHE/emulators/$(basename "$(readlink "$BUILD/lab/emulator")")
[ -e "$emulator" ] ||
    die "${BUILD#"$TOP/"}/lab/emulator is no longer in the cache: run $make"
touch "$emulator" "$(base_dir "$dom0")"   # what is not used is removed

base=/cache/$(basename "$(base_dir "$dom0")")
# The newest system's base has the same name after an update.
key=$(hash_of "$TOP"/tests/lab/image/* "$TOP/tests/lab/initrd.sh" \
    ${SYSTEM:+"$(base_dir "$dom0")/var/lib/dpkg/status"})
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

if [ -n "${XEN:-}" ]; then
    gzip -dcf "$XEN" >"$BUILD/lab/xen-patched.tmp" || die "XEN=$XEN cannot be read"
    mv "$BUILD/lab/xen-patched.tmp" "$BUILD/lab/xen-patched"
fi

# Under the lock, too: two labs of one checkout may start at once.
logged initrd "$TOP/scripts/in-base.sh" tests/lab/guest/initrd.sh \
    "$base" /src/build/lab/initrd.gz || die "the guest's initrd could not be created"
exec 9>&-
status=0
"$TOP/scripts/in-base.sh" python3 "tests/lab/$program" "/cache/$image" "$@" || status=$?
[ -z "$SYSTEM" ] || [ $status -eq 0 ] || "$TOP/scripts/newest.sh" differs
exit $status
