# SPDX-License-Identifier: GPL-2.0-or-later
"""What showing a plain virtio-gpu's frames costs, with and without blobs: guests side by side
in one boot, measured in turn."""

from contextlib import contextmanager

import dom0
import scanout
from cases.guestmem import Holder, counters, make_pages, modules, write_list
from desktop import start_weston
from guest import SYSTEM
from lab import case
from view import View

BOOTS = ("bench", "bench-pvh")
WIDTH, HEIGHT = 1920, 1080
FRAME = WIDTH * HEIGHT * 4
PAGES = FRAME // 4096
SIZE = f"xres={WIDTH},yres={HEIGHT}"
# Debian's QEMU, unmodified, and ours without and with blobs
KINDS = {"plain": {"gpu": f"virtio-gpu-pci,{SIZE}",
                   "device_model": f"{dom0.RUN}/qemu-system-x86_64-plain"},
         "off": {"gpu": f"virtio-gpu-pci,{SIZE}"},
         "on": {"gpu": f"virtio-gpu-pci,{SIZE},blob=on"}}
# Of what kmsdraw does: how often in a round
COUNTS = {"frames": 150, "flips": 100, "pictures": 40}
ROUNDS = 5
# With a display client. D-Bus sends a picture that is not mapped through its socket, and QEMU
# does not wait for the client: few, for dom0's memory.
SENT = {"frames": 10, "flips": 10}
MAPPED = {"frames": 100, "flips": 50}
# One draws all of its window, which is the screen; the other a part of it.
PROGRAMS = ("weston-simple-shm", "weston-simple-damage")
WESTON_SECONDS = 12
_guests = {}


def guests_of(lab):
    """A guest of each kind, which the cases here share. All are on the same CPU: only one at a
    time has something to do."""
    if not all(name in _guests and _guests[name].exists() for name in KINDS):
        lab.drop_guest()
        _guests.update({name: lab.another_guest(
            name=name, cpu=1, memory=640, traces="", display="dbus,p2p=yes", **options, **SYSTEM)
            for name, options in KINDS.items()})
    lab.alive()
    return dict(_guests)


@contextmanager
def drawing(guest, client=False):
    """kmsdraw runs in the guest, and a display client maps what it is given."""
    guest.spawn("kms", f"kmsdraw {WIDTH}")
    view = View(guest) if client else None
    guest.ask("kms", "flips 2")             # once, so that nothing is the first time
    try:
        yield view
    finally:
        if view:
            view.close()
        guest.ask("kms", "quit")


def rounds_of(guests, counts):
    """The order is another in each round. counts is what is done how often, by guest."""
    result = []
    for nr in range(ROUNDS):
        order = list(guests)
        order = order[nr % len(order):] + order[:nr % len(order)]
        result.append({name: {what: scanout.measure(guests[name], what, count)
                              for what, count in counts[name].items()} for name in order})
    return result


@case("bench-shown", limit=1200, boots=BOOTS)
def shown(lab):
    """Frames a second, QEMU's CPU time a frame and octets that it copies."""
    guests = guests_of(lab)
    for guest in guests.values():
        guest.spawn("kms", f"kmsdraw {WIDTH}")
        guest.ask("kms", "flips 10")
    lab.data["rounds"] = rounds_of(guests, dict.fromkeys(guests, COUNTS))
    lab.data["octets"] = {}
    for name, guest in guests.items():
        in_place = name == "on" and scanout.is_shown_in_place(guest)
        lab.data["octets"][name] = 0 if in_place else scanout.octets_copied(guest, "frames", 10)
        guest.ask("kms", "quit")
    lab.equal([lab.data["octets"][name] for name in guests],
              [0 if name == "on" else FRAME for name in guests],
              "octets that are copied for a frame")


@case("bench-shown-client", limit=1200, boots=BOOTS)
def shown_client(lab):
    """The same with a D-Bus client: QEMU's image in shared memory, blobs without and with the
    module xen-guest-dmabuf."""
    guests = {name: guest for name, guest in guests_of(lab).items() if name in ("off", "on")}
    with drawing(guests["off"], client=True):
        with drawing(guests["on"], client=True) as view:
            lab.data["sent"] = rounds_of(guests, {"off": MAPPED, "on": SENT})
            lab.require(view.look()["copied"], "the client was sent no picture")
        dom0.sh(f"insmod {dom0.RUN}/xen-guest-dmabuf.ko")
        with drawing(guests["on"], client=True) as view:
            lab.data["dmabuf"] = rounds_of(guests, {"off": MAPPED, "on": MAPPED})
            lab.require("guest" in view.look()["exporter"], "the client has no dma-buf")


def weston_frames(guest, program):
    """Frames of a desktop while that program draws"""
    guest.spawn_quiet("client", f"in-system env WAYLAND_DISPLAY=wayland-1 {program}")
    guest.run("sleep 4")
    before, cpu = scanout.commands(guest), scanout.cpu_ms(guest)
    guest.run(f"sleep {WESTON_SECONDS}", WESTON_SECONDS + 20)
    after, cpu = scanout.commands(guest), scanout.cpu_ms(guest) - cpu
    guest.run(f"kill $(cat /tmp/spawn/client.pid); killall {program}; sleep 1; true")
    frames = after.get(scanout.FLUSH, 0) - before.get(scanout.FLUSH, 0)
    if not frames:
        raise dom0.Failed(f"{program}: no frame in {WESTON_SECONDS} s")
    return {"fps": round(frames / WESTON_SECONDS, 2), "cpu_ms": round(cpu / frames, 4)}


@case("bench-shown-weston", limit=1800, boots=BOOTS)
def shown_weston(lab):
    """Frames of weston, which draws by software, and QEMU's CPU time a frame"""
    guests = guests_of(lab)
    for guest in guests.values():
        scanout.count_commands(guest)
        start_weston(guest)
    lab.data["rounds"] = []
    for nr in range(ROUNDS):
        order = list(guests)[::-1 if nr % 2 else 1]
        lab.data["rounds"].append({
            name: {program: weston_frames(guests[name], program) for program in PROGRAMS}
            for name in order})
    lab.require(scanout.is_shown_in_place(guests["on"]), "the screen is not shown in place")
    lab.drop_guest()


@case("bench-guest-dmabuf", limit=400, boots=BOOTS)
def guest_dmabuf(lab):
    """What a dma-buf of a frame of the guest's memory takes, by frames and by grants; and a
    disk's access to its pages, beside dom0's own"""
    guest = lab.guest(driver=False, fresh=True, gpu=KINDS["off"]["gpu"])
    dom0.sh("rmmod xen_guest_dmabuf", check=False)
    with modules():
        for kind in ("frames", "grants"):
            path = write_list(make_pages(guest, "frames", 1, 1) if kind == "grants" else "",
                              make_pages(guest, kind, PAGES, 510))
            holder = Holder(guest.domid, path, kind)
            lab.data[kind] = holder.ask("times 21") | {"disk": holder.ask("disk 11")}
            holder.end()
        lab.equal(counters()["lost"], 0, "pages that Xen did not let go")
    lab.drop_guest()
