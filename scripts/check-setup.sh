#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-setup.sh: what the build says when it cannot go on. Speaks TAP. Runs outside
# the base systems, which it needs. Each case has a copy of the scripts and a
# cache of its own; mounts are in a namespace that ends with this script.

. "$(dirname "$0")/common.sh"

if [ "${XH_OWN_MOUNTS:-}" != 1 ]; then
    XH_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0"
fi

real_cache=$CACHE
build_base=$(basename "$(base_dir build)")
in_base=scripts/in-base.sh
work=$(mktemp -d)
tree=$work/tree
own_cache=$work/cache/xen-hostmem
number=0
trap 'cd /; forget; rmdir "$work"' EXIT
export XDG_CACHE_HOME="$work/cache"
unset QEMU_SRC

# A checkout that any user can read, wherever the real one is; an empty cache.
fresh()
{
    number=$((number + 1))
    mkdir -p "$tree/build" "$own_cache"
    chmod 755 "$work"
    cp -r "$TOP/scripts" "$TOP/patches" "$TOP/UPSTREAM" "$TOP/Makefile" "$tree/"
    cd "$tree" || exit
}

forget()
{
    umount "$own_cache" "$tree/build" 2>/dev/null || true
    rm -rf --one-file-system "$tree" "$work/cache"
}

# Not a mount: what removes the case's files must not reach the real ones.
lend_base()
{
    ln -s "$real_cache/$build_base" "$own_cache/"
}

# says NAME TEXT COMMAND...: it fails, and its output has the text
says()
{
    name=$1 text=$2
    shift 2
    if output=$("$@" 2>&1 </dev/null); then
        verdict="not ok" why="it went well"
    elif echo "$output" | grep -qF -- "$text"; then
        verdict="ok" why=
    else
        verdict="not ok" why="it does not say '$text'"
    fi
    echo "$verdict $number - $name"
    [ -z "$why" ] || echo "$why: $output" | sed 's/^/# /'
    cd "$TOP" || exit
    forget
}

fresh
says not-root "sudo make demo" \
    setpriv --reuid 65534 --regid 65534 --clear-groups make demo

fresh
mount -t tmpfs -o size=64m small "$own_cache"
says no-disk-space "point XDG_CACHE_HOME at a larger disk" scripts/base.sh build

fresh
mount -t tmpfs -o size=64m small "$tree/build"
says no-disk-space-in-build "use a checkout on a larger disk" scripts/run.sh build

fresh
says no-network "check the network" unshare --net scripts/base.sh build

fresh
lend_base
says no-network-for-qemu "check the network" \
    unshare --net "$in_base" scripts/qemu-source.sh

fresh
lend_base
cp -r "$real_cache/sources" "$own_cache/"
sed -i 's/^qemu_orig_sha256=.*/qemu_orig_sha256=0/' UPSTREAM
says wrong-checksum "not what UPSTREAM pins" "$in_base" scripts/qemu-source.sh

fresh
says qemu-src-missing "there is no /nowhere" env QEMU_SRC=/nowhere scripts/run.sh build

fresh
lend_base
mkdir "$tree/build/qemu"
echo 9.2.0 >"$tree/build/qemu/VERSION"
says qemu-src-too-old "the patches are for 10.x" \
    env QEMU_SRC="$tree/build/qemu" "$in_base" scripts/qemu-source.sh

fresh
lend_base
mkdir "$tree/build/qemu"
echo 10.0.2 >"$tree/build/qemu/VERSION"
says patch-does-not-apply "does not apply to this QEMU without fuzz" \
    env QEMU_SRC="$tree/build/qemu" "$in_base" scripts/qemu-source.sh

echo "1..$number"
