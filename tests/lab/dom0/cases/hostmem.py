# SPDX-License-Identifier: GPL-2.0-or-later
"""Host memory in the guest, trapped and granted."""

import os

from blobs import KIB, MIB, Blob, granted_pages, live_switches, memory_type, reasons, wait_no_grants
from guest import GPU
from lab import case

SIZES = (64 * KIB, MIB, 16 * MIB, 64 * MIB)
WRITE_BACK = {"write-back"}
SAMPLES = 64


@case("trapped", limit=480)
def trapped(lab):
    """Without our driver each access reaches the blob's memory, by trapping (I1)."""
    guest = lab.guest(driver=False)
    blob = Blob(guest, 16 * KIB, 11)
    blob.check_both_ways(lab, 11)
    blob.ask("copy-in 13")                   # wide stores and loads
    lab.equal(guest.peek(f"{blob.size} verify 13")["mismatches"], 0, "words by memcpy, in dom0")
    lab.equal(blob.ask("copy-out 13")["mismatches"], 0, "words back by memcpy")
    lab.equal(granted_pages(guest), 0, "granted pages without a driver")
    lab.require("no-frontend" in reasons(guest), "QEMU's log does not say why it is trapped")
    blob.close()


@case("trapped-sampled", limit=480, everywhere=True)
def trapped_sampled(lab):
    """Without our driver, sampled words of blobs of all sizes are right (I1)."""
    guest = lab.guest(driver=False)
    for seed, size in enumerate(SIZES, 21):
        blob = Blob(guest, size, seed, fill=False)
        blob.check_both_ways(lab, seed, SAMPLES)
        blob.close()


@case("granted", limit=300, everywhere=True)
def granted(lab):
    """With our driver blobs are granted, and words are right both ways (I1, R9)."""
    guest = lab.guest(driver=True)
    guest.run("xen-hostmem-mtrr")
    for seed, size in enumerate(SIZES, 31):
        blob = Blob(guest, size, seed)
        lab.equal(granted_pages(guest), size // 4096, "granted pages")
        lab.equal(memory_type(guest), WRITE_BACK, "memory type (R26)")
        blob.check_both_ways(lab, seed)
        blob.close()
    wait_no_grants()
    lab.data["driver"] = guest.run("cat /sys/kernel/debug/xen-hostmem/*/mappings")


@case("live-switch", limit=600)
def live_switch(lab):
    """No store is lost while the driver is loaded and unloaded: three kinds of stores, on
    two CPUs (I1, R12)."""
    switches = 24
    guest = lab.guest(driver=False, vcpus=2)
    stats = live_switches(guest, switches)
    lab.equal(stats["mismatches"], 0, f"lost stores: {stats}")
    lab.require(stats["words"] > 1000, f"too few stores: {stats}")
    lab.data.update(words=stats["words"], switches=switches, mismatches=stats["mismatches"])


@case("many-granted", limit=600)
def many_granted(lab):
    """1000 blobs at once use one ioreq range (of 256)."""
    guest = lab.guest(driver=True)
    result = guest.json("blobtool many 1000 4096", 500)
    lab.equal((result["count"], result["mismatches"]), (1000, 0), "blobs and mismatches")
    lab.data.update(result)
    wait_no_grants()


@case("many-trapped", limit=600)
def many_trapped(lab):
    """Without our driver, more blobs than ioreq ranges (256) still use one range."""
    guest = lab.guest(driver=False)
    result = guest.json("blobtool many 300 4096", 500)
    lab.equal((result["count"], result["mismatches"]), (300, 0), "blobs and mismatches")
    lab.data.update(result)


def single_pages():
    """Whether dom0's Linux is one whose udmabuf divides a buffer into single pages: QEMU gives
    gntdev nothing of others (hw/xen/hostmem/gntdev-safe.c)."""
    return (6, 11) <= tuple(map(int, os.uname().release.split(".")[:2])) <= (6, 18)


@case("gntdev-granted", limit=300, boots=("gntdev",))
def gntdev_granted(lab):
    """A rebuilt gntdev is the provider, by libxengnttab's dma-buf import (R25). With a Linux
    whose buffers it is not safe for, they are trapped."""
    guest, safe = lab.guest(driver=True), single_pages()
    for seed, size in enumerate((64 * KIB, MIB, 64 * MIB) if safe else (16 * KIB,), 41):
        blob = Blob(guest, size, seed)
        lab.equal(granted_pages(guest), size // 4096 if safe else 0, "granted pages")
        blob.check_both_ways(lab, seed)
        blob.close()
    lab.equal("gntdev-unsafe" in reasons(guest), not safe, "it is trapped as unsafe for gntdev")
    lab.require("provider gntdev" in guest.qemu_log(), "gntdev was not the provider")
    lab.require("cannot prove" in guest.qemu_log(), "the log does not say what gntdev lacks")


@case("gntdev-not-asked", limit=240, boots=("gntdev",))
def gntdev_not_asked(lab):
    """gntdev is there, but not used unless the administrator asks for it."""
    guest = lab.guest(driver=True, gpu=GPU)
    blob = Blob(guest, 16 * KIB, 44)
    blob.check_both_ways(lab, 44)
    lab.equal(granted_pages(guest), 0, "granted pages")
    lab.require("no-provider" in reasons(guest), f"reasons: {reasons(guest)}")
    for advice in ("module xen-dmabuf-grant", "xen-hostmem-provider=gntdev"):
        lab.require(advice in guest.qemu_log(), f"the log does not name {advice}")
    blob.close()


@case("guest-memory", limit=240)
def guest_memory(lab):
    """Blobs in the guest's own memory work as before; we do not handle them."""
    guest = lab.guest(driver=True)
    answer = guest.spawn("own", f"blobtool hold {MIB} 45 --mem guest")
    lab.equal(answer.get("mismatches"), 0, f"words: {answer}")
    lab.equal(granted_pages(guest), 0, "granted pages")
    guest.ask("own", "quit")


@case("vga-granted", limit=300)
def vga_granted(lab):
    """virtio-vga-gl has the same window."""
    guest = lab.guest(driver=True, videoram=16,
                      gpu="virtio-vga-gl,blob=on,hostmem=256M,venus=on")
    blob = Blob(guest, MIB, 51)
    lab.equal(granted_pages(guest), MIB // 4096, "granted pages")
    blob.check_both_ways(lab, 51)
    blob.close()
