# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows that do not fit below 4 GiB."""

import re

from blobs import MIB, Blob, granted_pages, memory_type, wait_no_grants, window, window_range
from guest import GPU
from lab import case

GIB = 1024 * MIB
MANY = 300
FAR, APART = 1000, 64 * MIB


def check_window(lab, size, below, **options):
    """A window of `size` GiB works, also behind a blob of `below` GiB. That one is larger
    than udmabuf's limit, hence trapped, and being shared memory it takes no memory."""
    guest = lab.guest(driver=True, gpu=GPU.replace("256M", f"{size}G"), **options)
    start, end = window_range(guest)
    lab.require(start >= 4 * GIB, f"the window is at 0x{start:x}")
    lab.equal(end - start, size * GIB, "size of the window")
    guest.run("xen-hostmem-mtrr")
    low = Blob(guest, 64 * MIB, 301, name="low")
    filler = Blob(guest, below * GIB, 302, fill=False, name="filler")
    high = Blob(guest, MIB, 303, name="high")
    lab.equal(granted_pages(guest), 65 * MIB // 4096, "granted pages")
    offsets = {b["size"]: b["offset"] for b in window(guest)["blobs"]}
    lab.require(offsets[MIB] >= 4 * GIB, f"offsets by size: {offsets}")
    lab.equal(memory_type(guest, offsets[MIB], MIB), {"write-back"}, "memory type (R26)")
    low.check_both_ways(lab, 301)
    high.check_both_ways(lab, 303)
    many = guest.json(f"blobtool many {MANY} 4096", 200)
    lab.equal((many["count"], many["mismatches"]), (MANY, 0), "blobs and mismatches")
    for blob in (filler, low, high):
        blob.close()
    wait_no_grants()
    lab.data.update(start=hex(start), size=hex(end - start), offset=hex(offsets[MIB]))
    return guest


@case("window-8g", limit=400, slow=True)
def window_8g(lab):
    """A window of 8 GiB: hvmloader places it, the guest's MTRR helper finds it, and blobs
    beyond 4 GiB are granted and right."""
    check_window(lab, 8, 5)


@case("window-64g", limit=400, slow=True)
def window_64g(lab):
    """The same with 64 GiB."""
    check_window(lab, 64, 12)
    lab.drop_guest()


def memory_ranges(guest):
    """[(start, end)] of the guest's memory, as its firmware describes it."""
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM", guest.run("cat /proc/iomem"), re.M)
    return [(int(start, 16), int(end, 16) + 1) for start, end in found]


@case("window-above-ram", limit=400, slow=True)
def window_above_ram(lab):
    """Of a guest with memory above 4 GiB, the window is behind that. A large hole below 4 GiB
    does what takes a guest of 4 GiB otherwise."""
    guest = check_window(lab, 8, 5, memory=1536, more="mmio_hole = 3072")
    high = [r for r in memory_ranges(guest) if r[1] > 4 * GIB]
    lab.require(high, f"no memory above 4 GiB: {memory_ranges(guest)}")
    start, end = window_range(guest)
    lab.equal([r for r in memory_ranges(guest) if r[0] < end and r[1] > start], [],
              "memory where the window is")
    lab.data.update(memory=[(hex(a), hex(b)) for a, b in high])
    lab.drop_guest()


@case("window-far", limit=400, slow=True)
def window_far(lab):
    """A thousand blobs of a page, 64 MiB apart: each is granted, and has its own words."""
    guest = lab.guest(driver=True, fresh=True, traces="", gpu=GPU.replace("256M", "64G"),
                      more="shadow_memory = 32")
    answer = guest.spawn("far", f"rawgpu far {FAR} {APART // 1024}", 300)
    lab.equal(answer, {"mapped": FAR, "wrong": 0}, "blobs, and wrong words")
    now = window(guest)
    lab.equal((now["granted"], now["trapped"]), (FAR * 4096, 0), "bytes granted and trapped")
    lab.equal(max(b["offset"] for b in now["blobs"]), (FAR - 1) * APART, "the last offset")
    guest.run("echo >/tmp/spawn/far.in")
    wait_no_grants(60)
    lab.drop_guest()
