#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# modules-all.sh [--fetch] [6.1|6.12|newest]...: compile our kernel modules for the
# oldest kernel that they support, for the one that the lab runs, and for the newest
# that Debian offers for this release. Warnings are errors, and so are sparse's. The
# modules are not loaded. Speaks TAP. Runs in the build base.
#
# The headers of 6.12 are the build base's own. The others are downloaded once, from
# the base's mirror, and kept in /cache/kernels. The newest kernel is looked up again
# after LOOK_AGAIN days; if there is none, it is skipped. With --fetch the headers
# are only downloaded.

. "$(dirname "$0")/common.sh"

OLDEST_SUITE=bookworm           # 6.1
NEWEST_SUITE=$SUITE-backports
LOOK_AGAIN=7
KEEP_DAYS=14                    # headers that no run has used are removed
store=/cache/kernels
out=$BUILD/modules-all
number=0

# What the newest headers need and this release's sparse does not know. They also lack
# checker-valid.sh, without which C=1 does nothing; hence KBUILD_CHECKSRC below.
sparse="-Wsparse-error -D__typeof_unqual__=__typeof__ '-D__builtin_strlen(s)=(sizeof(s)-1)'"

# result VERDICT [REASON]
result()
{
    number=$((number + 1))
    echo "$1 $number - modules-$kernel${2:+ $2}"
    [ "$1" = ok ] || sed 's/^/# /' "$log"
}

# The base is read-only: apt's lists and state go elsewhere.
headers_apt()
{
    tool=$1
    shift
    "$tool" -o Dir::State::lists=/tmp/kernels/lists -o Dir::Cache=/tmp/kernels \
        -o Dir::Etc::sourcelist=/tmp/kernels/sources.list \
        -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root \
        -o Acquire::Retries=3 "$@"
}

# The base's mirror, with another suite
read_lists()
{
    rm -rf /tmp/kernels
    mkdir -p /tmp/kernels/lists/partial /tmp/kernels/archives/partial
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n "s/^\(deb .*\) $SUITE main.*/\1 $from main/p" >/tmp/kernels/sources.list
    headers_apt apt-get -o APT::Update::Error-Mode=any update || {
        echo "cannot read the package lists of $from: check the network and MIRROR"
        return 1
    }
}

# dependencies PACKAGE REGEX: those of a package that match, without their versions
dependencies()
{
    headers_apt apt-cache show "$1/$from" | sed -n 's/^Depends: //p' | tr ',' '\n' |
        sed 's/^ *//; s/ .*//' | grep -x "$2" | sort -u
}

# The compiler, and whatever else these packages depend on, is the base's.
unpack_headers()
{
    parts=$(dependencies "$package" 'linux-\(headers\|kbuild\)-[0-9].*')
    mkdir "$new/debs" || return 1
    # shellcheck disable=SC2086 # a list
    (cd "$new/debs" && headers_apt apt-get -t "$from" download "$package" $parts) || {
        echo "cannot download $package: check the network and the free space of the cache folder"
        return 1
    }
    for deb in "$new"/debs/*.deb; do
        dpkg-deb --extract "$deb" "$new" || return 1
    done
    # One package names another by its absolute path. vmlinux is for BTF only.
    makefile=$new/usr/src/$package/Makefile
    sed -i "s|/usr/src/|$store/$package/usr/src/|g" "$makefile" &&
        rm -rf "$new/debs" "$new/usr/src/$package/vmlinux" &&
        chmod 755 "$new" && mv "$new" "$store/$package"
}

# The file $store/$kernel names the headers to use, which are beside it. A download
# that is interrupted or fails leaves nothing.
fetch()
{
    read_lists || return 1
    package=$(dependencies linux-headers-amd64 'linux-headers-[0-9].*')
    if [ -z "$package" ]; then
        echo "the mirror has no linux-headers-amd64 in $from"
        return 1
    fi
    if [ ! -d "$store/$package" ]; then
        rm -rf "$store"/.new.*
        new=$(mktemp -d "$store/.new.XXXXXX")
        unpack_headers || { rm -rf "$new"; return 1; }
    fi
    echo "$package" >"$store/$kernel"
}

is_here()
{
    package=$(cat "$store/$kernel" 2>/dev/null) && [ -d "$store/$package" ]
}

# The newest does not stay the newest.
is_current()
{
    [ "$kernel" != newest ] || [ -z "$(find "$store/$kernel" -mtime +$LOOK_AGAIN)" ]
}

# Sets kdir. If the mirror cannot be asked for something newer, what is here will do.
find_headers()
{
    if [ -z "$from" ]; then
        kdir=$(echo "/lib/modules/$kernel".*/build)
        return 0
    fi
    mkdir -p "$store"
    exec 9>"$store/.lock"
    flock 9
    if ! is_here || ! is_current; then
        fetch >"$log" 2>&1 || is_here || return 1
    fi
    touch "$store/$package"
    find "$store" -mindepth 1 -maxdepth 1 -type d -mtime +$KEEP_DAYS -exec rm -rf {} +
    exec 9>&-
    kdir=$store/$package/usr/src/$package
}

# In a copy, as in modules.sh. The compiler is the base's, whatever the headers name.
compile()
{
    source=$1 copy=$out/$kernel/$2
    mkdir -p "$copy" &&
        rsync -rlpc --delete --exclude='*.mod.c' --include='*.[ch]' --include=Kbuild \
            --exclude='*' "$source/" "$copy/" &&
        make -C "$kdir" M="$copy" -j"$(nproc)" CC=gcc W=1 KCFLAGS=-Werror \
            KBUILD_CHECKSRC=1 CF="$sparse" modules
}

compile_all()
{
    compile "$TOP/guest/linux" xen-hostmem && compile "$TOP/dom0/linux" xen-dmabuf-grant &&
        compile "$TOP/dom0/guest-dmabuf" xen-guest-dmabuf
}

try()
{
    kernel=$1
    log=$out/$kernel.log
    case $kernel in
    6.1) from=$OLDEST_SUITE ;;
    6.12) from= ;;
    newest) from=$NEWEST_SUITE ;;
    *) die "usage: modules-all.sh [--fetch] [6.1|6.12|newest]..." ;;
    esac
    if ! find_headers; then
        if [ "$kernel" = newest ]; then
            result ok "# SKIP $(tail -n 1 "$log")"
        else
            result "not ok"
        fi
    elif [ -n "$only_fetch" ]; then
        result ok
    elif compile_all >"$log" 2>&1; then
        echo "# $(make -s -C "$kdir" kernelrelease)"
        result ok
    else
        result "not ok"
    fi
}

only_fetch=
if [ "${1:-}" = --fetch ]; then
    only_fetch=1
    shift
fi
# Options are this script's; make does not look at all of them.
key=$(hash_of "$TOP/scripts/modules-all.sh")
if [ "$(cat "$out/.key" 2>/dev/null)" != "$key" ]; then
    rm -rf "$out"
    mkdir -p "$out"
    echo "$key" >"$out/.key"
fi
[ $# -gt 0 ] || set -- 6.1 6.12 newest
for wanted; do
    try "$wanted"
done
echo "1..$number"
