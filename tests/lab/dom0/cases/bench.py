# SPDX-License-Identifier: GPL-2.0-or-later
"""The measurements of `make bench`; the same ones on Xen and KVM wherever possible."""

import base64
import os
import re
import time

import dom0
import steps
from blobs import KIB, MIB, Blob, pause, window
from desktop import start_weston, vkcube_seconds
from guest import SYSTEM
from lab import case, load_driver

BOTH = ("bench", "bench-kvm")
EACH = (*BOTH, "bench-pvh")
XEN = ("bench",)
# Frame rates depend most on the state of the machine: each round has its own boot, in turn.
FRAMES = ("bench-frames", "bench-frames-kvm")
ALL = "write,read,copy,random"
# Size and pairs; the last is the largest blob that fits the window beside others. Each
# round allocates its own memory, because its placement affects caching.
SPEED = ((4 * KIB, 21), (16 * KIB, 21), (64 * KIB, 21), (256 * KIB, 21), (MIB, 21),
         (4 * MIB, 21), (16 * MIB, 21), (64 * MIB, 13), (255 * MIB, 7))
ROUNDS = 5
SMALL_PAGES = (MIB, 4 * MIB, 16 * MIB, 64 * MIB)
SLOW_BYTES = 64 * KIB       # size of a blob whose accesses are emulated,
SLOW_WORDS = 64             # and how much of it is measured
# Size and cycles. The window has to hold three blobs of each size, because a blob leaves it
# after the next one has been requested.
LATENCY = ((4 * KIB, 100), (16 * KIB, 100), (64 * KIB, 100), (256 * KIB, 50), (MIB, 50),
           (4 * MIB, 30), (16 * MIB, 15), (64 * MIB, 7))
HELD = (1, 10, 100, 1000)
CUBE_FRAMES = (10, 60)
# The scenes that vkmark runs by default.
SCENES = ("vertex:device-local=true", "vertex:device-local=false", "texture:anisotropy=0",
          "texture:anisotropy=16", "shading:shading=gouraud", "shading:shading=blinn-phong-inf",
          "shading:shading=phong", "shading:shading=cel", "effect2d:kernel=edge",
          "effect2d:kernel=blur", "desktop", "cube", "clear")


def roomy_guest(lab, **options):
    """A guest with enough memory to compare 255 MiB with; on Xen, our driver is loaded."""
    return lab.guest(driver=True, memory=1024, traces="", **options)


@case("bench-calls", limit=300, boots=BOTH)
def calls(lab):
    """How long system calls and sleeps take in the host and in the guest."""
    guest = roomy_guest(lab, **SYSTEM)
    program = os.path.join(os.path.dirname(dom0.__file__), "calls.py")
    lab.data["host"] = dom0.tool_json(f"python3 {program}")
    with open(program, "rb") as f:
        code = base64.b64encode(f.read()).decode()
    guest.run(f"in-system true; echo {code} | base64 -d >/system/tmp/calls.py")
    lab.data["guest"] = guest.json("in-system python3 /tmp/calls.py")
    lab.require(all(v > 0 for v in lab.data["host"].values()), f"times: {lab.data}")


def speed_of(lab, guest, size, pairs):
    """Measure one blob."""
    blob = Blob(guest, size, 11, fill=False)
    first, second = (blob.ask("touch")["us"] for _ in range(2))
    figures = blob.ask(f"bench {pairs} {size} {ALL}", 400)
    lab.equal(figures["wrong_sums"], 0, f"sums of {size} bytes")
    blob.close()
    return {**figures, "first_touch_us": first, "touch_us": second}


@case("bench-speed", limit=3600, boots=EACH)
def speed(lab):
    """Speed of write, read, copy and random access, relative to the guest's own memory."""
    guest = roomy_guest(lab)
    if not lab.kvm:
        guest.run("xen-hostmem-mtrr")
    lab.data["rounds"] = [[speed_of(lab, guest, *what) for what in SPEED]
                          for _ in range(ROUNDS)]
    # With RAM in pages of 4 KiB, like a blob's: this excludes the effect of the page size.
    lab.data["small_pages"] = [
        [guest.json(f"blobtool bench {size} write,read,copy --pairs 13 --small-pages", 300)
         for size in SMALL_PAGES] for _ in range(ROUNDS)]
    lab.data["touch_ram"] = [guest.json(f"blobtool touch-ram {size}")
                             for size, _pairs in SPEED]
    if not lab.kvm:
        now = window(guest)
        lab.equal((now["trapped-reads"], now["trapped-writes"], now["fallbacks"]), (0, 0, []),
                  "emulated accesses and fallbacks")


def slow(lab, guest):
    """The speed of a few words, where QEMU emulates each access."""
    blob = Blob(guest, SLOW_BYTES, 12, fill=False)
    figures = blob.ask(f"bench 5 {SLOW_WORDS * 8} write,read", 400)
    lab.equal(figures["wrong_sums"], 0, "sums")
    lab.data.update(figures)
    blob.close()


@case("bench-trapped", limit=400, boots=XEN)
def trapped(lab):
    """Speed of the trapped path: without our driver in the guest."""
    slow(lab, lab.guest(driver=False, memory=1024, traces=""))


@case("bench-unpatched", limit=400, boots=XEN)
def unpatched(lab):
    """Speed with Debian's QEMU, unmodified."""
    guest = lab.guest(driver=False, memory=1024, traces="", fresh=True,
                      device_model=f"{dom0.RUN}/qemu-system-x86_64-plain")
    slow(lab, guest)
    lab.drop_guest()


@case("bench-latency", limit=900, boots=EACH)
def latency(lab):
    """Time of maps and unmaps by size, and by the number of other blobs mapped."""
    guest = roomy_guest(lab)
    lab.data["sizes"] = [guest.json(f"blobtool latency {count} {size} {pause(size)}", 300)
                         for size, count in LATENCY]
    lab.data["cycles"] = [guest.json(f"blobtool latency {count} {size}", 300)
                          for size, count in LATENCY]
    lab.data["held"] = [guest.json(f"blobtool latency 50 65536 {held} 65536 {pause(0)}",
                                   400) for held in HELD]
    for answer in lab.data["sizes"] + lab.data["cycles"] + lab.data["held"]:
        lab.equal(answer.get("mismatches"), 0, f"mismatches of {answer}")


@case("bench-steps", limit=400, boots=XEN)
def map_steps(lab):
    """How the time of a map is spent, from QEMU's traces and the guest's function tracer."""
    guest = lab.guest(driver=True, memory=1024, fresh=True, traces=steps.TRACES,
                      args=("-msg", "timestamp=on"))
    profile = steps.Profile(guest)
    lab.data["sizes"] = []
    for size, count in LATENCY:
        before = len(guest.qemu_log())
        profile.start()
        guest.json(f"blobtool latency {count} {size} {pause(size)}", 300)
        hypercalls = profile.medians()
        found = steps.medians(guest.qemu_log()[before:], size)
        lab.require(found["maps"] >= count, f"maps of {size} bytes in the log: {found}")
        lab.data["sizes"].append({"bytes": size, **found, "guest": hypercalls})
    lab.drop_guest()


@case("bench-busy", limit=600, boots=BOTH)
def busy(lab):
    """Time of maps and unmaps of 64 KiB while QEMU renders, and while a second guest maps."""
    guest = roomy_guest(lab, **SYSTEM)
    lab.data["idle"] = guest.json("blobtool latency 100 65536", 200)
    guest.spawn_quiet("draw", "in-system vkmark --winsys headless -s 320x240 "
                      "-b vertex:duration=60")
    time.sleep(5)
    lab.data["rendering"] = guest.json("blobtool latency 100 65536", 300)
    lab.equal(guest.status("test -s /tmp/spawn/draw.status")[0], 1, "vkmark ended too soon")
    guest.run("kill $(cat /tmp/spawn/draw.pid); killall vkmark; true")
    other = lab.another_guest(traces="")
    if not lab.kvm:
        load_driver(other)
    other.run("spawn cycle blobtool cycle 100000 65536")
    lab.data["two_guests"] = guest.json("blobtool latency 100 65536", 300)
    lab.equal(other.status("test -s /tmp/spawn/cycle.status")[0], 1, "the other guest ended")
    other.destroy()


def vkmark(lab, run, command, seconds, listed=SCENES, limit=400):
    """Frames per second of these scenes of vkmark, executed by run(), each for `seconds`. Each one
    first runs for a moment: for the first frames lavapipe compiles shaders, for seconds."""
    scenes = " ".join(f"-b {scene}:duration={n}" for n in (2, seconds) for scene in listed)
    output = run(f"{command} --winsys headless -s 160x120 {scenes} 2>&1", limit)
    # "inf": there was no frame in that time
    found = re.findall(r"\[(\w+)\].*FPS:\s*(\d+)\s+FrameTime:\s*([\d.]+|inf) ms", output)
    lab.equal([name for name, _f, _t in found],
              [scene.partition(":")[0] for scene in 2 * listed],
              f"scenes: {dom0.brief(output)}")
    found = found[len(listed):]
    lab.require(all(int(f) for _n, f, _t in found), f"a scene without a frame: {found}")
    return [{"scene": scene, "fps": int(f), "frame_ms": float(t)}
            for scene, (_n, f, t) in zip(listed, found)]


@case("bench-vulkan", limit=1200, boots=FRAMES)
def vulkan(lab):
    """Frames per second of vkmark's scenes and of vkcube in weston; and of the scenes in
    the host, where no guest is between the program and the renderer."""
    lab.drop_guest()
    lab.data["host_vkmark"] = vkmark(lab, dom0.sh, f"{dom0.LAVAPIPE} vkmark", 3)
    guest = roomy_guest(lab, fresh=True, **SYSTEM)
    lab.data["vkmark"] = vkmark(lab, guest.run, "in-system vkmark", 5)
    start_weston(guest)
    lab.data["vkcube"] = [{"frames": n, "seconds": vkcube_seconds(guest, n, 250)}
                          for n in CUBE_FRAMES]
    lab.drop_guest()


@case("bench-grants", limit=200, boots=XEN)
def grants(lab):
    """Grants in use relative to the bytes mapped."""
    guest = roomy_guest(lab)
    lab.data["grants"] = []
    for size in (64 * KIB, MIB, 16 * MIB, 64 * MIB):
        blob = Blob(guest, size, 13, fill=False)
        now = dom0.counters()
        lab.data["grants"].append({"bytes": size, "references": now["references"],
                                   "granted": window(guest)["granted"]})
        blob.close()
    lab.require(all(g["references"] == g["granted"] // 4096 for g in lab.data["grants"]),
                f"grants: {lab.data['grants']}")
