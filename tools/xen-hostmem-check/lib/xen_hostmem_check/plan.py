# SPDX-License-Identifier: GPL-2.0-or-later
"""How much to give: from guests, screens and programs to hostmem and the limits of Xen and Linux.
docs/system/xen-hostmem-check.rst explains the model and the source of each figure."""

import re
from dataclasses import dataclass, field

from . import units
from .units import KIB, MIB, divide_up, power_of_two

# Measured in the lab (QEMU's trace of the cases venus, vkmark and vkcube; Mesa 25.0): each Venus
# program maps 2048 + 256 + 33 + 1 pages, which are its pools of commands (8 MiB) and replies
# (1 MiB), its ring, and a page of feedback.
VENUS = (2048 + 256 + 33 + 1) * units.PAGE
# Measured: vkcube has four images of its window on Wayland, in memory that the guest maps; three
# with Mesa 26.2.
IMAGES = 4
BYTES_PER_PIXEL = 4
# Not measured: room for fragments and for more than was thought of.
SPARE = 1.5
# What the lab's cases run in.
SMALLEST = 256 * MIB
# Not measured apart from each other. A dom0 of 2 GiB was enough in the lab for two guests with
# windows of 256 MiB, and this gives the same.
DOM0_ITSELF = 1024 * MIB
QEMU = 256 * MIB
# hw/display/virtio-gpu-blob-quota.c
BLOB_QUOTA_TIMES, BLOB_QUOTA_LEAST = 2, 512 * MIB


@dataclass(frozen=True)
class Program:
    """What a program maps beside what Venus takes: images of a window, and other memory."""
    venus: bool
    window: tuple       # its size in pixels; None: the screen's
    data: int
    measured: bool


PROGRAMS = {
    # Measured without a window, at 160x120 with the scenes vertex, texture and clear: 2595 pages.
    # To them come the images of its window, of the default size.
    "vkmark": Program(True, (800, 600), 257 * units.PAGE, True),
    # Measured: 3406 pages with a window of 500 x 500; 5403 with three images of 1000 x 1000, which
    # is what newer ones open. Lines of images are multiples of 256 bytes.
    "vkcube": Program(True, (1024, 1000), 68 * units.PAGE, True),
    # Measured: weston with the pixman renderer maps nothing.
    "weston": Program(False, (0, 0), 0, True),
    "browser": Program(True, None, 128 * MIB, False),
    "game": Program(True, None, 512 * MIB, False),
}


class Invalid(Exception):
    """A wrong argument; the message is for the user."""


@dataclass
class Wish:
    """What the user wants. Each guest gets the same."""
    guests: int = 1
    screens: int = 1
    width: int = 1920
    height: int = 1080
    programs: list = field(default_factory=lambda: [("weston", 1), ("vkcube", 1)])
    memory_mib: int = 2048
    vcpus: int = 2
    software: bool = False      # dom0 renders without a GPU


def parse_resolution(text):
    m = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not m or not int(m[1]) or not int(m[2]):
        raise Invalid(f"--resolution {text}: write it as 1920x1080")
    return int(m[1]), int(m[2])


def parse_program(text):
    """(name or number of bytes, count) of NAME[:COUNT] or SIZE[:COUNT]"""
    name, _colon, count = text.partition(":")
    if count and not re.fullmatch(r"[1-9]\d{0,3}", count):
        raise Invalid(f"--program {text}: the number after the colon is how often it runs")
    if name not in PROGRAMS and not units.parse_size(name):
        raise Invalid(f"--program {text}: known are {', '.join(PROGRAMS)}, or a size such as 64M "
                      "for a Vulkan program that maps so much")
    return (name if name in PROGRAMS else units.parse_size(name)), int(count or 1)


def program(name):
    return PROGRAMS[name] if name in PROGRAMS else Program(True, None, name, False)


def mapped(wish):
    """[(what, bytes)] that one guest maps at once."""
    parts = []
    for name, count in wish.programs:
        p = program(name)
        width, height = p.window or (wish.width * wish.screens, wish.height)
        images = IMAGES * units.divide_up(width * height * BYTES_PER_PIXEL, units.PAGE)
        size = (VENUS if p.venus else 0) + images * units.PAGE + p.data
        label = name if name in PROGRAMS else f"a program that maps {units.show(name)}"
        parts.append((f"{count} x {label}" + ("" if p.measured else " (not measured)"),
                      count * size))
    return parts


@dataclass
class Plan:
    parts: list
    hostmem: int
    gnttab_max_frames: int
    max_maptrack_frames: int
    shadow_memory: int          # MiB; None if xl's default is enough
    udmabuf_limit_mib: int      # None if each kernel's default is enough
    dom0_mib: int
    blob_quota: int


def plan(wish):
    parts = mapped(wish)
    window = max(SMALLEST, power_of_two(int(SPARE * sum(size for _what, size in parts))))
    # The largest counts four times, because no quota is set.
    frames = units.grant_frames([window] * wish.guests, [window])
    pool = units.default_pool(wish.memory_mib, wish.vcpus)
    return Plan(
        parts=parts, hostmem=window,
        gnttab_max_frames=max(power_of_two(frames), units.DEFAULT_GRANT_FRAMES),
        max_maptrack_frames=max(units.maptrack_frames(window), units.DEFAULT_MAPTRACK_FRAMES),
        shadow_memory=None if pool >= units.pool_pages(window) else
        units.shadow_memory(wish.memory_mib, wish.vcpus, window),
        # At least 256 MiB, so more than the 64 MiB of Linux before 7.3.
        udmabuf_limit_mib=window // MIB if wish.software else None,
        dom0_mib=divide_up(max(DOM0_ITSELF + wish.guests * (QEMU + window),
                               units.dom0_memory(wish.guests * window)), MIB),
        blob_quota=max(BLOB_QUOTA_TIMES * window, BLOB_QUOTA_LEAST))


def text(wish, result):
    lines = [f"Guests: {wish.guests}, each with {wish.memory_mib} MiB, CPUs: {wish.vcpus}, "
             f"screens: {wish.screens} of {wish.width}x{wish.height}. Each maps:"]
    lines += [f"  {size // KIB:8} KiB  {what}" for what, size in result.parts]
    lines += [
        "", "Xen's command line",
        f"  gnttab_max_frames={result.gnttab_max_frames} dom0_mem={result.dom0_mib}M",
        "Linux' command line in dom0",
        f"  udmabuf.size_limit_mb={result.udmabuf_limit_mib}   # not from 7.3 on: no limit"
        if result.udmabuf_limit_mib else "  # udmabuf.size_limit_mb: the default is enough",
        "xl.cfg of each guest",
        f'  "-device", "virtio-gpu-gl-pci,blob=on,hostmem={units.show(result.hostmem)},venus=on"',
        f"  max_maptrack_frames = {result.max_maptrack_frames}" +
        ("   # the default" if result.max_maptrack_frames == units.DEFAULT_MAPTRACK_FRAMES else ""),
        f"  shadow_memory = {result.shadow_memory}" if result.shadow_memory else
        "  # shadow_memory: xl's default is enough", "",
        f"A hostile guest can use {units.show(result.blob_quota)} of dom0's memory in blobs, "
        "unless blob-quota says less."]
    if not all(program(name).measured for name, _count in wish.programs):
        lines.append("Programs marked \"not measured\" are estimates: look at \"granted\" in "
                     "xl qemu-monitor-command NAME 'info xen-hostmem' while they run.")
    return "\n".join(lines)
