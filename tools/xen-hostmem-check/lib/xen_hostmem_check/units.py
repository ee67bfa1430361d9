# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes, and how the resources of Xen and of xen-dmabuf-grant follow from them."""

import re

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGE = 4 * KIB
REGION = 2 * MIB        # of address space, described by one page of the guest's p2m

# Xen, xen/include/public/grant_table.h: struct grant_entry_v1 has 8 bytes.
GRANTS_PER_FRAME = PAGE // 8
# Xen, xen/common/grant_table.c: struct grant_mapping has 16 bytes.
MAPTRACK_PER_FRAME = PAGE // 16
DEFAULT_GRANT_FRAMES, DEFAULT_MAPTRACK_FRAMES = 64, 1024
# hw/xen/hostmem/room.c: by default, a guest gets a quarter of the table.
TABLE_SHARE = 4
# dom0/linux/peers.c: a 32nd of the table is left to the kernel, and a quarter is kept for small
# buffers. So many 32nds are for all others.
BULK_SHARE = 32 - 1 - 8
# hw/xen/hostmem/p2m.c: half of the pool is kept for rings and for the guest's own memory.
P2M_SHARE = 2

SUFFIX = {"": 1, "B": 1, "K": KIB, "M": MIB, "G": GIB, "T": GIB << 10}


def parse_size(text):
    """QEMU's notation of a size, such as 256M; None if it is none."""
    m = re.fullmatch(r"(\d+(?:\.\d+)?|0x[0-9a-fA-F]+)([bBkKmMgGtT]?)", text.strip())
    if not m:
        return None
    number = int(m[1], 16) if m[1].startswith("0x") else float(m[1])
    return int(number * SUFFIX[m[2].upper()])


def show(size):
    """A size as a person writes it, in QEMU's notation."""
    for suffix, unit in (("G", GIB), ("M", MIB), ("K", KIB)):
        if size >= unit and size % unit == 0:
            return f"{size // unit}{suffix}"
    return str(size)


def divide_up(number, by):
    return -(-number // by)


def power_of_two(number):
    """The smallest power of two that is not below the number."""
    return 1 << max(number - 1, 0).bit_length()


def bulk_size(frames):
    """Bytes of large buffers that a grant table of so many frames is enough for."""
    return frames * GRANTS_PER_FRAME * PAGE * BULK_SHARE // 32


def grant_frames(windows, quotas=()):
    """Frames of dom0's grant table for the guests with these windows (in bytes).

    One frame holds the references of 2 MiB, 23 of 32 frames are for large buffers, and a window
    may be full of these. Besides, QEMU grants a guest at most a quarter of the table, unless its
    quota says otherwise: quotas has the windows whose device has no xen-hostmem-quota."""
    frame = GRANTS_PER_FRAME * PAGE
    return max(divide_up(sum(windows) * 32, frame * BULK_SHARE),
               TABLE_SHARE * divide_up(max(quotas, default=0), frame))


def maptrack_frames(window):
    """Frames of the guest's maptrack table to map all of a window."""
    return divide_up(window, MAPTRACK_PER_FRAME * PAGE)


def default_pool(memory_mib, vcpus):
    """Pages that libxl gives a guest with nested paging for its p2m
    (libxl__get_required_paging_memory(), tools/libs/light/libxl_create.c)."""
    return 256 * vcpus + memory_mib


def pool_pages(window):
    """Pages of the p2m's pool that a window may need, with the half that QEMU keeps."""
    return P2M_SHARE * divide_up(window, REGION)


def shadow_memory(memory_mib, vcpus, window):
    """xl.cfg's shadow_memory, in MiB, for a guest with this window: the default and 4 KiB for
    each MiB of the window."""
    return divide_up((default_pool(memory_mib, vcpus) + pool_pages(window)) * PAGE, MIB)


def dom0_memory(windows):
    """What dom0 has to have at least: windows (in bytes, of all guests) may pin three quarters.
    That share is a judgement and not measured."""
    return divide_up(windows * 4, 3)
