#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-debian.sh [--source]: Debian's qemu source package with our files and queue in
# debian/patches, in build/qemu-debian/; and from it, with --source omitted, the package
# qemu-system-xen with OpenGL, virglrenderer and our changes. Debian's other packages
# come from the same source, but are not built here: they take much longer.

. "$(dirname "$0")/common.sh"

SUFFIX=+xenhostmem1
OPTIONS="--enable-opengl --enable-virglrenderer"

plain=$BUILD/qemu-plain-src
out=$BUILD/qemu-debian
package=qemu-system-xen

# All of our files as one patch
files_patch()
{
    . "$TOP/scripts/overlay.sh"
    rm -rf /tmp/files
    mkdir -p /tmp/files/a /tmp/files/b
    (cd "$TOP" && our_files | sort) | while read -r file; do
        mkdir -p "/tmp/files/b/$(dirname "$file")"
        cp "$TOP/$file" "/tmp/files/b/$file"
    done
    cat <<'HEADER'
Description: xen-hostmem: new files
 The backend of virtio-gpu host memory on Xen, its QAPI schema and tests. The other
 patches of this folder hook it into QEMU.
Forwarded: no

HEADER
    # Its exit status says that there is a difference.
    (cd /tmp/files && diff -urN a b) || true
}

# add_queue QUEUE: the patches of patches/QUEUE
add_queue()
{
    [ -e "$TOP/patches/$1/series" ] || return 0
    while read -r patch; do
        cp "$TOP/patches/$1/$patch" "$patches/xen-hostmem/$1-$patch"
        echo "xen-hostmem/$1-$patch" >>"$patches/series"
    done <"$TOP/patches/$1/series"
}

add_changelog()
{
    version=$(dpkg-parsechangelog -l "$source/debian/changelog" -S Version)$SUFFIX
    {
        echo "qemu ($version) $SUITE; urgency=medium"
        printf '\n  * Host memory of virtio GPUs on Xen: debian/patches/xen-hostmem.\n\n'
        printf ' -- xen-hostmem maintainers <maintainers@xen-hostmem.invalid>  '
        date -R -r "$TOP/packaging/debian/changelog"
        echo
        cat "$source/debian/changelog"
    } >"$source/changelog.new"
    mv "$source/changelog.new" "$source/debian/changelog"
}

# What qemu-source.sh --plain left is what dpkg-source unpacked, and two files of ours.
make_source()
{
    source=$out/qemu
    patches=$source/debian/patches
    rm -rf "$out"
    mkdir -p "$out"
    cp -a "$plain" "$source"
    rm "$source/.key" "$source/.version"
    mkdir "$patches/xen-hostmem"
    files_patch >"$patches/xen-hostmem/files.patch"
    echo xen-hostmem/files.patch >>"$patches/series"
    add_queue qemu
    add_queue "qemu-$(cut -d. -f1 "$source/VERSION")"
    add_changelog
    # As dpkg-buildpackage does: applies what has not been applied yet, without fuzz.
    dpkg-source --before-build "$source"
}

# The steps of debian/rules binary-arch, for one package. The same path as that of our
# own package's QEMU, and no folder's name in ccache's key: most objects are the same.
build()
{
    mkdir -p /tmp/build/xen-hostmem/qemu
    mount --bind "$out/qemu" /tmp/build/xen-hostmem/qemu
    cd /tmp/build/xen-hostmem/qemu || exit
    export DH_OPTIONS="-p$package" DEB_BUILD_OPTIONS="parallel=$1" CCACHE_NOHASHDIR=1
    export QEMU_XEN_CONFIGURE_OPTIONS="--cc=gcc --cxx=g++ $OPTIONS"
    debian/rules build-xen
    dh_prep
    debian/rules install-xen
    for step in installdocs installchangelogs lintian strip_nondeterminism compress \
        fixperms dwz strip shlibdeps installdeb gencontrol md5sums builddeb; do
        "dh_$step"
    done
    cd /
    umount /tmp/build/xen-hostmem/qemu
    mv /tmp/build/xen-hostmem/*.deb "$out/"
}

case ${1:-} in
--inside-source) make_source ;;
--inside-build) build "$2" ;;
'' | --source)
    need_root
    "$TOP/scripts/base.sh" build
    use_build_layer
    step "preparing Debian's source package with our patches"
    logged qemu-plain-source "$IN_BASE" scripts/qemu-source.sh --plain ||
        die "Debian's source of QEMU could not be prepared"
    logged qemu-debian-source "$IN_BASE" packaging/qemu-debian.sh \
        --inside-source || die "the patches could not be added to Debian's source package"
    echo "build/qemu-debian/qemu"
    [ "${1:-}" != --source ] || exit 0
    step "building Debian's $package with our patches (minutes the first time)"
    logged qemu-debian "$IN_BASE" packaging/qemu-debian.sh \
        --inside-build "${JOBS:-$(nproc)}" || die "$package could not be built"
    for deb in "$out"/*.deb; do
        echo "build/qemu-debian/$(basename "$deb")"
    done
    ;;
*) die "usage: qemu-debian.sh [--source]" ;;
esac
