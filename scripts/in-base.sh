#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# in-base.sh COMMAND...: run a command in the build base. The checkout is /src,
# the cache is /cache, everything else is read-only. Mounts and processes have
# namespaces of their own, so both vanish with this script however it ends.
# QEMU_SRC, a folder or file of the user, appears read-only below /qemu-src. XH_LAYER
# is the name of a folder in the cache that is laid over the base (packaging/layer.sh).
# XH_BASE is the name of another base to run in. With XH_SYSTEM=newest, /src/build is
# build/newest, so what runs here need not know of the lab's second system.

. "$(dirname "$0")/common.sh"

inside()
{
    root=$1
    shift
    if [ -n "${XH_LAYER:-}" ]; then
        mount -t overlay -o "lowerdir=$CACHE/$XH_LAYER:$root" layer "$root"
    else
        mount --rbind "$root" "$root"
    fi
    mount --bind "$TOP" "$root/src"
    [ -z "$SYSTEM" ] || mount --bind "$BUILD" "$root/src/build"
    mount --bind "$CACHE" "$root/cache"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    mount -t tmpfs tmpfs "$root/run"
    [ ! -e /etc/resolv.conf ] || mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
    if [ -n "${QEMU_SRC:-}" ]; then
        mount -t tmpfs tmpfs "$root/qemu-src"
        source=$root/qemu-src/$(basename "$QEMU_SRC")
        if [ -d "$QEMU_SRC" ]; then mkdir "$source"; else : >"$source"; fi
        mount --bind "$QEMU_SRC" "$source"
        mount -o remount,bind,ro "$source"
    fi
    mount -o remount,bind,ro "$root"
    exec chroot "$root" /usr/bin/env -i \
        PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 \
        CCACHE_DIR=/cache/ccache XH_START="$XH_START" TERM="${TERM:-dumb}" \
        PATIENCE="${PATIENCE:-}" \
        QEMU_SRC="${QEMU_SRC:+/qemu-src/$(basename "$QEMU_SRC")}" \
        sh -c 'cd /src && exec "$@"' sh "$@"
}

if [ "${XH_INSIDE:-}" = 1 ]; then
    unset XH_INSIDE
    inside "$@"
fi

need_root
name=${XH_BASE:-build}
dir=$(base_dir "$name")
[ -d "$dir" ] || die "there is no base '$name' yet: run scripts/base.sh $name"
[ -z "$SYSTEM" ] || mkdir -p "$BUILD"
touch "$dir"            # base.sh removes unused bases
XH_INSIDE=1 exec unshare --mount --pid --fork --kill-child --propagation private \
    "$0" "$dir" "$@"
