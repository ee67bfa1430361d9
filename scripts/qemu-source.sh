#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-source.sh [--plain|--lab|--qemu SERIES]: unpack and patch QEMU's source.
#
#   (no option)     build/qemu-src, with our hooks (patches/qemu); QEMU_SRC names
#                   another source
#   --qemu SERIES   build/qemu-SERIES-src, the same from another version that
#                   UPSTREAM pins (10.2)
#   --plain         build/qemu-plain-src, without our hooks
#   --lab           build/qemu-lab-src, with what the lab's machine needs
#                   (patches/lab)
#
# patches/qemu-11 holds what QEMU 11 needs in addition, and so for other major
# versions. The source is made again when a pin in UPSTREAM, a patch, this script
# or QEMU_SRC changes. Downloads are kept in /cache. If the mirror lacks the
# pinned version, the newest of the same series is used; .version in the source
# says which version it is. Exits with 3 if the mirror has none of the series.
# Runs in the build base.

. "$(dirname "$0")/common.sh"

name=qemu queue=qemu pins=qemu
case ${1:-} in
'') ;;
--plain) name=qemu-plain queue= ;;
--lab) name=qemu-lab queue=lab QEMU_SRC= ;;
--qemu)
    [ $# -eq 2 ] || die "usage: qemu-source.sh --qemu SERIES"
    name=qemu-$2 pins=qemu_$2 QEMU_SRC=
    ;;
*) die "usage: qemu-source.sh [--plain|--lab|--qemu SERIES]" ;;
esac
target=$TOP/build/$name-src
store=/cache/sources
pinned=$(upstream "${pins}_version")
series=$(series_of "${pinned#*:}")
release=$SUITE expired=
[ "$pins" = qemu ] || {
    release=$(upstream "${pins}_suite")
    # A mirror that stands still has an expired copy of such a suite. It is signed
    # nevertheless, and what is taken from it is a pinned version.
    expired="-o Acquire::Check-Valid-Until=false"
}

check_sum()
{
    file=$1 pin=$2
    found=$(sha256sum <"$file" | cut -d' ' -f1)
    [ "$found" = "$(upstream "$pin")" ] ||
        die "$(basename "$file") has SHA256 $found, which is not what UPSTREAM pins:" \
            "remove it from the cache folder (sources/) and run again, or" \
            "change $pin in UPSTREAM"
}

# The files in the store that make up a version's package
package()
{
    plain=${1#*:}
    dsc=$store/qemu_$plain.dsc
    orig=$store/qemu_${plain%-*}.orig.tar.xz
    debian=$store/qemu_$plain.debian.tar.xz
}

# The base is read-only, so apt's lists and state go to a writable folder.
sources_apt()
{
    tool=$1
    shift
    # shellcheck disable=SC2086 # an option and its value, or nothing
    "$tool" -o Dir::State::lists=/tmp/apt/lists -o Dir::Cache=/tmp/apt \
        -o Dir::Etc::sourcelist=/tmp/apt/sources.list -o Dir::Etc::sourceparts=- \
        -o APT::Sandbox::User=root $expired "$@"
}

# Source entries for all that the base installs from. For another suite: for that
# suite alone, on the mirror that the base has its release from.
source_entries()
{
    # mmdebstrap decides which of the two places it writes to.
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        if [ "$release" = "$SUITE" ]; then
            sed -n 's/^deb /deb-src /p'
        else
            sed -n "s/^deb \(.*\) $SUITE main\$/deb-src \1 $release main/p"
        fi
}

# The version to use, of those that the mirror has. A mirror drops a version once
# it has the next one, usually a security update, so any of the series will do.
available()
{
    versions=$(sources_apt apt-cache showsrc --only-source qemu |
        sed -n 's/^Version: //p' | sort -V)
    if echo "$versions" | grep -qxF "$pinned"; then
        echo "$pinned"
    else
        echo "$versions" | grep -F ":$series." | tail -n 1
    fi
}

is_here()
{
    package "$1"
    [ -e "$dsc" ] && [ -e "$orig" ] && [ -e "$debian" ]
}

# The version that the store has in place of the pinned one: another one if the
# mirror had only that when it was asked.
chosen()
{
    instead=$(cat "$store/.instead-of-$pinned" 2>/dev/null) || instead=$pinned
    if ! is_here "$pinned" && is_here "$instead"; then
        echo "$instead"
    else
        echo "$pinned"
    fi
}

# apt verifies what it downloads. An interrupted download leaves nothing behind.
fetch()
{
    mkdir -p /tmp/apt/lists/partial /tmp/apt/archives/partial
    source_entries >/tmp/apt/sources.list
    [ -s /tmp/apt/sources.list ] ||
        { echo "error: the build base has no mirror with the suite $release" >&2; exit 3; }
    sources_apt apt-get -o APT::Update::Error-Mode=any update ||
        die "the package lists of $release cannot be read: check the network and MIRROR"
    version=$(available)
    [ -n "$version" ] || {
        echo "error: the mirror has no qemu $series in $release:" \
            "to use another mirror, set MIRROR=http://... and remove the base" \
            "system 'build' from the cache folder (base-build-*)" >&2
        exit 3
    }
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
    is_here "$version" || fetch
    package "$version"
    if [ "$version" = "$pinned" ]; then
        check_sum "$orig" "${pins}_orig_sha256"
        check_sum "$debian" "${pins}_debian_sha256"
    fi
    what="qemu $version"
    dpkg-source --no-check --no-copy -x "$dsc" "$1"
}

# "10.0, 10.2 and 11.0"
known_to_work()
{
    upstream qemu_works_with | sed 's/ /, /g; s/, \([^,]*\)$/ and \1/'
}

check_user_source()
{
    version=$(cat "$1/VERSION" 2>/dev/null) ||
        die "QEMU_SRC is not QEMU's source: it has no file VERSION"
    case " $(upstream qemu_works_with) " in
    *" $(series_of "$version") "*) ;;
    *)
        die "QEMU_SRC is version $version; the patches are known to work with" \
            "$(known_to_work). To try it anyway, add $(series_of "$version") to" \
            "qemu_works_with in the file UPSTREAM"
        ;;
    esac
    [ ! -e "$1/hw/xen/hostmem" ] ||
        die "QEMU_SRC already contains our files: name a tree without them and our patches"
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

# Where the first of patch's failures is, from its output
failed_at()
{
    awk '
        /^patching file / { file = $3 }
        /^Hunk #[0-9]+ FAILED at/ {
            sub("#", "", $2)
            print "hunk " $2 " fails, at line " $NF + 0 " of " file
            exit
        }
        /^can.t find file to patch/ { missing = 1 }
        missing && /^\|--- / { sub("^a/", "", $2); print "there is no " $2; exit }' "$1"
}

# apply QUEUE SOURCE: no fuzz, so a hunk goes exactly where it was written for.
apply()
{
    folder=$TOP/patches/$1
    output=$2.output rejected=$2.rejected
    while read -r patch; do
        rm -f "$rejected"
        patch -d "$2" -f -F0 -p1 -r "$rejected" <"$folder/$patch" >"$output" 2>&1 && continue
        cat "$output"
        # The hunk itself: the first of those that patch rejected.
        [ ! -e "$rejected" ] ||
            awk '/^--- / && files++ || /^@@/ && hunks++ { exit } { print }' "$rejected" | head -n 40
        where=$(failed_at "$output")
        die "patches/$1/$patch does not apply to $what without fuzz:" \
            "${where:-see the output of patch above}. The patches are known to" \
            "work with QEMU $(known_to_work)"
    done <"$folder/series"
    rm -f "$output" "$rejected"
}

# The queue for all versions, then what this major version alone needs
apply_queue()
{
    apply "$queue" "$1"
    major=$(cut -d. -f1 "$1/VERSION")
    [ ! -e "$TOP/patches/$queue-$major/series" ] || apply "$queue-$major" "$1"
}

set --
for folder in ${queue:+"$TOP/patches/$queue" "$TOP/patches/$queue"-*}; do
    [ ! -d "$folder" ] || set -- "$@" "$folder"/*
done
key=$(qemu_pins "$pins")-$(hash_of "$TOP/scripts/qemu-source.sh" "$@")
if [ "$(cat "$target/.key" 2>/dev/null)" = "$key-$(chosen)" ] && [ -z "${QEMU_SRC:-}" ]; then
    exit 0
fi
trap 'rm -rf "$target.tmp" "$target.tmp".*' EXIT
rm -rf "$target" "$target.tmp"
mkdir -p "$(dirname "$target")"
if [ -n "${QEMU_SRC:-}" ]; then
    user_source "$target.tmp"
else
    debian_source "$target.tmp"
fi
[ -z "$queue" ] || apply_queue "$target.tmp"
echo "$key-${QEMU_SRC:-$version}" >"$target.tmp/.key"
echo "$version" >"$target.tmp/.version"
mv "$target.tmp" "$target"
