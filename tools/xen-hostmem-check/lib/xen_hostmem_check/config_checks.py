# SPDX-License-Identifier: GPL-2.0-or-later
"""What is judged about the configuration of each guest that has a GPU of ours. Facts: dom0.Dom0."""

import re

from .finding import Checks, note, problem
from .units import (DEFAULT_MAPTRACK_FRAMES, PAGE, maptrack_frames, pool_pages, power_of_two,
                    shadow_memory, show)

CHECKS = Checks()
VGA_VIDEORAM_MIB = 16


def each(name):
    """Register a check of one guest's configuration; it gets all facts as well."""
    def register(function):
        def all_guests(facts):
            for guest in facts.guests:
                if guest.gpu is not None:
                    yield from function(guest, facts)
        all_guests.__doc__ = function.__doc__
        CHECKS.check(name)(all_guests)
        return function
    return register


def in_config(guest, line):
    return f"{line}  in {guest.place}"


@each("guest-type")
def guest_type(guest, _facts):
    """xl starts a device model with a GPU for HVM guests only."""
    if guest.type != "hvm":
        yield problem(f"{guest.name} is a {guest.type.upper()} guest, which has no virtio GPU",
                      in_config(guest, 'type = "hvm"'))


@each("device-model")
def device_model(guest, facts):
    """The QEMU that is used can be executed."""
    if not guest.device_model:
        yield problem(f"{guest.name} uses xl's own QEMU, which has no host memory on Xen",
                      in_config(guest, f'device_model_override = "{facts.qemu}"'))
    elif not facts.files.get(guest.device_model):
        yield problem(f"{guest.name}: {guest.device_model} cannot be executed",
                      in_config(guest, f'device_model_override = "{facts.qemu}", or where it is'))


@each("blob")
def blob(guest, _facts):
    """hostmem needs blob=on."""
    if guest.gpu.window and not guest.gpu.on("blob"):
        yield problem(f"{guest.name}'s GPU has no blobs, without which QEMU refuses hostmem",
                      in_config(guest, f'"-device", "{guest.gpu.model},blob=on,hostmem='
                                       f'{show(guest.gpu.window)},venus=on"'))


@each("hostmem")
def hostmem(guest, _facts):
    """The window is a PCI BAR."""
    text, size = guest.gpu.properties.get("hostmem"), guest.gpu.window
    if not size:
        what = f"hostmem={text} is no size" if text else "no hostmem="
        yield problem(f"{guest.name}'s GPU has {what}, so it has no window",
                      in_config(guest, f'"-device", "{guest.gpu.model},blob=on,hostmem=256M,'
                                       'venus=on"'))
    elif size & (size - 1) or size < PAGE:
        up = max(power_of_two(size), PAGE)
        yield problem(f"{guest.name}: hostmem={text} is not a power of two, which QEMU refuses",
                      in_config(guest, f"hostmem={show(up)} or hostmem={show(max(up // 2, PAGE))}"))


@each("venus")
def venus(guest, _facts):
    """Vulkan is an option of the device."""
    if not guest.gpu.on("venus"):
        yield note(f"{guest.name} has no Vulkan", in_config(guest, "venus=on on its GPU device"))


@each("policy")
def policy(guest, _facts):
    """Somebody may have turned granting off."""
    chosen = guest.gpu.properties.get("xen-hostmem")
    if chosen in ("off", "trapped"):
        yield note(f"{guest.name} has xen-hostmem={chosen}, so nothing is granted to it",
                   in_config(guest, "remove xen-hostmem= from its GPU device"))


def has_gl(guest):
    text = guest.values("-display") + guest.values("-spice")
    return any(d.startswith("egl-headless") or re.search(r"\bgl=(on|es|core)\b", d) for d in text)


@each("display")
def display(guest, _facts):
    """The GPU needs a display with OpenGL."""
    if not has_gl(guest):
        yield problem(f"{guest.name}'s QEMU has no display with OpenGL, without which its GPU is "
                      "refused", in_config(guest, '"-display", "egl-headless"  in '
                                                  "device_model_args_hvm"))


@each("guest-render-node")
def guest_render_node(guest, facts):
    """A render node that is named is there."""
    there = {n.path for n in facts.render_nodes}
    for node in guest.rendernodes:
        if there and node not in there:
            yield problem(f"{guest.name} renders on {node}, which does not exist",
                          in_config(guest, f"rendernode={min(there)}"))


@each("vga")
def vga(guest, _facts):
    """xl's own VGA would be a second GPU."""
    if guest.vga != "none":
        kind = guest.vga or "xl's default"
        yield problem(f"{guest.name} has a second GPU: vga is {kind}",
                      in_config(guest, 'vga = "none"'))


@each("videoram")
def videoram(guest, _facts):
    """virtio-vga's own memory is reserved by xl."""
    if guest.gpu.model == "virtio-vga-gl" and (guest.videoram_mib or 0) < VGA_VIDEORAM_MIB:
        yield problem(f"{guest.name}'s virtio-vga-gl has video memory that xl does not reserve",
                      in_config(guest, f"videoram = {VGA_VIDEORAM_MIB}"))


@each("hap")
def hap(guest, _facts):
    """With shadow paging every grant is cached."""
    if not guest.hap:
        yield problem(f"{guest.name} has shadow paging, so write-combined memory is trapped",
                      in_config(guest, "remove hap = 0"))


@each("dm-restrict")
def dm_restrict(guest, _facts):
    """A restricted QEMU cannot open what grants."""
    if guest.dm_restrict:
        yield problem(f"{guest.name} has dm_restrict = 1, so all blobs are trapped",
                      in_config(guest, 'device_model_user = "nobody" in place of dm_restrict = 1'))


def default_maptrack(facts):
    """Frames that a guest gets whose xl.cfg does not say (xl.cfg(5), xl.conf(5))."""
    text = facts.command_line.get("gnttab_max_maptrack_frames", "")
    return facts.default_maptrack or (int(text) if text.isdigit() else DEFAULT_MAPTRACK_FRAMES)


@each("maptrack")
def maptrack(guest, facts):
    """The guest can map all of its window."""
    frames = guest.maptrack_frames
    if frames is None:
        frames = default_maptrack(facts)
    needed = maptrack_frames(guest.wanted)
    if guest.grants and frames < needed:
        yield problem(f"{guest.name} can map {frames} MiB of grants; its window has "
                      f"{show(guest.wanted)}", in_config(guest, f"max_maptrack_frames = {needed}"))


@each("shadow-memory")
def shadow(guest, _facts):
    """Xen has memory for the tables that describe the window."""
    if guest.grants and guest.pool_pages < pool_pages(guest.gpu.window):
        wanted = shadow_memory(guest.memory_mib, guest.vcpus, guest.gpu.window)
        yield problem(f"Xen has {guest.pool_pages * PAGE >> 20} MiB for the tables of "
                      f"{guest.name}'s address space, too little for a window of "
                      f"{show(guest.gpu.window)}", in_config(guest, f"shadow_memory = {wanted}"))
