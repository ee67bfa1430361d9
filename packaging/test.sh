#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test.sh: install the packages of make deb in a plain Debian system, upgrade, remove and
# purge them (test-inside.sh). Speaks TAP. The system is the base 'target'; its changes
# go to a layer above it, which is removed afterwards. What the packages depend on is
# downloaded once, and kept in the cache.

. "$(dirname "$0")/common.sh"

work=$DEBS/target

# In a mount namespace of its own
inside()
{
    root=$work/root
    mount -t overlay -o "lowerdir=$(base_dir target),upperdir=$work/upper,workdir=$work/work" \
        target "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    mount -t tmpfs tmpfs "$root/run"
    mkdir -p "$root/packages" "$root/project" "$root/cache"
    mount --bind "$DEBS" "$root/packages"
    mount --bind "$PACKAGING" "$root/project"
    mount --bind "$CACHE" "$root/cache"
    mount --bind "$CACHE/debs" "$root/var/cache/apt/archives"
    [ ! -e /etc/resolv.conf ] || mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
    # This system does not outlive a power failure.
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
    exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        sh /project/test-inside.sh "$LATER"
}

if [ "${XH_INSIDE:-}" = 1 ]; then
    unset XH_INSIDE
    inside
fi

need_root
dir=$(base_dir target)
[ -d "$dir" ] || die "there is no base 'target' yet: run scripts/base.sh target"
need_debs
touch "$dir"
build_later
rm -rf --one-file-system "$work"
mkdir -p "$work/upper" "$work/work" "$work/root" "$CACHE/debs/partial"
status=0
XH_INSIDE=1 unshare --mount --pid --fork --kill-child --propagation private "$0" ||
    status=$?
rm -rf --one-file-system "$work"
exit $status
