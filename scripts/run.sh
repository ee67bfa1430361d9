#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.sh TARGET: what make's targets do, step by step.

. "$(dirname "$0")/common.sh"

in_base="$TOP/scripts/in-base.sh"
fast_suites="unit cost fuzz qtest lint setup"

tell_version()
{
    version=$(cat "$BUILD/qemu-src/.version")
    [ -n "${QEMU_SRC:-}" ] || [ "$version" = "$(upstream qemu_version)" ] ||
        echo "    the mirror no longer has what UPSTREAM pins: qemu $version is used"
}

build()
{
    "$TOP/scripts/base.sh" build dom0
    step "preparing QEMU's source"
    logged qemu-source "$in_base" scripts/qemu-source.sh ||
        die "QEMU's source could not be prepared"
    tell_version
    step "building QEMU (minutes the first time)"
    logged qemu "$in_base" scripts/qemu.sh qemu-system-x86_64 "$@" ||
        die "QEMU could not be built"
    step "building the lab's machine, a QEMU, too (minutes the first time)"
    logged emulator "$in_base" scripts/emulator.sh || die "the lab's machine could not be built"
    step "building the kernel modules and tools"
    logged modules "$in_base" scripts/modules.sh "/cache/$(basename "$(base_dir dom0)")" ||
        die "the kernel modules could not be built"
    logged tools "$in_base" scripts/tools.sh || die "the lab's tools could not be built"
}

build_for_tests()
{
    "$TOP/scripts/base.sh" build
    # shellcheck disable=SC2046 # a list of targets
    build $("$in_base" python3 scripts/check.py --targets)
}

# try COMMAND...: go on after a failure, which the last line will tell of
try()
{
    "$@" || echo "    (goes on)"
}

check_fast()
{
    rm -rf "$BUILD/results"
    build_for_tests
    step "unit tests, fuzzing, qtests, style, the build's error messages"
    mkdir -p "$BUILD/results"
    "$TOP/scripts/check-setup.sh" >"$BUILD/results/setup.tap" 2>&1 || true
    # shellcheck disable=SC2086 # a list
    try "$in_base" python3 scripts/check.py $fast_suites
}

check()
{
    check_fast
    try "$TOP/scripts/lab.sh" main.py "$@"
}

# What Debian's QEMU does without us is measured too.
bench()
{
    build
    step "building Debian's QEMU as it is, to compare with (minutes the first time)"
    logged qemu-plain "$in_base" sh -c 'scripts/qemu-source.sh --plain &&
        scripts/qemu.sh --plain qemu-system-x86_64' || die "Debian's QEMU could not be built"
    step "counting instructions"
    logged instructions "$in_base" python3 tests/bench/instructions.py ||
        die "the instructions could not be counted"
    "$TOP/scripts/lab.sh" bench.py
    "$in_base" python3 tests/bench/report.py
}

report()
{
    # shellcheck disable=SC2086 # a list
    "$in_base" python3 scripts/report.py $fast_suites "$@"
}

need_root
[ -z "${QEMU_SRC:-}" ] || [ -e "$QEMU_SRC" ] ||
    die "there is no $QEMU_SRC: QEMU_SRC is a folder or tarball of QEMU's source"
case ${1:-} in
build) build ;;
demo)
    build
    exec "$TOP/scripts/lab.sh" demo.py
    ;;
check-fast)
    check_fast
    report
    ;;
check)
    check
    report lab
    ;;
check-all)
    check all
    report lab
    ;;
fuzz)
    case ${RUNS:-1} in
    *[!0-9]*) die "RUNS is a number, not '$RUNS'" ;;
    esac
    "$TOP/scripts/base.sh" build
    exec "$in_base" python3 scripts/fuzz.py "${RUNS:-5000000}"
    ;;
bench) bench ;;
*) die "usage: run.sh build|demo|check-fast|check|check-all|fuzz|bench" ;;
esac
