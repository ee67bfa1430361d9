#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# initrd.sh TREE BASE OUT MODULE...: pack an initrd from the folder TREE, busybox
# and these modules of the only kernel in BASE, with what they depend on. Files
# that are in TREE under /lib/modules already are listed for modprobe too.
# Runs in the build base.

set -eu
tree=$1 base=$2 out=$3
shift 3
kver=$(ls "$base/lib/modules")
modules=$tree/lib/modules/$kver

mkdir -p "$tree/bin" "$tree/root" "$tree/proc" "$tree/sys" "$tree/dev" "$modules"
cp /bin/busybox "$tree/bin/"
ln -s bin "$tree/sbin"          # the kernel itself calls /sbin/modprobe
for module; do
    modprobe -d "$base" -S "$kver" --show-depends "$module"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
    case $file in
    *.xz) xz -dc "$file" >"$modules/$(basename "$file" .xz)" ;;
    *) cp "$file" "$modules/" ;;
    esac
done
for list in modules.order modules.builtin modules.builtin.modinfo; do
    cp "$base/lib/modules/$kver/$list" "$modules/"
done
depmod -b "$tree" "$kver"

(cd "$tree" && find . | cpio --quiet -o -H newc) | gzip -1 >"$out.tmp"
mv "$out.tmp" "$out"
