#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# image.sh BASE OUT: dom0's disk and boot files from the unpacked base. Runs in
# the build base, in a mount namespace that ends with it. OUT is a folder.

set -eu
base=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)

customise()
{
    root=$1
    install -m 755 "$here/lab-init" "$here/lab-mount" "$here/lab-gntdev" "$root/"
    mkdir -p "$root/lab" "$root/tools"
    echo 'install xen-gntdev /lab-gntdev' >"$root/etc/modprobe.d/lab.conf"
    echo 'XENCONSOLED_ARGS="--log=guest"' >>"$root/etc/default/xen"
    echo lab >"$root/etc/hostname"
    : >"$root/etc/fstab"
}

kver=$(ls "$base/lib/modules")
mkdir -p "$out"
gzip -dc "$base"/boot/xen-4.20-amd64.gz >"$out/xen"
cp "$base/boot/vmlinuz-$kver" "$out/vmlinuz"
echo "$kver" >"$out/kver"

# The base itself stays as it is: changes go to a layer above it.
mount -t tmpfs layer /tmp
mkdir -p /tmp/upper /tmp/work /tmp/root /tmp/initrd
mount -t overlay -o "lowerdir=$base,upperdir=/tmp/upper,workdir=/tmp/work" dom0 /tmp/root
customise /tmp/root
mke2fs -q -t ext4 -L dom0 -E lazy_itable_init=1 -d /tmp/root "$out/dom0.img" 3G

# Debian's own initrd has every driver there is; unpacking it takes longer
# than booting the rest.
cp "$here/initrd-init" /tmp/initrd/init
"$here/../initrd.sh" /tmp/initrd "$base" "$out/initrd" \
    virtio_pci virtio_blk ext4 9pnet_virtio 9p
