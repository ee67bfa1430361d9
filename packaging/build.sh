#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# build.sh JOBS [VERSION]: build the packages in build/deb/, and check them with
# lintian, whose errors are this script's. With VERSION: the same packages again, as a
# later version, in build/deb/VERSION, for the test of an upgrade; the device model is not
# compiled again. Runs in the build base with the layer of layer.sh, after
# qemu-source.sh.

. "$(dirname "$0")/../scripts/common.sh"
. "$TOP/scripts/overlay.sh"

jobs=$1 later=${2:-}
out=$BUILD/deb
tree=$out/source
source=$BUILD/qemu-src
[ -d "$source" ] || die "there is no build/qemu-src: run scripts/qemu-source.sh first"

# The source of the packages. Nothing in it is from this checkout's own build.
make_tree()
{
    overlay "$source"
    mkdir -p "$tree/qemu"
    rsync -a --delete --exclude=/b "$source/" "$tree/qemu/"
    for folder in packaging/debian packaging/man dom0 guest docs tools; do
        rsync -a --delete --exclude='*.o' --exclude='*.ko' --exclude='*.mod*' \
            --exclude='.*.cmd' --exclude=__pycache__ "$TOP/$folder" "$tree/"
    done
    # The programs that measure for xen-hostmem-report are also tests.
    (cd "$TOP" && rsync -aR --delete tests/lab/common tests/lab/guest/blobtool \
        tests/lab/guest/die.[ch] "$tree/")
}

# add_version VERSION: a later entry in the changelog
add_version()
{
    changelog=$tree/debian/changelog
    {
        echo "xen-hostmem ($1) trixie; urgency=medium"
        printf '\n  * A later version, to test an upgrade.\n\n'
        sed -n '/^ -- /{p;q}' "$changelog"
        echo
        cat "$TOP/packaging/debian/changelog"
    } >"$changelog.new"
    mv "$changelog.new" "$changelog"
}

# The same path in every checkout, so that ccache and debuggers see the same names.
# CCACHE_NOHASHDIR: see qemu-debian.sh. noautodbgsym: no packages with debug symbols, which
# nothing here uses.
build_tree()
{
    mkdir -p /tmp/build/xen-hostmem
    mount --bind "$tree" /tmp/build/xen-hostmem
    (cd /tmp/build/xen-hostmem && CCACHE_NOHASHDIR=1 \
        DEB_BUILD_OPTIONS="parallel=$jobs noautodbgsym" dpkg-buildpackage -b -us -uc "$@")
    umount /tmp/build/xen-hostmem
}

check()
{
    lintian --allow-root --fail-on error --tag-display-limit 0 --display-info \
        /tmp/build/*.changes
}

if [ -n "$later" ]; then
    [ -e "$tree/debian/debhelper-build-stamp" ] || die "build the packages first"
    add_version "$later"
    # -nc leaves the first version's list of what was built, too.
    rm -f "$tree/debian/files"
    build_tree -nc
    out=$out/$later
else
    make_tree
    build_tree
    check
fi
mkdir -p "$out"
rm -f "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo
mv /tmp/build/*.deb /tmp/build/*.changes /tmp/build/*.buildinfo "$out/"
