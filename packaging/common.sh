# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Sourced by the scripts for packages: their folders, and what builds them.

. "$(dirname "$0")/../scripts/common.sh"

PACKAGING=$TOP/packaging
DEBS=$BUILD/deb
IN_BASE=$TOP/scripts/in-base.sh
LATER=1.0+later1        # the version that the tests upgrade to

# The layer with what debian/control says that the packages are built with. Sets
# XH_LAYER, which in-base.sh reads.
use_build_layer()
{
    requirements=$(awk '
        /^[^ ]/ { field = /^Build-Depends/ }
        field { sub("^Build-Depends[^:]*:", ""); print }
        /^$/ { exit }' "$PACKAGING/debian/control" | tr -d '\n')
    XH_LAYER=$("$PACKAGING/layer.sh" build "$requirements lintian") || exit
    export XH_LAYER
}

need_debs()
{
    [ -n "$(ls "$DEBS"/*.deb 2>/dev/null)" ] || die "there are no packages yet: run make deb"
}

# The same packages as version LATER, in build/deb/LATER
build_later()
{
    [ -z "$(ls "$DEBS/$LATER"/*.deb 2>/dev/null)" ] || return 0
    use_build_layer
    logged deb-later "$IN_BASE" packaging/build.sh "${JOBS:-$(nproc)}" "$LATER" ||
        die "the packages could not be built as version $LATER"
}

# What the packages depend on, as one list
dependencies()
{
    # shellcheck disable=SC2016 # the inner shell expands it
    "$IN_BASE" sh -c 'for deb in build/deb/*.deb; do
            dpkg-deb -f "$deb" Depends
        done' | grep . | paste -sd,
}
