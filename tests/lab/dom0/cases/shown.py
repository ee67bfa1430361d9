# SPDX-License-Identifier: GPL-2.0-or-later
"""Guest memory that a plain virtio-gpu shows, with and without blobs. G... are requirements
of docs/specs/virtio-gpu-guest-memory.rst."""

import os
import re
import time
import zlib

import dom0
from lab import case
from scanout import cpu_ms
from view import View

WIDTH, HEIGHT = 1920, 1080
OTHER_WIDTH = 1024          # of a mode that the screen has, too
FRAME = WIDTH * HEIGHT * 4
FRAMES = 200
TRACES = "virtio_gpu_backing,virtio_gpu_guest_blob,virtio_gpu_guest_dmabuf"
SIZE = f"xres={WIDTH},yres={HEIGHT}"
BIND = "/sys/bus/virtio/drivers/virtio_gpu"
REFUSED = 16                # of rawgpu
RESETS = 30


def plain_guest(lab, gpu, display="none", **options):
    """A guest with a plain virtio-gpu; neither module nor driver of ours is loaded."""
    return lab.guest(driver=False, provider=False, fresh=True, display=display, traces=TRACES,
                     gpu=gpu, **options)


def checksum(picture):
    """As kmsdraw has it: the octet of a pixel that has no colour is 0."""
    crc = 0
    for row in picture.rows:
        row[3::4] = bytes(picture.width)
        crc = zlib.crc32(row, crc)
    return crc


def shows(lab, guest, wanted, what):
    """The screen, by VNC, is exactly what the guest has drawn. A flush may still be on its
    way when the guest says that it has been sent."""
    for _ in range(5):
        picture = guest.picture()
        if checksum(picture) == wanted["crc"]:
            break
        time.sleep(0.5)
    lab.equal((picture.width, picture.height), (wanted["width"], wanted["height"]),
              f"{what}: size of the screen")
    lab.equal(checksum(picture), wanted["crc"], f"{what}: checksum of the screen")


def dump_checksum(guest):
    """The checksum of what QEMU's surface refers to now, whether it was flushed or not"""
    path = f"{dom0.RUN}/shown.ppm"
    guest.qmp("screendump", filename=path)
    with open(path, "rb") as f:
        rgb = f.read().split(b"\n", 3)[3]
    pixels = bytearray(len(rgb) // 3 * 4)
    pixels[0::4], pixels[1::4], pixels[2::4] = rgb[2::3], rgb[1::3], rgb[0::3]
    return zlib.crc32(pixels)


def frame_mappings(guest):
    """How many mappings of a whole frame of the guest's memory QEMU has, or of a bit more"""
    count = 0
    with open(f"/proc/{guest.qemu_pid()}/maps", encoding="ascii") as f:
        for start, end in re.findall(r"^(\w+)-(\w+) r--\S* .*privcmd", f.read(), re.M):
            count += FRAME <= int(end, 16) - int(start, 16) <= FRAME + 65536
    return count


def measure(lab, guest, command):
    """What `kmsdraw frames` or `flips` takes: the guest's time, and QEMU's."""
    before = cpu_ms(guest)
    result = guest.ask("kms", f"{command} {FRAMES}", 100)
    lab.data[command] = {"frames a second": round(FRAMES * 1000 / result["ms"], 1),
                         "QEMU, CPU ms a frame": round((cpu_ms(guest) - before) / FRAMES, 3)}


def draws(lab, guest):
    """What all devices have in common: pictures, another mode, a cursor, two buffers."""
    first = guest.spawn("kms", f"kmsdraw {WIDTH}")
    lab.equal((first["width"], first["height"]), (WIDTH, HEIGHT), "the mode")
    shows(lab, guest, first, "the first picture")
    for seed in (7, 8):
        shows(lab, guest, guest.ask("kms", f"draw {seed}"), f"picture {seed}")
    shows(lab, guest, guest.ask("kms", f"mode {OTHER_WIDTH}"), "another mode")
    guest.ask("kms", "cursor 3")
    shows(lab, guest, guest.ask("kms", f"mode {WIDTH}"), "the first mode again")
    for command in ("frames", "flips"):
        measure(lab, guest, command)
    shows(lab, guest, guest.ask("kms", "draw 9"), "after two buffers")


def ends(lab, guest):
    """The driver goes, which resets the device with buffers attached, and comes back."""
    mapped = frame_mappings(guest)
    lab.expected.append("drivers/gpu/drm|drm_")     # Linux may complain: buffers are in use
    device = guest.run(f"cd {BIND}; ls -d virtio*").strip()
    guest.run(f"echo {device} >{BIND}/unbind", 60)
    dom0.wait_for("QEMU has unmapped the frames", lambda: frame_mappings(guest) == 0, 30)
    # The old device's minor number is in use until its last user is gone.
    guest.run("killall kmsdraw; sleep 1")
    guest.run(f"echo {device} >{BIND}/bind; sleep 1; ls /dev/dri", 60)
    shows(lab, guest, guest.spawn("kms", f"kmsdraw {WIDTH}"), "after the driver's return")
    guest.ask("kms", "quit")
    lab.data["frames mapped"] = mapped


@case("shown-blob", limit=400)
def shown_blob(lab):
    """Blobs of guest memory are shown from where they are: QEMU's surface has what the guest
    draws before it is flushed (G1, G2, G7)."""
    guest = plain_guest(lab, f"virtio-gpu-pci,{SIZE},blob=on")
    draws(lab, guest)
    log = guest.qemu_log()
    lab.require(re.search(rf"virtio_gpu_guest_blob .* size {FRAME} by mapped", log),
                "no frame was mapped: see virtio_gpu_backing in QEMU's trace")
    lab.require("by copied" not in log, "a blob was copied")
    lab.require(frame_mappings(guest) >= 1, "QEMU has no mapping of a frame")
    silent = guest.ask("kms", "silent 10")
    lab.equal(dump_checksum(guest), silent["crc"], "checksum of QEMU's surface, not flushed")
    ends(lab, guest)
    lab.drop_guest()


@case("shown-image", limit=400, slow=True)
def shown_image(lab):
    """The same without blobs: frames are copied into images, from a backing that is mapped
    as one piece, too (G2)."""
    guest = plain_guest(lab, f"virtio-vga,{SIZE}", videoram=16)
    draws(lab, guest)
    log = guest.qemu_log()
    lab.require(re.search(rf"virtio_gpu_backing .* size {FRAME}: one piece", log),
                "no frame was mapped as one piece: see virtio_gpu_backing in QEMU's trace")
    lab.require("virtio_gpu_guest_blob " not in log, "there was a blob")
    silent = guest.ask("kms", "silent 10")
    lab.require(dump_checksum(guest) != silent["crc"], "QEMU shows what was not flushed")
    guest.ask("kms", "dirty")
    dom0.wait_for("QEMU's surface has the picture",
                  lambda: dump_checksum(guest) == silent["crc"], 10)
    ends(lab, guest)
    lab.drop_guest()


@case("shown-hostile", limit=300, slow=True)
def shown_hostile(lab):
    """Backings that name nothing, wrap, or are gone are refused; what is not whole pages is
    copied; QEMU and the screen go on, and nothing stays mapped (G3, G4, G7)."""
    guest = plain_guest(lab, "virtio-gpu-pci,blob=on,hostmem=256M")
    pid, size = guest.qemu_pid(), os.path.getsize(guest.log)
    guest.run("modprobe xen-privcmd unrestricted=1")
    result = guest.spawn("hostile", "rawgpu backings", 200)
    lab.data.update(result)
    lab.equal((result["refused"], result["resets"], result["alive"]), (REFUSED, RESETS, True),
              "backings refused, resets, GPU alive")
    lab.equal(guest.qemu_pid(), pid, "QEMU's process")
    picture = guest.picture()
    lab.equal((picture.width, picture.height), (result["pixels"],) * 2, "size of the screen")
    # Each of the last blob's pages has a colour of its own, in reverse order.
    lines = picture.height // 4
    lab.equal([picture.rows[n * lines][:3] for n in range(4)],
              [bytes([0x11 * (4 - n)] * 3) for n in range(4)], "first pixel of each page")
    log = guest.qemu_log()
    lab.require("are not whole pages" in log, "the log does not say why a blob was copied")
    lab.require("does not map frame" in log, "the log does not name the frame that is gone")
    lab.data["log bytes"] = os.path.getsize(guest.log) - size
    lab.require(lab.data["log bytes"] < 20000, f"{lab.data['log bytes']} bytes in the log")
    guest.status("echo x >/tmp/spawn/hostile.in; sleep 1")
    lab.drop_guest()


DMABUF = "xen-guest-dmabuf"
PAGES = FRAME // 4096
SILENT = 5                  # pictures that are drawn and not flushed


def seen_by_client(lab, view, wanted, what):
    """The client's mapping has the picture; a flush may still be on its way."""
    for _ in range(5):
        seen = view.look()
        if seen.get("crc") == wanted["crc"]:
            break
        time.sleep(0.5)
    lab.equal((seen["width"], seen["height"]), (wanted["width"], wanted["height"]),
              f"{what}: size of the client's picture")
    lab.equal(seen.get("crc"), wanted["crc"], f"{what}: checksum of the client's picture")
    return seen


def shown_now(lab, guest):
    """The buffer that head 0 shows, by QMP, which HMP shows, too"""
    devices = guest.qmp("query-gpu-guest-buffers")
    lab.equal(len(devices), 1, "GPUs with buffers")
    buffers = [b for b in devices[0]["buffers"] if b["scanouts"] == [0]]
    lab.equal([(b["size"], b["pages"]) for b in buffers], [(FRAME, PAGES)], "buffers on head 0")
    text = guest.qmp("human-monitor-command", **{"command-line": "info xen-hostmem"})
    line = f"{PAGES} pages, {buffers[0]['path']}, shown on head 0"
    lab.require(line in text, f"info xen-hostmem does not say: {line}")
    return buffers[0]


@case("shown-dmabuf", limit=500)
def shown_dmabuf(lab):
    """A display client maps the dma-buf of the guest's frame and sees what the guest draws,
    flushed or not. Without the module it is sent copies, and QEMU says why (G9 to G12)."""
    dom0.sh(f"insmod {dom0.RUN}/{DMABUF}.ko")
    guest = plain_guest(lab, f"virtio-gpu-pci,{SIZE},blob=on", display="dbus,p2p=yes")
    first = guest.spawn("kms", f"kmsdraw {WIDTH}")
    view = View(guest)
    seen_by_client(lab, view, first, "the first picture")
    for seed in (7, 8):
        seen_by_client(lab, view, guest.ask("kms", f"draw {seed}"), f"picture {seed}")
    for seed in range(10, 10 + SILENT):
        silent = guest.ask("kms", f"silent {seed}")
        seen = view.look()
        lab.equal(seen.get("crc"), silent["crc"], "checksum of what was not flushed")
    shows(lab, guest, silent, "VNC, of the same memory")
    lab.data["words compared"] = (3 + SILENT) * WIDTH * HEIGHT
    lab.data["client"] = seen
    lab.require("guest" in seen["exporter"], f"the exporter is {seen['exporter']!r}")
    lab.require(seen["maps"] >= 1, "the client has mapped nothing")
    buffer = shown_now(lab, guest)
    lab.equal((buffer["path"], buffer.get("reason")), ("dmabuf", None), "path and reason")
    for command in ("frames", "flips"):
        measure(lab, guest, command)
    lab.data["client, after frames"] = view.look()
    guest.run("killall -9 kmsdraw; sleep 1")
    view.close()
    lab.drop_guest()
    dom0.wait_for(f"{DMABUF} can be unloaded, as nothing holds a buffer",
                  lambda: "ERROR" not in dom0.sh(f"rmmod {DMABUF}", check=False), 30, 1)

    guest = plain_guest(lab, f"virtio-gpu-pci,{SIZE},blob=on", display="dbus,p2p=yes")
    guest.spawn("kms", f"kmsdraw {WIDTH}")
    view = View(guest)
    guest.ask("kms", "draw 7")
    dom0.wait_for("the client has been sent a picture", lambda: view.look()["copied"], 30)
    lab.equal(view.look()["exporter"], "", "exporter, without the module")
    buffer = shown_now(lab, guest)
    lab.equal(buffer["path"], "mapped", "path")
    lab.require("load the module" in buffer["reason"], f"reason: {buffer['reason']}")
    lab.require("load the module xen-guest-dmabuf" in guest.qemu_log(), "the log has no advice")
    view.close()
    lab.drop_guest()
