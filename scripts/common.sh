# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Sourced by every script: paths, progress, errors, logs, pinned versions.

set -eu

TOP=$(cd "$(dirname "$0")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xen-hostmem
SYSTEM=${XH_SYSTEM:-}           # what the lab runs: empty (SUITE) or newest
BUILD=$TOP/build${SYSTEM:+/$SYSTEM}
LOGS=$BUILD/logs
SUITE=trixie
NEWEST_SUITE=sid
NEWEST_LINUX=trixie-backports   # if its kernel is newer
# For a dom0: the daemon, its driver for Xen, virsh and virt-xml-validate
LIBVIRT="libvirt-daemon, libvirt-daemon-driver-xen, libvirt-clients"
XH_START=${XH_START:-$(date +%s)}
export XH_START

elapsed()
{
    seconds=$(($(date +%s) - XH_START))
    printf '%d:%02d' $((seconds / 60)) $((seconds % 60))
}

# Progress: one short line for each step that takes a while.
step()
{
    echo "==> $* … ($(elapsed))"
}

die()
{
    echo "error: $*" >&2
    exit 1
}

# logged NAME COMMAND...: send the output to a log; show its end after a failure.
logged()
{
    log=$LOGS/$1.log
    shift
    mkdir -p "$LOGS"
    if "$@" >"$log" 2>&1; then
        return 0
    else
        status=$?
    fi
    echo "--- last lines of $log" >&2
    tail -n 30 "$log" >&2
    echo "---" >&2
    return $status
}

# A user without root has everything run as root of a user namespace, where the user's
# subordinate IDs own the files of the unpacked systems.
in_user_namespace()
{
    unshare --user --map-root-user --map-auto --mount --pid --fork --kill-child \
        --mount-proc "$@"
}

need_root()
{
    [ "$(id -u)" -eq 0 ] ||
        die "root is needed to build and to run the lab: sudo make ${XH_TARGET:-demo}," \
            "or a user who may create namespaces and has subordinate IDs (Debian: the" \
            "package uidmap, and a line for the user in /etc/subuid and /etc/subgid)"
    unshare --mount --pid --fork true 2>/dev/null ||
        die "namespaces cannot be created here: a container has to be privileged"
}

# upstream KEY: a value pinned in the file UPSTREAM
upstream()
{
    value=$(sed -n "s/^$1=//p" "$TOP/UPSTREAM")
    [ -n "$value" ] || die "no line '$1=' in the file UPSTREAM"
    echo "$value"
}

# series_of VERSION: 10.0 for 10.0.13
series_of()
{
    echo "$1" | cut -d. -f1,2
}

# The other versions of QEMU that UPSTREAM pins, by series
other_qemus()
{
    sed -n 's/^qemu_\([0-9.]*\)_version=.*/\1/p' "$TOP/UPSTREAM"
}

# hash_of FILE...: one key for the contents of files
hash_of()
{
    cat "$@" >/dev/null || die "this checkout is incomplete"
    sum=$(cat "$@" | sha256sum) || die "sha256sum does not work"
    echo "$sum" | cut -c1-16
}

# forget_unused FOLDER NAME [DAYS]: remove what has such a name in a folder of the
# cache and was not used for so long. Whoever uses it touches it, so what belongs to
# another checkout stays for as long as that is in use.
KEEP_DAYS=14
forget_unused()
{
    find "$1" -mindepth 1 -maxdepth 1 -name "$2" ! -name '*.tmp' \
        -mtime "+${3:-$KEEP_DAYS}" -exec rm -rf --one-file-system {} +
}

# qemu_pins PREFIX: one key for a version of QEMU that UPSTREAM pins; the prefix
# is that of its lines (qemu, qemu_10.2)
qemu_pins()
{
    sum=$(for pin in version orig_sha256 debian_sha256; do
        upstream "$1_$pin" || exit
    done | sha256sum)
    echo "$sum" | cut -c1-16
}

# suite_of NAME: Debian's suite of a base system
suite_of()
{
    case $1 in
    newest-*) echo "$NEWEST_SUITE" ;;
    *) echo "$SUITE" ;;
    esac
}

# base_dir NAME: the name depends on the base's packages; raise BASE_VERSION when
# base.sh makes a base differently.
BASE_VERSION=1
base_dir()
{
    hash=$(hash_of "$TOP/scripts/packages.$1") || exit
    echo "$CACHE/base-$1-$(suite_of "$1")-$BASE_VERSION-$hash"
}

if [ "$(id -u)" -ne 0 ] && in_user_namespace true 2>/dev/null; then
    export XH_USER_NAMESPACE=1
    in_user_namespace "$0" "$@"
    exit
fi
