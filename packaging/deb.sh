#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# deb.sh: build the Debian packages in build/deb/.

. "$(dirname "$0")/common.sh"

need_root
"$TOP/scripts/base.sh" build
use_build_layer
step "preparing QEMU's source"
logged qemu-source "$IN_BASE" scripts/qemu-source.sh || die "QEMU's source could not be prepared"
rm -rf "${DEBS:?}/$LATER"
step "building and checking the packages (minutes the first time)"
logged deb "$IN_BASE" packaging/build.sh "${JOBS:-$(nproc)}" ||
    die "the packages could not be built"
for package in "$DEBS"/*.deb; do
    echo "build/deb/$(basename "$package")"
done
