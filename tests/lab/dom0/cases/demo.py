# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make demo` shows; not among the tests, since each part of it is one."""

import shlex

import dom0
from blobs import KIB, MIB, Blob, granted_pages, memory_type
from lab import case, load_driver, unload_driver

GRANTED = ((64 * KIB, 201), (MIB, 201), (16 * MIB, 201), (64 * MIB, 101))   # size, pairs
TRAPPED = (64 * KIB, 2)
FIGURES = ("guest_write_mb_s", "guest_read_mb_s", "ram_write_mb_s", "ram_read_mb_s",
           "write_ratio", "read_ratio")
SWITCHES = 20


def measure(lab, guest, size, pairs, seed, path):
    """One blob: words both ways, then speed against the guest's own memory."""
    blob = Blob(guest, size, seed, fill=path == "granted")
    lab.equal(granted_pages(guest), size // 4096 if path == "granted" else 0, "granted pages")
    kind = memory_type(guest) if path == "granted" else None
    blob.check_both_ways(lab, seed, 0 if path == "granted" else 64)
    speed = blob.ask(f"bench {pairs}", 300)
    figures = {"bytes": size, "path": path, "mismatches": blob.facts["mismatches"],
               "map_us": blob.facts["map_us"], **{k: speed[k] for k in FIGURES}}
    lab.equal(speed["wrong_sums"], 0, "sums of the words read")
    figures["unmap_us"] = blob.close()["unmap_us"]
    return figures, kind


def live(lab, guest):
    """Stores that go on while the driver comes and goes."""
    guest.spawn_quiet("live", f"blobtool live --until-eof {48 * KIB} 5")
    for n in range(SWITCHES // 2):
        load_driver(guest)
        dom0.wait_for(f"the blob is granted, switch {2 * n + 1}",
                      lambda: granted_pages(guest) == 12, 20)
        unload_driver(guest)
    stats = guest.ask("live", "quit", 120)
    return {"words": stats["words"], "switches": SWITCHES, "mismatches": stats["mismatches"]}


def show(lab, data):
    """The figures on a guest's own screen, drawn by its console through virtio-gpu."""
    # Without our driver: the console keeps QEMU busy with drawing.
    guest = lab.guest(driver=False, fresh=True, cmdline="fbdev=1")
    lines = ["", "  A Xen guest with the host's memory in it", ""]
    lines += [f"  {b['bytes'] >> 10:6} KiB  {b['path']:8} written at "
              f"{b['guest_write_mb_s']:9.3f} MB/s, its own RAM at "
              f"{b['ram_write_mb_s']:9.3f} MB/s" for b in data["blobs"]]
    live_switch = data["live_switch"]
    lines += ["", f"  {live_switch['words']} stores during {live_switch['switches']} "
              f"live switches, {live_switch['mismatches']} lost"]
    for line in lines:
        guest.run(f"echo {shlex.quote(line)} >/dev/tty0", 120)
    guest.run("sleep 3", 120)
    guest.screendump(f"{dom0.OUT}/screen.ppm")


@case("demo", limit=900, boots=("demo",))
def demo(lab):
    """A guest of xl with host memory mapped, trapped and granted."""
    guest = lab.guest(driver=False, vcpus=2)
    guest.run("xen-hostmem-mtrr")
    trapped, _none = measure(lab, guest, *TRAPPED, 5, "trapped")
    lab.data["live_switch"] = live(lab, guest)
    load_driver(guest)
    blobs, kinds = [], set()
    for seed, (size, pairs) in enumerate(GRANTED, 101):
        figures, kind = measure(lab, guest, size, pairs, seed, "granted")
        blobs.append(figures)
        kinds |= kind
    lab.equal(lab.data["live_switch"]["mismatches"], 0, "lost stores")
    lab.equal(kinds, {"write-back"}, "memory type")
    lab.data["memory_type"] = kinds.pop()
    lab.data["blobs"] = blobs + [trapped]
    try:
        show(lab, lab.data)
    except dom0.Failed as why:      # the figures stand without their picture
        lab.data["screen_error"] = str(why)
