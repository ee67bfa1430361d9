#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-inside.sh LATER: the test itself, inside the system that test.sh makes. The
# packages are in /packages, and as version LATER in /packages/LATER. Speaks TAP.

# shellcheck disable=SC2317 # check calls the functions

set -u
later=$1
version=$(dpkg-deb -f "$(echo /packages/xen-hostmem-dom0-dkms_*.deb)" Version)
program=/usr/bin/qemu-system-x86_64-xen-hostmem
headers=$(basename "$(echo /lib/modules/*)")
ours="qemu-system-xen-hostmem xen-hostmem-dom0-dkms xen-guest-dmabuf-dkms
    xen-hostmem-guest-dkms xen-hostmem-tools xen-hostmem-doc"
modules="xen-dmabuf-grant xen-guest-dmabuf xen-hostmem"
number=0
failed=0

# check NAME COMMAND...: one result; the command's output if it fails
check()
{
    name=$1
    shift
    number=$((number + 1))
    if "$@" >/tmp/output 2>&1; then
        echo "ok $number - $name"
    else
        failed=1
        echo "not ok $number - $name"
        tail -n 30 /tmp/output | sed 's/^/# /'
    fi
}

# packages FOLDER: our packages there
packages()
{
    for name in $ours; do
        echo "$1/${name}"_*.deb
    done
}

# Nothing that the packages need may come from elsewhere, so this is all that is
# installed beside them. Suggested and recommended packages are not.
install_dependencies()
{
    apt-get update || return
    set --
    # shellcheck disable=SC2046 # a list of files
    for file in $(packages /packages); do
        needs=$(dpkg-deb -f "$file" Depends)
        [ -z "$needs" ] || set -- "$@" "$needs"
    done
    apt-get -o APT::Keep-Downloaded-Packages=true satisfy -y --no-install-recommends "$@"
}

# Every file, with its checksum, but those that others write when they like: logs,
# apt's and dpkg's state, DKMS's own state and keys, what depmod makes.
files()
{
    find / -xdev \( -path /proc -o -path /dev -o -path /tmp -o -path /run -o -path /packages \
        -o -path /project -o -path /cache -o -path /var/log -o -path /var/cache \
        -o -path /var/lib/apt -o -path '/var/lib/dkms/mok.*' \
        -o -path '/lib/modules/*/modules.*' -o -path '/usr/lib/modules/*/modules.*' \
        -o -path /var/lib/dpkg/lock\* -o -path '/var/lib/dpkg/status*' \
        -o -path '/var/lib/dpkg/available*' -o -path '/var/lib/dpkg/triggers' \) -prune -o \
        \( -type f -exec md5sum {} + \) -o -print | sort
}

# dpkg's own list of what is installed, without the versions of ours
installed()
{
    dpkg-query -W -f '${binary:Package} ${db:Status-Abbrev}\n'
}

same()
{
    diff /tmp/before."$1" /tmp/after."$1"
}

# modules_are VERSION KERNEL: DKMS has installed the modules, of this version only
modules_are()
{
    for module in $modules; do
        dkms status -m "$module" -k "$2"
        dkms status -m "$module" | grep -qF "$module/$1, $2, x86_64: installed" || return
        [ "$(dkms status -m "$module" -k "$2" | wc -l)" -eq 1 ] || return
        file=$(modinfo -k "$2" -n "$module") || return
        [ "$(modinfo -F vermagic "$file" | cut -d' ' -f1)" = "$2" ] || return
    done
}

# other_kernel WHICH: the headers of another kernel, 6.1 or newest, if make check has
# downloaded some: DKMS builds the modules for it as for a kernel that is installed later.
# They are outside the paths that files() looks at, but for this folder.
other_kernel()
{
    other=$(cat "/cache/kernels/$1" 2>/dev/null) || return
    other_folder=/cache/kernels/$other/usr/src/$other
    [ -d "$other_folder" ] || return
    other=${other#linux-headers-}
}

# The headers of an older release name a compiler that this one lacks.
lend_compiler()
{
    compiler=$(sed -n 's/.*(CROSS_COMPILE)\(gcc-[0-9]*\)$/\1/p' "$other_folder/.kernelvariables")
    lent=
    [ -z "$compiler" ] || command -v "$compiler" || {
        lent=/usr/bin/$compiler
        ln -s "$(echo /usr/bin/gcc-[0-9]*)" "$lent"
    }
}

builds_for_other()
{
    lend_compiler && mkdir -p "/lib/modules/$other" &&
        ln -sfn "$other_folder" "/lib/modules/$other/build" &&
        dkms autoinstall -k "$other" || return
    for module in $modules; do
        dkms status -m "$module" -k "$other" | grep -qF ": installed" || return
        dkms remove "$module/$version" -k "$other" || return
    done
    rm -rf "/lib/modules/$other" "$lent"
}

lists_device()
{
    "$program" -M none -device "$1,help" | grep -qw "$2"
}

postinst_again()
{
    "/var/lib/dpkg/info/$1.postinst" configure "$version" && modules_are "$version" "$headers"
}

no_own_files()
{
    if ls -d "$program" /usr/src/xen-hostmem-* /usr/src/xen-dmabuf-grant-* \
        /usr/src/xen-guest-dmabuf-* /usr/libexec/xen-hostmem* /usr/sbin/xen-hostmem-* \
        /var/lib/dkms/xen-* /lib/modules/*/updates/dkms/xen-* 2>/dev/null; then
        return 1
    fi
    [ -z "$(dkms status)" ]
}

is_unmodified()
{
    # shellcheck disable=SC2086 # a list
    [ -z "$(dpkg --verify $ours)" ]
}

check dependencies install_dependencies
mkdir -p /var/lib/dkms
files >/tmp/before.files
installed >/tmp/before.installed

# shellcheck disable=SC2046 # a list of files
check install dpkg -i $(packages /packages)
check installed-files is_unmodified
check version-runs sh -c "$program --version | grep -F 'xen-hostmem $version'"
check libraries sh -c "! ldd $program | grep 'not found'"
for property in xen-hostmem xen-hostmem-provider xen-hostmem-quota xen-hostmem-wc \
    xen-hostmem-hold-limit blob-quota venus-timeout; do
    check "property-$property" lists_device virtio-gpu-gl-pci "$property"
done
check device-vga lists_device virtio-vga-gl xen-hostmem
check machine sh -c "$program -M help | grep '^xenfv '"
check "dkms-$headers" modules_are "$version" "$headers"
check alias sh -c "modinfo -k $headers -F alias xen-hostmem | grep -x xen:hostmem"
check check-program sh -c "xen-hostmem-check --plan | grep gnttab_max_frames"
echo '{}' >/tmp/empty.json
check report-program sh -c "xen-hostmem-report --check /tmp/empty.json 2>&1 |
    grep 'is no valid report'"
for helper in blobtool vkmemory; do
    check "report-$helper" sh -c "! ldd /usr/libexec/xen-hostmem/$helper | grep 'not found'"
done
for module in $modules; do
    name=$module
    [ "$name" != xen-hostmem ] || continue
    check "loads-$name" grep -qx "$name" "/usr/lib/modules-load.d/$name.conf"
done
check udev-rule udevadm verify --no-summary /usr/lib/udev/rules.d/60-xen-hostmem.rules
check mtrr-helper sh -c "SYSFS=/nowhere /usr/libexec/xen-hostmem-mtrr | grep 'no virtio GPU'"
for which in 6.1 newest; do
    if other_kernel $which; then
        check "dkms-$other" builds_for_other
    else
        check "dkms-$which # SKIP make check-fast downloads the headers of that kernel" true
    fi
done
check dom0-postinst-again postinst_again xen-hostmem-dom0-dkms
check dmabuf-postinst-again postinst_again xen-guest-dmabuf-dkms
check guest-postinst-again postinst_again xen-hostmem-guest-dkms

# shellcheck disable=SC2046 # a list of files
check upgrade dpkg -i $(packages "/packages/$later")
check dkms-after-upgrade modules_are "$later" "$headers"
check old-source-is-gone test ! -e "/usr/src/xen-hostmem-$version"
# shellcheck disable=SC2046 # a list of files
check downgrade dpkg -i $(packages /packages)
check dkms-after-downgrade modules_are "$version" "$headers"

# shellcheck disable=SC2086 # a list
check remove dpkg -r $ours
check removed no_own_files
# shellcheck disable=SC2046 # a list of files
check install-again dpkg -i $(packages /packages)
check dkms-again modules_are "$version" "$headers"
# shellcheck disable=SC2086 # a list
check purge dpkg -P $ours
files >/tmp/after.files
installed >/tmp/after.installed
check nothing-is-left same files
check no-package-is-left same installed
echo "1..$number"
exit $failed
