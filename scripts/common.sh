# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Sourced by every script: where things are, progress, errors, logs.

set -eu

TOP=$(cd "$(dirname "$0")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xen-hostmem
BUILD=$TOP/build
LOGS=$BUILD/logs
SUITE=trixie
XH_START=${XH_START:-$(date +%s)}
export XH_START

elapsed()
{
    seconds=$(($(date +%s) - XH_START))
    printf '%d:%02d' $((seconds / 60)) $((seconds % 60))
}

# Progress: one short line for each thing that takes a while.
step()
{
    echo "==> $* … ($(elapsed))"
}

die()
{
    echo "error: $*" >&2
    exit 1
}

# logged NAME COMMAND...: output goes to a log; a failure shows its end.
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

need_root()
{
    [ "$(id -u)" -eq 0 ] ||
        die "root is needed to build and to run the lab: sudo make ${XH_TARGET:-demo}"
    unshare --mount --pid --fork true 2>/dev/null ||
        die "no namespaces can be made here: a container has to be a privileged one"
}

# upstream KEY: a value pinned in the file UPSTREAM
upstream()
{
    value=$(sed -n "s/^$1=//p" "$TOP/UPSTREAM")
    [ -n "$value" ] || die "no line '$1=' in the file UPSTREAM"
    echo "$value"
}

# hash_of FILE...: one key for the contents of files
hash_of()
{
    cat "$@" >/dev/null || die "this checkout is not complete"
    sum=$(cat "$@" | sha256sum) || die "nothing can be kept without sha256sum"
    echo "$sum" | cut -c1-16
}

# base_dir NAME: named by what it is made of; raise BASE_VERSION when base.sh
# makes it differently.
BASE_VERSION=1
base_dir()
{
    hash=$(hash_of "$TOP/scripts/packages.$1") || exit
    echo "$CACHE/base-$1-$SUITE-$BASE_VERSION-$hash"
}
