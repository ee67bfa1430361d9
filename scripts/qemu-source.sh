#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-source.sh [--plain|--lab]: build/qemu-src, QEMU's source with our hooks
# (patches/qemu) applied; build/qemu-plain-src, the same without; build/qemu-lab-src,
# with what the lab's machine needs (patches/lab). Made anew when UPSTREAM, a patch
# or QEMU_SRC changes. Runs in the build base; the downloaded package is kept in /cache.

. "$(dirname "$0")/common.sh"

name=qemu queue=qemu
case ${1:-} in
--plain) name=qemu-plain queue= ;;
--lab) name=qemu-lab queue=lab QEMU_SRC= ;;
esac
target=$TOP/build/$name-src
store=/cache/sources

check_sum()
{
    file=$1 pin=$2
    found=$(sha256sum <"$file" | cut -d' ' -f1)
    [ "$found" = "$(upstream "$pin")" ] ||
        die "$(basename "$file") has SHA256 $found, not what UPSTREAM pins:" \
            "remove it from the cache folder (sources/) and run again, or" \
            "change $pin in UPSTREAM"
}

# The base may not be written to: apt's lists and state go to a folder that can be written to.
fetch()
{
    version=$1
    apt=/tmp/apt
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list.d/*.list >"$apt/sources.list"
    set -- -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt" \
        -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root
    apt-get "$@" -o APT::Update::Error-Mode=any update ||
        die "the package lists cannot be read: check the network and MIRROR"
    cd "$store" || exit
    apt-get "$@" source --download-only "qemu=$version" && return
    there=$(apt-cache "$@" showsrc qemu | sed -n 's/^Version: //p' | sort -V | tail -n 1)
    die "qemu $version cannot be had from the mirror, which has $there:" \
        "change the qemu_ lines of UPSTREAM to that version"
}

debian_source()
{
    version=$(upstream qemu_version)
    plain=${version#*:}
    dsc=$store/qemu_$plain.dsc
    mkdir -p "$store"
    [ -e "$dsc" ] || fetch "$version"
    check_sum "$store/qemu_${plain%-*}.orig.tar.xz" qemu_orig_sha256
    check_sum "$store/qemu_$plain.debian.tar.xz" qemu_debian_sha256
    dpkg-source --no-check --no-copy -x "$dsc" "$1"
}

user_source()
{
    if [ -d "$QEMU_SRC" ]; then
        cp -a "$QEMU_SRC" "$1"
    else
        mkdir "$1"
        tar -xf "$QEMU_SRC" -C "$1" --strip-components=1 ||
            die "QEMU_SRC is neither a folder nor a tarball: $(basename "$QEMU_SRC")"
    fi
    version=$(cat "$1/VERSION" 2>/dev/null) || die "QEMU_SRC is not QEMU's source"
    case $version in
    10.*) ;;
    *) die "QEMU_SRC is version $version; the patches are for 10.x" ;;
    esac
}

apply_patches()
{
    while read -r patch; do
        patch -d "$1" -F0 -p1 <"$TOP/patches/$queue/$patch" ||
            die "patches/$queue/$patch does not apply to this QEMU without fuzz"
    done <"$TOP/patches/$queue/series"
}

key=$(hash_of "$TOP/UPSTREAM" "$TOP/scripts/qemu-source.sh" "$TOP/patches/${queue:-qemu}"/*)-${QEMU_SRC:-}
if [ "$(cat "$target/.key" 2>/dev/null)" = "$key" ] && [ -z "${QEMU_SRC:-}" ]; then
    exit 0
fi
rm -rf "$target" "$target.tmp"
if [ -n "${QEMU_SRC:-}" ]; then
    user_source "$target.tmp"
else
    debian_source "$target.tmp"
fi
[ -z "$queue" ] || apply_patches "$target.tmp"
echo "$key" >"$target.tmp/.key"
mv "$target.tmp" "$target"
