#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# newest.sh build|differs|seen: the lab's second system, made of what Debian offers
# today, in build/newest. Its dom0 and guests run scripts/packages.newest-dom0; QEMU
# (newest_qemu in UPSTREAM), the modules and the tools are compiled in a base of the
# same day. The machine that emulates it is the one of make build.
#
#   build     build it; scripts/lab.sh --system newest main.py CASE... then runs cases
#   differs   say which packages have other versions than when its cases last passed
#   seen      record today's, after the cases have passed
#
# There is no dated copy of the development suite, so scripts/packages.newest.seen is
# what an update that breaks something is found with.

export XH_SYSTEM=newest
. "$(dirname "$0")/common.sh"

in_base="$TOP/scripts/in-base.sh"
seen=$TOP/scripts/packages.newest.seen
now=$BUILD/packages
admin=var/lib/dpkg

in_newest()
{
    XH_BASE=newest-build "$in_base" "$@"
}

list_packages()
{
    for base in newest-build newest-dom0; do
        # shellcheck disable=SC2016 # dpkg-query expands it
        "$in_base" dpkg-query --admindir="/cache/$(basename "$(base_dir $base)")/$admin" -W \
            -f '${Package} ${Version}\n'
    done | sort -u
}

build()
{
    series=$(upstream newest_qemu)
    "$TOP/scripts/base.sh" build newest-build newest-dom0
    list_packages >"$now.tmp"
    # A package's headers are older than what was compiled with those before.
    cmp -s "$now.tmp" "$now" || rm -rf "$BUILD/qemu-$series" "$BUILD/modules" "$BUILD/tools"
    mv "$now.tmp" "$now"
    step "preparing QEMU $series for the newest system"
    logged qemu-source "$in_base" scripts/qemu-source.sh --qemu "$series" ||
        die "QEMU's source could not be prepared"
    step "building it with that system's compiler and libraries (minutes the first time)"
    logged qemu in_newest scripts/qemu.sh --qemu "$series" qemu-system-x86_64 ||
        give_up "QEMU $series could not be built on the newest system"
    logged emulator "$in_base" scripts/emulator.sh ||
        die "the QEMU that emulates the lab's machine could not be built"
    step "building the kernel modules and tools"
    logged modules in_newest scripts/modules.sh "/cache/$(basename "$(base_dir newest-dom0)")" ||
        give_up "the kernel modules could not be built for the newest kernel"
    logged tools in_newest scripts/tools.sh ||
        give_up "the lab's tools could not be built on the newest system"
}

# A line for each package whose version differs
differences()
{
    awk '
        /^#/ { next }
        FILENAME == ARGV[1] { old[$1] = $2; next }
        !($1 in old) { print "    " $1 ": new, " $2 }
        $1 in old && old[$1] != $2 { print "    " $1 ": " old[$1] " before, " $2 " now" }
        { delete old[$1] }
        END { for (name in old) print "    " name ": " old[name] " before, gone now" }' \
        "$seen" "$now" | sort
}

differs()
{
    [ -e "$now" ] || die "there is no build/newest/packages: run scripts/newest.sh build"
    if [ ! -e "$seen" ]; then
        echo "the newest system's cases have not passed yet: there is no" \
            "scripts/packages.newest.seen to compare its packages with"
        return
    fi
    changed=$(differences)
    if [ -z "$changed" ]; then
        echo "the newest system's packages are those of scripts/packages.newest.seen:" \
            "no update of a package explains this"
    else
        echo "packages that differ from those the cases last passed with:"
        echo "$changed"
    fi
}

# An update breaks the build as it breaks a case.
give_up()
{
    differs >&2
    die "$@"
}

record()
{
    {
        echo "# The packages of the lab's newest system (scripts/newest.sh) when its cases last"
        echo "# passed: name, version. Written by scripts/newest.sh seen."
        cat "$now"
    } >"$seen.tmp"
    mv "$seen.tmp" "$seen"
}

case ${1:-} in
build)
    need_root
    build
    ;;
differs) differs ;;
seen) record ;;
*) die "usage: newest.sh build|differs|seen" ;;
esac
