# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory types of the window: MTRRs, and what Linux has chosen for each mapping."""

import re

from .units import KIB, MIB

# reg00: base=0x0f0000000 ( 3840MB), size=  256MB, count=1: uncachable
REGISTER = re.compile(r"^reg(\d+): base=0x([0-9a-f]+) .*size= *(\d+)([KM])B, count=\d+: (\S+)$",
                      re.M)
# PAT: [mem 0x00000000f0000000-0x00000000f0010000] write-back
MAPPING = re.compile(r"\[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] (\S+)$", re.M)


def overlaps(start, end, window):
    return start < window[0] + window[1] and end > window[0]


def uncachable_registers(text, window):
    """Numbers of the MTRRs that make a part of the window uncachable, from /proc/mtrr."""
    found = []
    for number, base, size, unit, kind in REGISTER.findall(text):
        start = int(base, 16)
        end = start + int(size) * (KIB if unit == "K" else MIB)
        if kind == "uncachable" and overlaps(start, end, window):
            found.append(int(number))
    return found


def mappings(text, window):
    """(offset, size, type) of each mapping in the window, from pat_memtype_list."""
    found = []
    for first, last, kind in MAPPING.findall(text):
        start, end = int(first, 16), int(last, 16)
        if overlaps(start, end, window):
            found.append((start - window[0], end - start, kind))
    return found
