#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# base.sh NAME...: create the unpacked base systems (build, dom0), once each.
# The name of a base depends on what it is made of, and the base appears under
# that name only when it is complete; a lock keeps two runs from creating the
# same one.
#
# newest-build and newest-dom0 are the lab's second system: Debian's development
# suite, with the kernel of the release's backports if that is newer. Such bases are
# created again, all that are named, when one of them is older than NEWEST_DAYS.

. "$(dirname "$0")/common.sh"

# GiB needed in an empty cache, and in build/ of one checkout
CACHE_NEEDS=5
BUILD_NEEDS=2
NEWEST_DAYS=7

need_space()
{
    folder=$1 needed=$2
    free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "$free" -ge "$needed" ] ||
        die "$folder has $free GiB free, but $needed GiB are needed: $3"
}

need_folder()
{
    mkdir -p "$1" 2>/dev/null || true
    [ -w "$1" ] || die "$1 cannot be written to: $2"
}

# Tools that a minimal Debian system lacks
install_tools()
{
    missing=
    for tool in mmdebstrap mount; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
    [ -n "$missing" ] || return 0
    if [ -n "${XH_USER_NAMESPACE:-}" ] || ! command -v apt-get >/dev/null; then
        die "missing tools:$missing: install them (Debian 12 and 13 have packages of" \
            "these names)"
    fi
    step "installing$missing"
    # shellcheck disable=SC2086 # a list
    logged apt sh -c 'apt-get update && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "$@"' sh $missing ||
        die "these packages could not be installed:$missing: check the network, or run" \
            "apt-get install$missing"
}

# The mirrors that this machine itself uses, as "URI label" lines; none on a
# machine that is not Debian or has never run apt-get update
own_mirrors()
{
    command -v apt-get >/dev/null || return 0
    # shellcheck disable=SC2016 # apt expands these names
    apt-get indextargets --format '$(REPO_URI) $(LABEL)' \
        'Created-By: Packages' 'Origin: Debian' 2>/dev/null | sort -u
}

# sources RELEASE: lines for sources.list; without any, mmdebstrap uses its own default.
sources()
{
    release=$1
    if [ -n "${MIRROR:-}" ]; then
        main=$MIRROR security=
    else
        main=$(own_mirrors | sed -n 's/ Debian$//p' | head -n 1)
        security=$(own_mirrors | sed -n 's/ Debian-Security$//p' | head -n 1)
    fi
    if [ "$release" = "$NEWEST_SUITE" ]; then
        main=${main:-http://deb.debian.org/debian}
        echo "deb $main $release main"
        echo "deb $main $NEWEST_LINUX main"
        return 0
    fi
    [ -n "$main" ] || return 0
    echo "deb $main $SUITE main"
    echo "deb $main $SUITE-updates main"
    [ -z "$security" ] || echo "deb $security $SUITE-security main"
}

proxy_options()
{
    command -v apt-config >/dev/null || return 0
    proxy=
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [ -z "$proxy" ] || echo "--aptopt=Acquire::http::Proxy \"$proxy\""
}

# apt takes nothing from backports unless told to.
newest_linux()
{
    echo "Package: linux-image-* linux-binary-* linux-modules-* linux-headers-*" \
        "linux-kbuild-* linux-base-* linux-source*"
    echo "Pin: release n=$NEWEST_LINUX"
    echo "Pin-Priority: 500"
}

# missing_packages LOG: those that apt has not found, each with a blank before it; the
# development suite changes their names.
missing_packages()
{
    sed -n "s/^E: Unable to locate package / /p
        s/^E: Package '\(.*\)' has no installation candidate/ \1/p" "$1" | tr -d '\n'
}

bootstrap()
{
    name=$1 target=$2 release=$(suite_of "$1")
    packages=$(sed 's/#.*//' "$TOP/scripts/packages.$name" | tr -s ' \n' ',,')
    list=$BUILD/sources.$name
    sources "$release" >"$list"
    # shellcheck disable=SC2016 # mmdebstrap expands it
    set -- --variant=apt --include="${packages#,}" \
        --aptopt='Acquire::Retries "3"' \
        --customize-hook='mkdir -p "$1/src" "$1/cache" "$1/qemu-src" "$1/lab"' \
        --customize-hook='touch "$1/etc/resolv.conf"'
    proxy=$(proxy_options)
    [ -z "$proxy" ] || set -- "$@" "$proxy"
    if [ "$release" = "$NEWEST_SUITE" ]; then
        newest_linux >"$BUILD/newest-linux.pref"
        # Of a mirror that stands still, the development suite has expired.
        # shellcheck disable=SC2016 # mmdebstrap expands it
        set -- "$@" --aptopt='Acquire::Check-Valid-Until "false"' \
            --setup-hook='mkdir -p "$1/etc/apt/preferences.d"' \
            --setup-hook="copy-in $BUILD/newest-linux.pref /etc/apt/preferences.d"
    fi
    set -- "$@" "$release" "$target"
    [ ! -s "$list" ] || set -- "$@" "$list"
    logged "base-$name" mmdebstrap "$@" </dev/null || {
        missing=$(missing_packages "$LOGS/base-$name.log")
        [ -z "$missing" ] || die "Debian $release has no package$missing: change" \
            "scripts/packages.$name, and whatever needs it"
        die "the base system '$name' could not be created: check the network and" \
            "the mirror (MIRROR=http://... chooses another), then run again"
    }
}

# Whether a base is there that ought to be newer
is_outdated()
{
    [ "$(suite_of "$1")" = "$NEWEST_SUITE" ] &&
        [ -n "$(find "$(base_dir "$1")/var/lib/dpkg/status" -mtime +$NEWEST_DAYS 2>/dev/null)" ]
}

make_base()
{
    name=$1 dir=$(base_dir "$1")
    [ -d "$dir" ] && [ -z "$outdated" ] && return
    exec 9>"$CACHE/base-$name.lock"
    flock -n 9 || { step "waiting for another run to create the base '$name'"; flock 9; }
    [ -d "$dir" ] && [ -z "$outdated" ] && return
    need_space "$CACHE" $CACHE_NEEDS "free some, or point XDG_CACHE_HOME at a larger disk"
    step "creating the base system '$name' from Debian $(suite_of "$name") packages (2 minutes)"
    rm -rf --one-file-system "$dir.tmp"
    bootstrap "$name" "$dir.tmp"
    [ ! -d "$dir" ] || mv "$dir" "$dir-until-$(date +%s)"   # it may be in use
    mv "$dir.tmp" "$dir"
    exec 9>&-
}

need_root
install_tools
need_folder "$CACHE" "point XDG_CACHE_HOME at another folder"
need_folder "$BUILD" "use a checkout that can be written to"
[ -d "$BUILD/qemu" ] ||
    need_space "$BUILD" $BUILD_NEEDS "free some, or use a checkout on a larger disk"
# The kernel of the one and the headers of the other are of the same day.
outdated=
for name; do
    ! is_outdated "$name" || outdated=1
done
for name; do
    make_base "$name"
    forget_unused "$CACHE" "base-$name-*"
done
