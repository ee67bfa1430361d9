#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu.sh [--plain|--qemu SERIES] [TARGET...]: build our QEMU in build/qemu (and
# other targets of its ninja), with --qemu 10.2 in build/qemu-10.2; or, for
# comparison, QEMU without our files and patches in build/qemu-plain. Runs in the
# build base, after qemu-source.sh with the same option.

. "$(dirname "$0")/common.sh"
. "$TOP/scripts/overlay.sh"

name=qemu
case ${1:-} in
--plain)
    name=qemu-plain
    shift
    ;;
--qemu)
    [ $# -ge 2 ] || die "usage: qemu.sh --qemu SERIES [TARGET...]"
    name=qemu-$2
    shift 2
    ;;
esac
source=$TOP/build/$name-src
out=$TOP/build/$name
[ -d "$source" ] || die "there is no build/$name-src: run scripts/qemu-source.sh first"

# --cc=gcc: ccache has no wrapper called cc. Debian strips firmware from the source,
# hence --disable-install-blobs; --firmwarepath is where its packages put it.
options="--cc=gcc --cxx=g++ --target-list=x86_64-softmmu --without-default-features
    --enable-system --enable-xen --enable-virglrenderer --enable-opengl
    --enable-pixman --enable-vnc --enable-gio --enable-dbus-display
    --enable-tcg --enable-kvm
    --disable-install-blobs --disable-docs --disable-werror
    --enable-trace-backends=log
    --firmwarepath=/usr/share/qemu:/usr/share/seabios:/usr/lib/ipxe/qemu"

configure()
{
    mkdir -p "$out"
    cd "$out" || exit
    # shellcheck disable=SC2086 # words without surprises
    "$source/configure" $options
    # When QEMU runs from its build folder, it looks for firmware below this one.
    mkdir -p qemu-bundle/usr/share
    for folder in qemu seabios; do
        rm -rf "qemu-bundle/usr/share/$folder"
        ln -s "/usr/share/$folder" "qemu-bundle/usr/share/$folder"
    done
}

# Warnings in upstream's files are tolerated, warnings in ours are errors.
check_warnings()
{
    files=$(cd "$TOP" && our_files | sed -n 's/.*\/\(.*\)\.\([ch]\)$/\1\\.\2/p' | paste -sd'|')
    if grep -E "($files):[0-9]+:.*warning:" "$1"; then
        die "warnings in our files"
    fi
}

key="$options $(cat "$source/.key")"
[ "$name" = qemu-plain ] || overlay "$source"
if [ "$(cat "$out/.key" 2>/dev/null)" != "$key" ]; then
    rm -rf "$out"
    configure
    echo "$key" >"$out/.key"
fi
[ $# -gt 0 ] || set -- qemu-system-x86_64
ninja -C "$out" "$@" >"$out/ninja.log" 2>&1 || { cat "$out/ninja.log"; exit 1; }
cat "$out/ninja.log"
check_warnings "$out/ninja.log"

# The lab's dom0 gets this program on a small disk.
mkdir -p "$TOP/build/lab"
program=${name#qemu}
strip -o "$TOP/build/lab/qemu-system-x86_64$program" "$out/qemu-system-x86_64"
