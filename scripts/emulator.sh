#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# emulator.sh: build build/lab/emulator, the QEMU that emulates the lab's machine:
# Debian's source with patches/lab. The cache keeps it under a name that depends on
# everything it is built from. Runs in the build base.

. "$(dirname "$0")/common.sh"

options="--cc=gcc --cxx=g++ --target-list=x86_64-softmmu --without-default-features
    --enable-system --enable-tcg --enable-kvm --enable-attr --enable-virtfs
    --disable-install-blobs --disable-docs --disable-werror"

build()
{
    "$TOP/scripts/qemu-source.sh" --lab
    rm -rf "$TOP/build/emulator"
    mkdir -p "$TOP/build/emulator"
    cd "$TOP/build/emulator" || exit
    # shellcheck disable=SC2086 # words without surprises
    ../qemu-lab-src/configure $options
    ninja qemu-system-x86_64
    strip -o "$1.new" qemu-system-x86_64
    mv "$1.new" "$1"
    rm -rf "$TOP/build/emulator" "$TOP/build/qemu-lab-src"
}

key=$(qemu_pins qemu)-$(hash_of "$0" "$TOP/scripts/qemu-source.sh" "$TOP"/patches/lab/*)
program=/cache/emulators/$(basename "$(base_dir build)")-$key
exec 9>/cache/emulators.lock
flock 9
mkdir -p "$(dirname "$program")"
touch -c "$program"
forget_unused "$(dirname "$program")" '*'
[ -e "$program" ] || build "$program"
exec 9>&-
mkdir -p "$TOP/build/lab"
ln -sfn "$program" "$TOP/build/lab/emulator"
