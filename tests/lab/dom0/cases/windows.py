# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows that do not fit below 4 GiB."""

from blobs import MIB, Blob, granted_pages, memory_type, wait_no_grants, window, window_range
from guest import GPU
from lab import case

GIB = 1024 * MIB
MANY = 300


def check_window(lab, size, below):
    """A window of `size` GiB works, also behind a blob of `below` GiB. That one is larger
    than udmabuf's limit, hence trapped, and being shared memory it takes no memory."""
    guest = lab.guest(driver=True, gpu=GPU.replace("256M", f"{size}G"))
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
