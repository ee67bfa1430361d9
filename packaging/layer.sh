#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# layer.sh BASE REQUIREMENTS...: install packages in a layer above an unpacked base
# system, once, and print the layer's name, a folder in the cache. Requirements are
# lists as in a Depends field. scripts/in-base.sh shows the build base with a layer if
# XH_LAYER is its name. The name depends on the base and on the requirements; the base
# itself, which everything else uses, stays as it is.

. "$(dirname "$0")/../scripts/common.sh"

# In a mount namespace of its own: apt, in a copy of the base whose changes go to a
# folder
install_packages()
{
    lower=$1 new=$2 root=$2/root
    shift 2
    mount -t overlay -o "lowerdir=$lower,upperdir=$new/upper,workdir=$new/work" layer "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    mount -t tmpfs tmpfs "$root/run"
    [ ! -e /etc/resolv.conf ] || mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
    # shellcheck disable=SC2016 # the inner shell expands it
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp \
        LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -ec '
            apt-get -o APT::Update::Error-Mode=any update
            apt-get -o Dpkg::Options::=--force-unsafe-io satisfy -y \
                --no-install-recommends "$@"
            apt-get clean
            rm -rf /var/lib/apt/lists/*' sh "$@"
}

if [ "${XH_INSIDE:-}" = 1 ]; then
    unset XH_INSIDE
    install_packages "$@"
    exit
fi

need_root
base=$(base_dir "$1")
[ -d "$base" ] || die "there is no base system '$1' yet: run scripts/base.sh $1"
shift
name=layer-$(basename "$base")-$(echo "$@" | sha256sum | cut -c1-16)
exec 9>"$CACHE/layer.lock"
flock 9
touch -c "$CACHE/$name"
forget_unused "$CACHE" 'layer-*'
if [ ! -d "$CACHE/$name" ]; then
    step "installing what packages need above $(basename "$base") (2 minutes)" >&2
    new=$CACHE/layer.tmp
    rm -rf --one-file-system "$new"
    mkdir -p "$new/upper" "$new/work" "$new/root"
    XH_INSIDE=1 logged layer unshare --mount --pid --fork --kill-child \
        --propagation private "$0" "$base" "$new" "$@" </dev/null ||
        die "the packages could not be installed: check the network and the mirror, then" \
            "run again"
    mv "$new/upper" "$CACHE/$name"
    rm -rf --one-file-system "$new"
fi
echo "$name"
