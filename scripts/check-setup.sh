#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-setup.sh: test what the build says when it cannot go on. Speaks TAP. Runs
# outside the base systems, which must exist. Each case has its own copy of the
# scripts and its own cache; the mounts are in a namespace that ends with this
# script.

. "$(dirname "$0")/common.sh"

if [ "${XH_OWN_MOUNTS:-}" != 1 ]; then
    XH_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0"
fi

real_cache=$CACHE
build_base=$(basename "$(base_dir build)")
in_base=scripts/in-base.sh
work=$(mktemp -d)
tree=$work/tree
own_cache=$work/cache/xen-hostmem
number=0
trap 'cd /; forget; rmdir "$work"' EXIT
export XDG_CACHE_HOME="$work/cache"
unset QEMU_SRC

# A checkout that any user can read, wherever the real one is, and an empty cache
fresh()
{
    number=$((number + 1))
    mkdir -p "$tree/build" "$own_cache"
    chmod 755 "$work"
    cp -r "$TOP/scripts" "$TOP/patches" "$TOP/UPSTREAM" "$TOP/Makefile" "$tree/"
    cd "$tree" || exit
}

forget()
{
    for mounted in "$own_cache" "$tree/build" \
        "$real_cache/$build_base/etc/apt/sources.list.d" \
        "$real_cache/$build_base/etc/apt/sources.list"; do
        umount "$mounted" 2>/dev/null || true
    done
    rm -rf --one-file-system "$tree" "$work/cache" "$work/lists" "$work/mirror.log" "$work/first.log"
}

# Not a mount: removing the case's files must not reach the real ones.
lend_base()
{
    ln -s "$real_cache/$build_base" "$own_cache/"
}

# lend_base_with_mirror VERSION: the base's mirror is a folder with one package, a
# qemu of VERSION that has only a file VERSION. The base is the real one; its own
# list of mirrors is only covered.
lend_base_with_mirror()
{
    lend_base
    # shellcheck disable=SC2016 # the inner shell expands it
    "$in_base" sh -ec '
        mirror=/src/build/mirror upstream=${1#*:}
        mkdir -p "$mirror/qemu/debian/source"
        cd "$mirror"
        echo "${upstream%%+*}" >qemu/VERSION
        tar -caf "qemu_${upstream%-*}.orig.tar.xz" qemu/VERSION
        echo "3.0 (quilt)" >qemu/debian/source/format
        printf "%s\n" "Source: qemu" "Maintainer: Nobody <nobody@localhost>" "" \
            "Package: qemu-system-x86" "Architecture: any" >qemu/debian/control
        printf "%s\n\n  * .\n\n -- %s  %s\n" "qemu ($1) unstable; urgency=low" \
            "Nobody <nobody@localhost>" "Thu, 01 Jan 1970 00:00:00 +0000" \
            >qemu/debian/changelog
        dpkg-source -b qemu
        dpkg-scansources . >Sources' sh "$1" >"$work/mirror.log" 2>&1 || cat "$work/mirror.log"
    only_mirror "deb [trusted=yes] copy:/src/build/mirror ./"
}

# only_mirror LINE: the base's list of mirrors, in this namespace only
only_mirror()
{
    mkdir "$work/lists"
    echo "$1" >"$work/lists/test.list"
    mount --bind "$work/lists" "$real_cache/$build_base/etc/apt/sources.list.d"
    list=$real_cache/$build_base/etc/apt/sources.list
    [ ! -s "$list" ] || mount --bind /dev/null "$list"
}

# says NAME TEXT COMMAND...: the command fails, and its output contains the text
says()
{
    name=$1 text=$2
    shift 2
    if output=$("$@" 2>&1 </dev/null); then
        verdict="not ok" why="it succeeded"
    elif echo "$output" | grep -qF -- "$text"; then
        verdict="ok" why=
    else
        verdict="not ok" why="it does not say '$text'"
    fi
    echo "$verdict $number - $name"
    [ -z "$why" ] || echo "$why: $output" | sed 's/^/# /'
    cd "$TOP" || exit
    forget
}

fresh
says not-root "sudo make demo" \
    setpriv --reuid 65534 --regid 65534 --clear-groups make demo

fresh
says no-namespaces "a container has to be privileged" \
    setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin make demo

fresh
mount -t tmpfs -o ro nothing "$own_cache"
says cache-read-only "point XDG_CACHE_HOME at another folder" scripts/base.sh build

fresh
mount -t tmpfs -o size=64m small "$own_cache"
says no-disk-space "point XDG_CACHE_HOME at a larger disk" scripts/base.sh build

fresh
mount -t tmpfs -o size=64m small "$tree/build"
says no-disk-space-in-build "use a checkout on a larger disk" scripts/run.sh build

fresh
says no-network "check the network" unshare --net scripts/base.sh build

fresh
lend_base
says no-network-for-qemu "check the network" \
    unshare --net "$in_base" scripts/qemu-source.sh

fresh
lend_base
mkdir "$own_cache/sources"
pinned=$(upstream qemu_version)
pinned=${pinned#*:}
for file in "$pinned.dsc" "${pinned%-*}.orig.tar.xz" "$pinned.debian.tar.xz"; do
    touch "$own_cache/sources/qemu_$file"
done
says wrong-checksum "not what UPSTREAM pins" "$in_base" scripts/qemu-source.sh

fresh
lend_base
mkdir "$own_cache/sources"
touch "$own_cache/sources/qemu_$pinned.dsc"
says download-that-was-interrupted "check the network" \
    unshare --net "$in_base" scripts/qemu-source.sh

# If the mirror has the next version of the series, that is used, up to the first
# patch, whose files are not there.
fresh
lend_base_with_mirror 1:10.0.99+ds-0+deb13u1
says pinned-version-gone "does not apply to qemu 1:10.0.99+ds-0+deb13u1" \
    "$in_base" scripts/qemu-source.sh

# What was used instead is remembered for offline use.
fresh
lend_base_with_mirror 1:10.0.99+ds-0+deb13u1
"$in_base" scripts/qemu-source.sh >"$work/first.log" 2>&1 || true
rm -r "$tree/build/mirror"
says pinned-version-gone-offline "does not apply to qemu 1:10.0.99+ds-0+deb13u1" \
    unshare --net "$in_base" scripts/qemu-source.sh

fresh
lend_base_with_mirror 1:11.0.0+ds-1
says series-gone "the mirror has no qemu 10.0" "$in_base" scripts/qemu-source.sh

fresh
lend_base
only_mirror "deb [trusted=yes] copy:/src/build/mirror ./"
says other-version-gone "exit 3" sh -c '"$@"; echo "exit $?"; exit 1' sh \
    "$in_base" scripts/qemu-source.sh --qemu 10.2

# Others' emulators stay while they are in use; the test has none of its own.
fresh
lend_base
mkdir "$own_cache/emulators"
touch "$own_cache/emulators/in-use"
touch -d '30 days ago' "$own_cache/emulators/unused"
# shellcheck disable=SC2016 # the inner shell expands it
says emulators-in-use-stay "left: in-use ." unshare --net "$in_base" sh -c \
    'scripts/emulator.sh; echo left: $(ls /cache/emulators) .; exit 1'

fresh
mkdir -p "$tree/build/lab"
ln -s /cache/emulators/gone "$tree/build/lab/emulator"
says emulator-is-gone "no longer in the cache: run make build" scripts/lab.sh main.py

fresh
says runs-not-a-number "RUNS is a number" make fuzz RUNS=many

fresh
says qemu-src-missing "there is no /nowhere" env QEMU_SRC=/nowhere scripts/run.sh build

# own_qemu VERSION: the user's QEMU is a folder with a file VERSION and no more.
own_qemu()
{
    fresh
    lend_base
    mkdir "$tree/build/qemu"
    echo "$1" >"$tree/build/qemu/VERSION"
}

# queue NAME: a queue of one patch, whose second hunk does not fit file.c of the
# user's QEMU
queue()
{
    (cd "$tree/build/qemu" && seq 20 >file.c)
    cat >"$tree/patches/$1/test.patch" <<'PATCH'
--- a/file.c
+++ b/file.c
@@ -2,2 +2,3 @@
 2
+new
 3
@@ -11,2 +12,3 @@
 11
+newer
 13
PATCH
    echo test.patch >"$tree/patches/$1/series"
}

prepare()
{
    env QEMU_SRC="$tree/build/qemu" "$in_base" scripts/qemu-source.sh
}

known="10.0, 10.2"

own_qemu 9.2.0
says qemu-src-too-old "is version 9.2.0; the patches are known to work with $known" prepare

own_qemu 10.0.2
says patch-without-its-file "does not apply to QEMU_SRC (10.0.2) without fuzz: there is no" \
    prepare

own_qemu 10.0.2
queue qemu
says failing-hunk-is-named \
    "hunk 2 fails, at line 12 of file.c. The patches are known to work with QEMU $known" prepare

own_qemu 10.0.2
queue qemu
says failing-hunk-is-shown "+newer" prepare

own_qemu 11.0.0
: >"$tree/patches/qemu/series"
queue qemu-11
says patches-of-the-major-version \
    "patches/qemu-11/test.patch does not apply to QEMU_SRC (11.0.0) without fuzz" prepare

own_qemu 10.0.2
mkdir -p "$tree/build/qemu/hw/xen/hostmem"
says qemu-src-has-our-files "already contains our files" prepare

# What newest.sh says of an update of packages: $1 is the list that is kept, $2 today's
newest_differs()
{
    fresh
    mkdir "$tree/build/newest"
    echo "$1" >"$tree/scripts/packages.newest.seen"
    echo "$2" >"$tree/build/newest/packages"
}

# shellcheck disable=SC2016 # the inner shells expand it
differs='echo $(scripts/newest.sh differs) .; exit 1'

newest_differs "# a comment
mesa 26.2
same 1" "mesa 26.3
same 1"
says update-is-named "last passed with: mesa: 26.2 before, 26.3 now" \
    sh -c "$differs"

newest_differs "gone 1" "new 2"
says new-and-missing-packages-are-named "gone: 1 before, gone now new: new, 2 ." \
    sh -c "$differs"

newest_differs "same 1" "same 1"
says no-update-is-said "no update of a package explains this" \
    sh -c "$differs"

fresh
mkdir "$tree/build/newest"
touch "$tree/build/newest/packages"
rm -f "$tree/scripts/packages.newest.seen"
says newest-has-not-passed-yet "have not passed yet" sh -c "$differs"

# An update can break the build, too. The bases and what is run in them are replaced.
newest_differs "# a comment
mesa 26.2" ""
echo 'exit 0' >"$tree/scripts/base.sh"
cat >"$tree/$in_base" <<'SCRIPT'
#!/bin/sh
case $1 in
dpkg-query) echo mesa 26.3 ;;
scripts/qemu.sh) exit 1 ;;
esac
SCRIPT
# shellcheck disable=SC2016 # the inner shell expands it
says newest-is-not-built-after-an-update "last passed with: mesa: 26.2 before, 26.3 now" \
    sh -c 'echo $(scripts/newest.sh build 2>&1) .; exit 1'

# Packages of the development suite get other names.
fresh
mkdir "$tree/bin"
cat >"$tree/bin/mmdebstrap" <<'SCRIPT'
#!/bin/sh
echo "E: Unable to locate package xen-hypervisor-4.20-amd64"
echo "E: Couldn't find any package by regex 'xen-hypervisor-4.20-amd64'"
echo "E: Package 'seatd' has no installation candidate"
exit 25
SCRIPT
chmod 755 "$tree/bin/mmdebstrap"
says package-with-another-name \
    "Debian sid has no package xen-hypervisor-4.20-amd64 seatd: change scripts/packages.newest-dom0" \
    env PATH="$tree/bin:$PATH" scripts/base.sh newest-dom0

fresh
says no-such-system "name newest" scripts/lab.sh --system oldest main.py

fresh
says newest-is-not-built "lab/emulator: run scripts/newest.sh build" \
    scripts/lab.sh --system newest main.py

for module in guest/linux dom0/linux dom0/guest-dmabuf; do
    part=$(echo $module | tr / -)
    fresh
    says "$part-kernel-too-old" \
        "known to compile with Linux 6.1 to 7.3, and does not with 5.15" \
        make -n -f "$TOP/$module/Kbuild" VERSION=5 PATCHLEVEL=15 srctree=/nowhere
    fresh
    says "$part-kernel-not-known" \
        "known to compile with Linux 6.1 to 7.3, but not yet with 9.0" \
        sh -c '"$@"; exit 1' sh \
        make -n -f "$TOP/$module/Kbuild" VERSION=9 PATCHLEVEL=0 srctree=/nowhere
done

echo "1..$number"
