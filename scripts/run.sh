#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.sh TARGET: the steps of make's targets.

. "$(dirname "$0")/common.sh"

in_base="$TOP/scripts/in-base.sh"
fast_suites="unit cost fuzz qtest lint tools versions modules"

tell_version()
{
    version=$(cat "$BUILD/qemu-src/.version")
    [ -n "${QEMU_SRC:-}" ] || [ "$version" = "$(upstream qemu_version)" ] ||
        echo "    the mirror no longer has the version that UPSTREAM pins: using qemu $version"
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
    step "building the QEMU that emulates the lab's machine (minutes the first time)"
    logged emulator "$in_base" scripts/emulator.sh ||
        die "the QEMU that emulates the lab's machine could not be built"
    step "building the kernel modules and tools"
    logged modules "$in_base" scripts/modules.sh "/cache/$(basename "$(base_dir dom0)")" ||
        die "the kernel modules could not be built"
    logged tools "$in_base" scripts/tools.sh || die "the lab's tools could not be built"
}

# The targets of QEMU's ninja that the suite qtest runs
test_programs()
{
    "$in_base" python3 scripts/check.py --targets
}

build_for_tests()
{
    "$TOP/scripts/base.sh" build
    # shellcheck disable=SC2046 # a list of targets
    build $(test_programs)
}

# try COMMAND...: carry on after a failure; the report at the end counts it
try()
{
    "$@" || echo "    (continuing)"
}

check_fast()
{
    rm -rf "$BUILD/results"
    build_for_tests
    step "unit tests, fuzzing, qtests, style, error messages of the build, other versions"
    mkdir -p "$BUILD/results"
    # It waits more than it computes, so the others run meanwhile.
    "$TOP/scripts/check-setup.sh" >"$BUILD/results/setup.tap" 2>&1 &
    setup=$!
    # shellcheck disable=SC2086 # a list
    try "$in_base" python3 scripts/check.py $fast_suites
    wait "$setup" || true
    try "$in_base" python3 scripts/check.py setup
    step "the documents as pages"
    try "$TOP/scripts/docs.sh"
}

check()
{
    check_fast
    try "$TOP/scripts/lab.sh" main.py "$@"
}

# The same tests on another QEMU that UPSTREAM pins. Without results, the report
# counts a suite as failed.
check_other()
{
    series=$1
    step "building QEMU $series, too (minutes the first time)"
    # shellcheck disable=SC2016,SC2046 # the inner shell expands them; a list of targets
    if ! logged "qemu-$series" "$in_base" sh -c 'scripts/qemu-source.sh --qemu "$0" &&
        scripts/qemu.sh --qemu "$0" qemu-system-x86_64 "$@"' "$series" $(test_programs); then
        echo "    QEMU $series could not be built (continuing)"
        return
    fi
    step "qtests of QEMU $series"
    try "$in_base" python3 scripts/check.py "qtest-$series"
    try "$TOP/scripts/lab.sh" main.py --qemu "$series"
}

# All cases that make sense there on what Debian offers today. Its results are in a folder of
# its own; without any, the report counts them as failed.
check_newest()
{
    rm -f "$BUILD/newest/results/lab-newest.json"
    if ! "$TOP/scripts/newest.sh" build; then
        echo "    the lab's newest system could not be built (continuing)"
        return
    fi
    try "$TOP/scripts/lab.sh" --system newest main.py all
    cp "$BUILD/newest/results/lab-newest.json" "$BUILD/results/" || true
}

# The packages, installed, upgraded and removed in a plain system
check_deb()
{
    mkdir -p "$BUILD/results"
    rm -f "$BUILD"/results/deb.*
    "$TOP/packaging/deb.sh" || return
    "$TOP/scripts/base.sh" target
    step "installing, upgrading and removing the packages"
    "$TOP/packaging/test.sh" >"$BUILD/results/deb.tap" || true
    "$in_base" python3 scripts/check.py deb
}

check_all()
{
    check all
    try check_deb
    others=$(other_qemus)
    for other in $others; do
        check_other "$other"
    done
    check_newest
}

# Debian's unmodified QEMU is measured, too.
bench()
{
    build
    step "building Debian's unmodified QEMU, for comparison (minutes the first time)"
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
    "$in_base" python3 scripts/report.py $fast_suites setup docs "$@"
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
    check_all
    # shellcheck disable=SC2046 # a list
    report lab deb $(other_qemus | sed 's/.*/qtest-& lab-&/') lab-newest
    ;;
check-long)
    rm -rf "$BUILD/results"
    build
    try "$TOP/scripts/lab.sh" main.py long
    "$in_base" python3 scripts/report.py lab
    ;;
docs)
    "$TOP/scripts/base.sh" build
    "$TOP/scripts/docs.sh" || die "the documents are not right"
    echo "==> the pages are in build/docs/, begin with index.html"
    ;;
deb) exec "$TOP/packaging/deb.sh" ;;
check-deb) check_deb ;;
fuzz)
    case ${RUNS:-1} in
    *[!0-9]*) die "RUNS is a number, not '$RUNS'" ;;
    esac
    "$TOP/scripts/base.sh" build
    exec "$in_base" python3 scripts/fuzz.py "${RUNS:-5000000}"
    ;;
bench) bench ;;
*) die "usage: run.sh build|demo|check-fast|check|check-all|check-long|docs|deb|check-deb|fuzz|bench" ;;
esac
