# SPDX-License-Identifier: GPL-2.0-or-later
"""Blobs that are not cached: granted where the guest's memory type counts, otherwise
trapped (R26). A Vulkan layer makes the renderer's memory write-combined."""

import os

import dom0
from blobs import KIB, MIB, memory_type, window
from cases.bench import vkmark
from cases.graphics import emulated, nothing_trapped
from desktop import program_ends
from guest import GPU, SYSTEM
from lab import case

UNCACHED = f"""#!/bin/sh
export VK_LAYER_PATH={dom0.RUN} VK_INSTANCE_LAYERS=VK_LAYER_LAB_uncached
exec {dom0.RUN}/qemu-system-x86_64 "$@"
"""
SIZES = (64 * KIB, MIB, 16 * MIB)
SMALL = 12 * KIB            # for words that are trapped
WC = "write-combined"       # what QEMU calls it; and Linux:
COMBINING, WRITE_BACK = "write-combining", "write-back"
SCENES = ("vertex:device-local=false", "clear")
COMPARED = ("cube",)        # writes a buffer of constants for each frame; starts quickly


def uncached_guest(lab, properties=""):
    """A guest whose renderer has no cached memory but rings."""
    wrapper = f"{dom0.RUN}/qemu-uncached"
    with open(wrapper, "w", encoding="ascii") as f:
        f.write(UNCACHED)
    os.chmod(wrapper, 0o755)
    return lab.guest(driver=True, memory=1024, gpu=GPU + properties, device_model=wrapper,
                     **SYSTEM)


def copy(lab, guest, size, seed):
    """Have the device copy words between two buffers, which stay mapped."""
    answer = guest.spawn("copy", f"in-system vktool copy {size} {seed}", 120)
    lab.equal(answer.get("mismatches"), 0, f"words that the device copied: {answer}")


def buffers(guest, size):
    return [b for b in window(guest)["blobs"]
            if b["wanted"] and b["size"] == size and not b["shared-memory"]]


def states(blobs):
    return {(b["memory-type"], b["state"], b.get("reason")) for b in blobs}


def check_both_ways(lab, guest, size, seed):
    """What either side writes is what the other one reads."""
    held = [n for n in range(3 if size == MIB else 2)
            if guest.peek(f"{size} verify {seed} --index {n}")["mismatches"] == 0]
    lab.equal(len(held), 2, f"buffers of {size} bytes with the guest's words in dom0")
    for n in held:
        guest.peek(f"{size} fill {seed + 1} --index {n}")
    lab.equal(guest.ask("copy", f"verify {seed + 1}")["mismatches"], 0,
              f"dom0's words of 2 times {size} bytes in the guest")


@case("wc-granted", limit=300)
def granted(lab):
    """Write-combined buffers are granted, the guest maps them write-combined, and guest,
    device and dom0 see the same words."""
    guest = uncached_guest(lab)
    before = emulated(guest)
    now = window(guest)
    lab.equal((now["paging"], now["write-combined"]), ("hap", "none"), f"CPU {now['cpu']}")
    for seed, size in enumerate(SIZES, 201):
        copy(lab, guest, size, 10 * seed)
        found = buffers(guest, size)
        lab.equal((len(found), states(found)), (2, {(WC, "mapped", None)}), "buffers")
        lab.equal({t for b in found for t in memory_type(guest, b["offset"], size)},
                  {COMBINING}, "memory type (R26)")
        check_both_ways(lab, guest, size, 10 * seed)
        guest.ask("copy", "quit")
    nothing_trapped(lab, guest, before)
    lab.data.update(cpu=now["cpu"])


@case("wc-rings", limit=300)
def rings(lab):
    """Beside write-combined buffers, rings are cached: the guest maps both as it is told."""
    guest = uncached_guest(lab)
    guest.run("xen-hostmem-mtrr")
    copy(lab, guest, MIB, 241)
    blobs = [b for b in window(guest)["blobs"] if b["wanted"]]
    for b in blobs:
        wanted = WRITE_BACK if b["shared-memory"] else COMBINING
        found = memory_type(guest, b["offset"], b["size"])
        lab.require(found <= {wanted}, f"memory types {found}, not {wanted}, of {b}")
    lab.equal(memory_type(guest), {WRITE_BACK, COMBINING}, "memory types of the window")
    guest.ask("copy", "quit")
    text = dom0.sh(f"xl qemu-monitor-command {guest.name} 'info xen-hostmem'")
    lab.require("uncached blobs are granted (CPU " in text, f"info xen-hostmem: {text}")


@case("wc-vkmark", limit=300, slow=True)
def wc_vkmark(lab):
    """vkmark completes on write-combined memory, and nothing it maps is trapped."""
    guest = uncached_guest(lab)
    before = emulated(guest)
    scenes = " ".join(f"-b {scene}:duration=4" for scene in SCENES)
    guest.spawn_quiet("vkmark", f"in-system vkmark --winsys headless -s 160x120 {scenes}")
    dom0.wait_for("a write-combined buffer is granted", lambda: (WC, "mapped", None) in
                  states(window(guest)["blobs"]), 100, 1)
    said = program_ends(guest, "vkmark", 200)
    lab.equal(said.count("FPS:"), len(SCENES), f"scenes: {dom0.brief(said)}")
    nothing_trapped(lab, guest, before)


@case("wc-off", limit=300, slow=True)
def off(lab):
    """xen-hostmem-wc=off: write-combined buffers are trapped, with a reason and the right
    words; rings are granted."""
    guest = uncached_guest(lab, ",xen-hostmem-wc=off")
    lab.equal(window(guest)["write-combined"], "not-cached", "what query-xen-hostmem says")
    copy(lab, guest, SMALL, 251)
    found = buffers(guest, SMALL)
    lab.equal((len(found), states(found)), (2, {(WC, "trapped", "not-cached")}), "buffers")
    check_both_ways(lab, guest, SMALL, 251)
    shared = [b for b in window(guest)["blobs"] if b["wanted"] and b["shared-memory"]]
    lab.equal({b["state"] for b in shared}, {"mapped"}, f"rings: {shared}")
    guest.ask("copy", "quit")
    lab.require("xen-hostmem-wc=off (not-cached)" in guest.qemu_log(),
                "the log does not say why")


def frames(lab, guest):
    """Of one scene: trapped, each start of one takes a minute, and several on a busy machine."""
    found = vkmark(lab, guest.run, "in-system vkmark", 8, COMPARED, 900)
    return {f["scene"]: f["fps"] for f in found}


@case("wc-frames", limit=1500, slow=True)
def wc_frames(lab):
    """vkmark's frames with write-combined memory, trapped and granted, and with cached."""
    guest = uncached_guest(lab, ",xen-hostmem-wc=off")
    fps = {"trapped": frames(lab, guest)}
    writes = window(guest)["trapped-writes"]
    lab.require(writes > 0, "nothing was trapped")
    guest = uncached_guest(lab)
    before = emulated(guest)
    fps[WC] = frames(lab, guest)
    nothing_trapped(lab, guest, before)
    fps["cached"] = frames(lab, lab.guest(driver=True, memory=1024, **SYSTEM))
    lab.data.update(fps=fps, trapped_writes=writes)
    for scene, wc in fps[WC].items():
        lab.data[scene] = {"to_trapped": round(wc / fps["trapped"][scene], 2),
                           "to_cached": round(wc / fps["cached"][scene], 2)}
        lab.require(wc > 1.5 * fps["trapped"][scene], f"{scene}: {fps}")
