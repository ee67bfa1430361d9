# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Sourced by what builds QEMU: our files, and how they get into QEMU's tree.

# What goes into QEMU's tree. tests/unit has its own meson.build and shims for the
# build without QEMU.
our_files()
{
    find hw include qapi tests/qtest util -type f
    find tests/unit -maxdepth 1 -name '*hostmem*.[ch]' -o -name test-xen-mapcache.c \
        -o -name 'test-gpu-*.c'
}

# overlay SOURCE: copies only what differs, keeping nothing that is gone here, so that
# ninja builds no more than it has to and no stale header hides a mistake.
overlay()
{
    source=$1
    (cd "$TOP" && our_files | sort) >"$source/.overlay.new"
    [ ! -e "$source/.overlay" ] || comm -23 "$source/.overlay" "$source/.overlay.new" |
        while read -r file; do
            rm -f "$source/$file"
        done
    mv "$source/.overlay.new" "$source/.overlay"
    while read -r file; do
        cmp -s "$TOP/$file" "$source/$file" && continue
        mkdir -p "$(dirname "$source/$file")"
        cp "$TOP/$file" "$source/$file"
    done <"$source/.overlay"
}
