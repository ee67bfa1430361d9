#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu.sh [--plain] [TARGET...]: build/qemu, our QEMU (and other targets of its
# ninja), or build/qemu-plain, what it is compared with. Runs in the build base,
# after qemu-source.sh.

. "$(dirname "$0")/common.sh"

name=qemu
if [ "${1:-}" = --plain ]; then
    name=qemu-plain
    shift
fi
source=$TOP/build/$name-src
out=$TOP/build/$name

# Only what is newer, with its time: ninja builds no more than it has to.
overlay()
{
    (cd "$TOP" && find hw include qapi tests/qtest -type f -print) |
        while read -r file; do
            cmp -s "$TOP/$file" "$source/$file" && continue
            mkdir -p "$(dirname "$source/$file")"
            cp "$TOP/$file" "$source/$file"
        done
}

# Debian strips firmware from the source, and its own is where it always is.
# gcc: ccache does not stand in for a compiler called cc.
options="--cc=gcc --cxx=g++ --target-list=x86_64-softmmu --without-default-features
    --enable-system --enable-xen --enable-virglrenderer --enable-opengl
    --enable-pixman --enable-vnc --enable-tcg --enable-kvm
    --disable-install-blobs --disable-docs --disable-werror
    --enable-trace-backends=log
    --firmwarepath=/usr/share/qemu:/usr/share/seabios:/usr/lib/ipxe/qemu"

configure()
{
    mkdir -p "$out"
    cd "$out" || exit
    # shellcheck disable=SC2086 # words without surprises
    "$source/configure" $options
    # Run from its build folder, QEMU looks for firmware below this one.
    mkdir -p qemu-bundle/usr/share
    for folder in qemu seabios; do
        rm -rf "qemu-bundle/usr/share/$folder"
        ln -s "/usr/share/$folder" "qemu-bundle/usr/share/$folder"
    done
}

# Upstream's warnings are upstream's; ours are errors.
check_warnings()
{
    files=$(cd "$TOP" && find hw include tests/qtest -name '*.[ch]' -printf '%f\n' |
        paste -sd'|' | sed 's/\./\\./g')
    if grep -E "($files):[0-9]+:.*warning:" "$1"; then
        die "warnings in our files"
    fi
}

key="$options $(cat "$source/.key")"
[ "$name" = qemu-plain ] || overlay
if [ "$(cat "$out/.key" 2>/dev/null)" != "$key" ]; then
    rm -rf "$out"
    configure
    echo "$key" >"$out/.key"
fi
[ $# -gt 0 ] || set -- qemu-system-x86_64
ninja -C "$out" "$@" >"$out/ninja.log" 2>&1 || { cat "$out/ninja.log"; exit 1; }
cat "$out/ninja.log"
check_warnings "$out/ninja.log"

# For the lab's dom0, where it goes through a small disk.
mkdir -p "$TOP/build/lab"
program=${name#qemu}
strip -o "$TOP/build/lab/qemu-system-x86_64$program" "$out/qemu-system-x86_64"
