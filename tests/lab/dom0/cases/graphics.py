# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that draw, Vulkan by Venus and OpenGL by virgl, and the blobs they map."""

import re
from collections import Counter

import dom0
from blobs import KIB, MIB, window
from desktop import program_ends, vkcube_in_weston
from guest import SYSTEM
from lab import case

WIDTH, HEIGHT = 640, 480
COPIES = (64 * KIB, MIB, 16 * MIB)
FRAMES = 40
GL_FRAMES = 20
# Trace events: QEMU maps a bucket of the guest's memory; QEMU serves a command of the guest;
# the guest kicks a queue, which on Xen is an exit of the guest.
BUCKET, COMMAND, KICK = "xen_remap_bucket", "virtio_gpu_cmd_ctx_submit", "virtio_queue_notify"
TRACES = f"xen_hostmem*,{BUCKET},{COMMAND},{KICK}"
# How many of the last commands are examined, which are of the time while vkmark draws. The
# faster a frame is, the fewer commands there are: Venus sends one only if its ring is asleep.
DRAWING = 40


def system_guest(lab):
    return lab.guest(driver=True, memory=1024, traces=TRACES, **SYSTEM)


def kicks_while_drawing(log, commands):
    """How often the busiest device, which is the GPU, was kicked for the last commands."""
    events = re.findall(rf"({COMMAND}|{KICK} vdev \w+ n 0)", log)
    last = [n for n, event in enumerate(events) if event == COMMAND][-commands:]
    kicked = Counter(event for event in events[last[0]:last[-1]] if event != COMMAND)
    return max(kicked.values(), default=0)


def emulated(guest):
    """What QEMU has emulated so far, and what was not granted."""
    now = window(guest)
    return now["trapped-reads"], now["trapped-writes"], now["strays"], now["fallbacks"]


def nothing_trapped(lab, guest, before):
    """Check that everything mapped was granted and that no access was trapped."""
    lab.equal(emulated(guest), before, "accesses that QEMU emulated, fallbacks")
    lab.require(window(guest)["grants"] > 0, "nothing was granted")


@case("venus", limit=300, everywhere=True)
def venus(lab):
    """vulkaninfo lists Venus, and a picture equals the one that lavapipe renders in dom0."""
    guest = system_guest(lab)
    before = emulated(guest)
    listed = guest.run("in-system vulkaninfo --summary 2>&1", 120)
    lab.require("DRIVER_ID_MESA_VENUS" in listed, f"vulkaninfo: {dom0.brief(listed)}")
    ours = guest.json(f"in-system vktool picture {WIDTH} {HEIGHT}", 120)
    direct = dom0.tool_json(f"{dom0.LAVAPIPE} {dom0.RUN}/vktool picture {WIDTH} {HEIGHT}")
    lab.require("Venus" in ours["device"] and "Venus" not in direct["device"],
                f"devices: {ours} {direct}")
    lab.require(ours["shades"] > 32, f"too few colours for the picture: {ours}")
    lab.equal(ours["hash"], direct["hash"], "the picture's hash")
    nothing_trapped(lab, guest, before)
    lab.data["hash"] = ours["hash"]


@case("venus-buffers", limit=300)
def venus_buffers(lab):
    """The renderer's own dma-bufs are granted, and guest, device and dom0 see the same."""
    guest = system_guest(lab)
    before = emulated(guest)
    for seed, size in enumerate(COPIES, 141):
        answer = guest.spawn("copy", f"in-system vktool copy {size} {seed}", 120)
        lab.equal(answer.get("mismatches"), 0, f"words that the device copied: {answer}")
        blobs = [b for b in window(guest)["blobs"] if b["wanted"]]
        lab.equal({b["state"] for b in blobs}, {"mapped"}, f"states: {blobs}")
        # Venus' command stream may have the same size, but it is shared memory.
        buffers = [b for b in blobs if b["size"] == size and not b["shared-memory"]]
        lab.equal(len(buffers), 2, f"buffers of {size} bytes: {blobs}")
        lab.require(any(b["shared-memory"] for b in blobs), f"no ring: {blobs}")
        right = [guest.peek(f"{size} verify {seed} --index {n}")["mismatches"] == 0
                 for n in range(2 if size != MIB else 3)]
        lab.equal(right.count(True), 2, f"buffers of {size} bytes with the right words in dom0")
        guest.ask("copy", "quit")
    many = guest.json("in-system vktool buffers 64 65536", 120)
    lab.equal((many["count"], many["mismatches"]), (64, 0), "64 buffers at once")
    nothing_trapped(lab, guest, before)


@case("vkmark", limit=300, everywhere=True)
def vkmark(lab):
    """vkmark completes and nothing it maps is trapped. QEMU's mappings of the guest's memory
    are kept between commands, and a command that arrives while QEMU is busy costs no exit."""
    guest = system_guest(lab)
    before = emulated(guest)
    log = guest.qemu_log()
    scenes = "-b vertex:duration=5 -b texture:duration=5 -b clear:duration=4"
    output = guest.run(f"in-system vkmark --winsys headless -s 160x120 {scenes} 2>&1", 250)
    lab.require("vkmark Score" in output, dom0.brief(output))
    lab.equal(output.count("FPS:"), 3, f"scenes: {dom0.brief(output)}")
    nothing_trapped(lab, guest, before)
    buckets, commands = (guest.qemu_log().count(e) - log.count(e) for e in (BUCKET, COMMAND))
    lab.require(commands >= 2 * DRAWING,
                f"only {commands} commands: does the trace event exist?")
    kicks = kicks_while_drawing(guest.qemu_log(), DRAWING)
    lab.data.update(buckets=buckets, commands=commands, kicks=kicks)
    lab.require(log.count(BUCKET) > 0, "the boot mapped nothing: does the trace event exist?")
    lab.require(buckets < commands, f"{buckets} buckets mapped for {commands} commands")
    lab.require(0 < kicks < 0.9 * DRAWING, f"{kicks} kicks for {DRAWING} commands")


@case("kmscube", limit=300)
def kmscube(lab):
    """OpenGL by virgl: kmscube completes, and the cube is on the screen."""
    guest = system_guest(lab)
    guest.spawn_quiet("cube", f"in-system kmscube -c {GL_FRAMES}")
    picture = dom0.wait_for("a cube on the screen", lambda: colours(guest), 100, 1)
    with open(f"{dom0.OUT}/kmscube.ppm", "wb") as f:
        f.write(picture.ppm())
    output = program_ends(guest, "cube", 150)
    lab.require("virgl" in output, f"kmscube: {dom0.brief(output)}")


def colours(guest):
    """The screen, once it has many colours, like the shaded faces of kmscube; or None."""
    picture = guest.picture()
    rgb = picture.rgb()
    some = set(zip(rgb[::93], rgb[1::93], rgb[2::93]))
    return picture if len(some) > 200 else None


@case("gl-buffer", limit=240, everywhere=True)
def gl_buffer(lab):
    """A persistently mapped GL buffer is trapped, since software GL cannot export it."""
    guest = system_guest(lab)
    answer = guest.spawn("gl", f"in-system gltool {8 * KIB} 151", 200)
    lab.equal(answer.get("mismatches"), 0, f"words that the device copied: {answer}")
    lab.require("virgl" in answer["renderer"], f"renderer: {answer}")
    blobs = [b for b in window(guest)["blobs"] if b["wanted"]]
    lab.equal({(b["state"], b.get("reason")) for b in blobs}, {("trapped", "not-exportable")},
              f"blobs: {blobs}")
    guest.ask("gl", "quit")


@case("vkcube", limit=400)
def vkcube(lab):
    """vkcube completes in weston, and the cube is on the screen."""
    guest = system_guest(lab)
    before = emulated(guest)
    picture = vkcube_in_weston(guest, FRAMES)
    lab.equal((picture.width, picture.height), (1280, 800), "the screen's size")
    nothing_trapped(lab, guest, before)
    lab.drop_guest()
