# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk that firmware boots: the lab's bootsector, Linux and an initrd."""

import struct

SECTOR = 512
TABLE = 510 - 4 * 12        # of the boot sector: four times sector, count, address
# Where the bootsector puts them. 768 MiB of memory are enough for all.
REAL_MODE, COMMAND_LINE, PROTECTED_MODE, INITRD = 0x90000, 0x20000, 0x100000, 0x10000000


def sectors(data):
    return -(-len(data) // SECTOR)


def split_kernel(image):
    """The real-mode and the protected-mode part of a bzImage (Linux' boot.rst)."""
    end = ((image[0x1f1] or 4) + 1) * SECTOR
    return bytearray(image[:end]), image[end:]


def describe(setup, initrd):
    """Fill in Linux' header, as a boot loader does."""
    setup[0x210] = 0xff                             # a loader without a number
    setup[0x211] |= 0x80                            # heap_end_ptr is valid
    struct.pack_into("<H", setup, 0x224, 0xde00)
    struct.pack_into("<I", setup, 0x228, COMMAND_LINE)
    struct.pack_into("<II", setup, 0x218, INITRD, len(initrd))


def make(path, loader, kernel, initrd, command_line):
    """Write the disk; the arguments are contents, but for the path."""
    setup, system = split_kernel(kernel)
    describe(setup, initrd)
    pieces = [(setup, REAL_MODE), (command_line.encode() + b"\0", COMMAND_LINE),
              (system, PROTECTED_MODE), (initrd, INITRD)]
    loader, position = bytearray(loader), 1
    with open(path, "wb") as disk:
        for n, (data, address) in enumerate(pieces):
            struct.pack_into("<III", loader, TABLE + 12 * n, position, sectors(data), address)
            disk.seek(position * SECTOR)
            disk.write(data)
            position += sectors(data)
        disk.truncate(position * SECTOR)
        disk.seek(0)
        disk.write(loader)
