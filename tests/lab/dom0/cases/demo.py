# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of `make demo`. They are not among the tests, which cover each part."""

import shlex
from statistics import median

import dom0
import steps
from blobs import KIB, MIB, Blob, granted_pages, live_switches, memory_type, pause, window
from desktop import vkcube_in_weston
from guest import SYSTEM
from lab import case, load_driver

# Size, timed maps, pairs of the comparison, bytes to compare (trapped: a part is enough).
GRANTED = ((64 * KIB, 21, 201, 64 * KIB), (MIB, 21, 201, MIB), (16 * MIB, 9, 201, 16 * MIB),
           (64 * MIB, 5, 101, 64 * MIB))
TRAPPED = (64 * KIB, 5, 3, 4 * KIB)
FIGURES = ("guest_write_mb_s", "guest_read_mb_s", "ram_write_mb_s", "ram_read_mb_s",
           "write_ratio", "read_ratio")
SWITCHES = 20
FRAMES = 40                 # of vkcube
# A console on the screen. A blinking cursor would make QEMU draw all the time.
CONSOLE = "fbdev=1 vt.global_cursor_default=0"


def map_times(lab, guest, size, count, path):
    """How long maps and unmaps of this size take, in the way that bench-latency measures
    them: medians of all but the first map of the process."""
    before, unmaps = window(guest)["grants"], steps.Unmaps(guest)
    unmaps.start()
    times = guest.json(f"blobtool latency {count} {size} --marks {pause(size)}", 300)
    unmap_us = unmaps.times()
    lab.equal(len(unmap_us), count + 1, f"unmaps in the guest's trace: {unmap_us}")
    lab.equal(times["mismatches"], 0, f"mismatches of {times}")
    lab.equal(window(guest)["grants"] - before, count + 1 if path == "granted" else 0,
              "maps that were granted")
    return {"map_us": times["ready_us"]["median"], "unmap_us": median(unmap_us[1:]),
            "first_map_us": times["first_ready_us"], "timed_maps": count}


def measure(lab, guest, size, maps, pairs, compared, seed, path):
    """Maps and unmaps, then one blob: words both ways, and speed against the guest's own
    memory."""
    times = map_times(lab, guest, size, maps, path)
    blob = Blob(guest, size, seed, fill=path == "granted")
    lab.equal(granted_pages(guest), size // 4096 if path == "granted" else 0, "granted pages")
    kind = memory_type(guest) if path == "granted" else None
    blob.check_both_ways(lab, seed, 0 if path == "granted" else 64)
    speed = blob.ask(f"bench {pairs} {compared}", 300)
    figures = {"bytes": size, "path": path, "mismatches": blob.facts["mismatches"],
               "compared_bytes": compared, **times, **{k: speed[k] for k in FIGURES}}
    lab.equal(speed["wrong_sums"], 0, "sums of the words read")
    blob.close()
    return figures, kind


def live(guest):
    """Stores that continue while the driver is loaded and unloaded."""
    stats = live_switches(guest, SWITCHES)
    return {"words": stats["words"], "switches": SWITCHES, "mismatches": stats["mismatches"]}


def screen_lines(data):
    """The results, for the guest's own screen."""
    yield f"A guest of Xen {dom0.sh('xl info xen_version').strip()} with the host's memory in it"
    yield ""
    for b in data["blobs"]:
        yield f"{b['bytes'] >> 10:6} KiB  {b['path']:8} {b['mismatches']} words wrong, " \
              f"written at {b['guest_write_mb_s']:9.3f} MB/s, " \
              f"its own RAM at {b['ram_write_mb_s']:9.3f} MB/s"
    yield ""
    yield f"{data['live_switch']['words']} stores during {data['live_switch']['switches']} " \
          f"live switches, {data['live_switch']['mismatches']} lost"


def show(guest, data):
    """Write the results to the guest's screen; its console draws through virtio-gpu."""
    text = "\n".join("  " + line for line in ["", *screen_lines(data), ""])
    # One write, since each one redraws the whole screen, in software, in QEMU's main loop.
    guest.run(f"printf %s {shlex.quote(text)} >/dev/tty0", 120)
    dom0.wait_for("text on the guest's screen", lambda: drawn(guest), 120, 3)


def drawn(guest):
    """Whether there is bright text on a dark background; saves the picture."""
    picture = guest.picture()
    some = picture.rgb()[::31]
    with open(f"{dom0.OUT}/screen.ppm", "wb") as f:
        f.write(picture.ppm())
    return 0.001 < sum(v > 150 for v in some) / len(some) < 0.5


@case("demo", limit=900, boots=("demo",))
def demo(lab):
    """A guest of xl maps host memory, trapped and granted."""
    guest = lab.guest(driver=False, vcpus=2, cmdline=CONSOLE)
    guest.run("xen-hostmem-mtrr")
    trapped, _none = measure(lab, guest, *TRAPPED, 5, "trapped")
    lab.data["live_switch"] = live(guest)
    load_driver(guest)
    blobs, kinds = [], set()
    for seed, what in enumerate(GRANTED, 101):
        figures, kind = measure(lab, guest, *what, seed, "granted")
        blobs.append(figures)
        kinds |= kind
    lab.equal(lab.data["live_switch"]["mismatches"], 0, "lost stores")
    lab.equal(kinds, {"write-back"}, "memory type")
    lab.data["memory_type"] = kinds.pop()
    lab.data["blobs"] = blobs + [trapped]
    show(guest, lab.data)


@case("demo-vulkan", limit=400, boots=("demo",))
def demo_vulkan(lab):
    """A Vulkan program in the guest is rendered by dom0's Vulkan driver."""
    guest = lab.guest(driver=True, memory=1024, **SYSTEM)
    vkcube_in_weston(guest, FRAMES)
    now = window(guest)
    lab.equal(now["trapped-reads"] + now["trapped-writes"], 0, "trapped accesses")
    lab.data.update(frames=FRAMES, blobs=now["grants"])
