#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-source.sh [--plain|--lab]: build/qemu-src, QEMU's source with our hooks
# (patches/qemu) applied; build/qemu-plain-src, the same without; build/qemu-lab-src,
# with what the lab's machine needs (patches/lab). Made anew when UPSTREAM, a patch
# or QEMU_SRC changes. Runs in the build base; the downloaded package is kept in /cache.
# Where the mirror has another version than UPSTREAM it is that of the same series, and
# .version in the source says which.

. "$(dirname "$0")/common.sh"

name=qemu queue=qemu
case ${1:-} in
--plain) name=qemu-plain queue= ;;
--lab) name=qemu-lab queue=lab QEMU_SRC= ;;
esac
target=$TOP/build/$name-src
store=/cache/sources
SERIES=$(upstream qemu_version | sed 's/^.*:\([0-9]*\.[0-9]*\)\..*/\1/')

check_sum()
{
    file=$1 pin=$2
    found=$(sha256sum <"$file" | cut -d' ' -f1)
    [ "$found" = "$(upstream "$pin")" ] ||
        die "$(basename "$file") has SHA256 $found, not what UPSTREAM pins:" \
            "remove it from the cache folder (sources/) and run again, or" \
            "change $pin in UPSTREAM"
}

# The files of a version's package, in the store
package()
{
    plain=${1#*:}
    dsc=$store/qemu_$plain.dsc
    orig=$store/qemu_${plain%-*}.orig.tar.xz
    debian=$store/qemu_$plain.debian.tar.xz
}

# The base may not be written to: apt's lists and state go to a folder that can be
# written to.
sources_apt()
{
    tool=$1
    shift
    "$tool" -o Dir::State::lists=/tmp/apt/lists -o Dir::Cache=/tmp/apt \
        -o Dir::Etc::sourcelist=/tmp/apt/sources.list -o Dir::Etc::sourceparts=- \
        -o APT::Sandbox::User=root "$@"
}

# The version to use, of those the mirror has. A mirror forgets a version when the
# next one is there, which is security's as a rule: the series is what counts then.
available()
{
    versions=$(sources_apt apt-cache showsrc --only-source qemu |
        sed -n 's/^Version: //p' | sort -V)
    if echo "$versions" | grep -qxF "$1"; then
        echo "$1"
    else
        echo "$versions" | grep -F ":$SERIES." | tail -n 1
    fi
}

is_here()
{
    package "$1"
    [ -e "$dsc" ] && [ -e "$orig" ] && [ -e "$debian" ]
}

# The version that is here for what UPSTREAM pins: another one, if that is what the
# mirror had when it was asked.
chosen()
{
    pinned=$(upstream qemu_version)
    instead=$(cat "$store/.instead-of-$pinned" 2>/dev/null) || instead=$pinned
    if ! is_here "$pinned" && is_here "$instead"; then
        echo "$instead"
    else
        echo "$pinned"
    fi
}

# What apt downloads it has checked. An interrupted download leaves nothing.
fetch()
{
    pinned=$1
    mkdir -p /tmp/apt/lists/partial /tmp/apt/archives/partial
    # Which of them it is, mmdebstrap decides.
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n 's/^deb /deb-src /p' >/tmp/apt/sources.list
    sources_apt apt-get -o APT::Update::Error-Mode=any update ||
        die "the package lists cannot be read: check the network and MIRROR"
    version=$(available "$pinned")
    [ -n "$version" ] ||
        die "the mirror has no qemu $SERIES, which this is made for: MIRROR=http://..." \
            "chooses another when the base system 'build' is made"
    if [ "$version" != "$pinned" ]; then
        echo "the mirror has qemu $version, not $pinned"
        echo "$version" >"$store/.instead-of-$pinned"
    fi
    is_here "$version" && return
    new=$(mktemp -d "$store/.new.XXXXXX")
    if ! (cd "$new" && sources_apt apt-get source --download-only "qemu=$version"); then
        rm -rf "$new"
        die "qemu $version could not be downloaded: check the network and the" \
            "free space of the cache folder"
    fi
    mv "$new/"* "$store/"
    rmdir "$new"
}

debian_source()
{
    mkdir -p "$store"
    version=$(chosen)
    is_here "$version" || fetch "$version"
    package "$version"
    if [ "$version" = "$(upstream qemu_version)" ]; then
        check_sum "$orig" qemu_orig_sha256
        check_sum "$debian" qemu_debian_sha256
    fi
    what="qemu $version"
    dpkg-source --no-check --no-copy -x "$dsc" "$1"
}

check_user_source()
{
    version=$(cat "$1/VERSION" 2>/dev/null) || die "QEMU_SRC is not QEMU's source"
    case $version in
    $SERIES.*) ;;
    *) die "QEMU_SRC is version $version; the patches are for $SERIES" ;;
    esac
    [ ! -e "$1/hw/xen/hostmem" ] ||
        die "QEMU_SRC has our files already: name a tree without them and our patches"
    what="QEMU_SRC ($version)"
}

user_source()
{
    if [ -d "$QEMU_SRC" ]; then
        check_user_source "$QEMU_SRC"
        cp -a "$QEMU_SRC" "$1"
    else
        mkdir "$1"
        tar -xf "$QEMU_SRC" -C "$1" --strip-components=1 ||
            die "QEMU_SRC is neither a folder nor a tarball: $(basename "$QEMU_SRC")"
        check_user_source "$1"
    fi
}

apply_patches()
{
    while read -r patch; do
        patch -d "$1" -F0 -p1 <"$TOP/patches/$queue/$patch" ||
            die "patches/$queue/$patch does not apply to $what without fuzz"
    done <"$TOP/patches/$queue/series"
}

key=$(hash_of "$TOP/UPSTREAM" "$TOP/scripts/qemu-source.sh" "$TOP/patches/${queue:-qemu}"/*)
if [ "$(cat "$target/.key" 2>/dev/null)" = "$key-$(chosen)" ] && [ -z "${QEMU_SRC:-}" ]; then
    exit 0
fi
trap 'rm -rf "$target.tmp"' EXIT
rm -rf "$target" "$target.tmp"
if [ -n "${QEMU_SRC:-}" ]; then
    user_source "$target.tmp"
else
    debian_source "$target.tmp"
fi
[ -z "$queue" ] || apply_patches "$target.tmp"
echo "$key-${QEMU_SRC:-$version}" >"$target.tmp/.key"
echo "$version" >"$target.tmp/.version"
mv "$target.tmp" "$target"
