# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks beside the window, and one that firmware boots."""

import hashlib
import os
import re
import time

import bootdisk
import dom0
from blobs import KIB, MIB, Blob, granted_pages, memory_type, wait_no_grants
from guest import SYSTEM
from lab import case, load_driver
from xl import XlGuest

LATENCY = 2                 # seconds
CYCLES = 20
SLOW_DISK = ("-blockdev", "driver=null-aio,node-name=slow,size=1073741824,read-zeroes=on,"
             f"latency-ns={LATENCY * 10**9}", "-device", "virtio-blk-pci,drive=slow")


def seconds_of(action):
    began = time.monotonic()
    action()
    return round(time.monotonic() - began, 2)


@case("slow-disk", limit=300, slow=True)
def slow_disk(lab):
    """Neither unmaps nor QEMU's main loop wait for a disk: Xen has the map cache
    invalidated at each unmap, while requests of the guest are in flight."""
    guest = lab.guest(driver=True, fresh=True, memory=1024, cmdline=SYSTEM["cmdline"],
                      args=SYSTEM["args"] + SLOW_DISK)
    guest.run("in-system true", 60)
    cycles = f"blobtool cycle {CYCLES} {64 * KIB}"
    guest.json(cycles)
    idle = seconds_of(lambda: guest.json(cycles))
    guest.run("(in-system dd if=/dev/vdb of=/dev/null bs=4k iflag=direct >/dev/null 2>&1 &) "
              "</dev/null >/dev/null 2>&1")
    time.sleep(1)
    busy = seconds_of(lambda: guest.json(cycles, 120))
    asked = [seconds_of(lambda: guest.qmp("query-status")) for _ in range(10)]
    lab.data.update(idle=idle, busy=busy, qmp=max(asked))
    reading = guest.run("cat /sys/block/vdb/inflight").split()
    lab.equal(reading[0], "1", "reads in flight")
    # Cycles that wait take a latency each, more or less.
    lab.require(busy < idle + CYCLES * LATENCY / 4, f"{busy} s beside a slow disk, {idle} s without")
    lab.require(max(asked) < LATENCY / 2, f"the monitor answers after {max(asked)} s")
    lab.drop_guest()


def contents(path):
    with open(path, "rb") as f:
        return f.read()


class DiskGuest(XlGuest):
    """A guest whose kernel is on its disk, with a boot loader; xl knows nothing of it."""

    def __init__(self):
        self.disk = f"{dom0.RUN}/boot.img"
        drive = f"if=none,id=boot,file={self.disk},format=raw,readonly=on"
        super().__init__(args=("-drive", drive, "-device", "virtio-blk-pci,drive=boot"))
        line = re.search('^cmdline = "(.*)"$', self.config, re.M)[1]
        self.config = re.sub("^(kernel|ramdisk|cmdline) = .*\n", "", self.config, flags=re.M)
        bootdisk.make(self.disk, contents(f"{dom0.RUN}/bootsector.bin"),
                      contents(f"{dom0.RUN}/vmlinuz"), contents(f"{dom0.RUN}/initrd.gz"),
                      line + " booted-by=bootsector xen_emul_unplug=never")


@case("boot-loader", limit=300, slow=True)
def boot_loader(lab):
    """Firmware boots a guest from its disk, by the disk's own boot loader, which has the BIOS
    read it: what is read is right, and blobs are granted as ever."""
    lab.drop_guest()
    lab.provide(True)
    guest = DiskGuest()
    try:
        guest.create(200)
        lab.alive()
        lab.require("booted-by=bootsector" in guest.run("cat /proc/cmdline"), "another loader")
        guest.run("modprobe virtio_blk")
        lab.equal(guest.run("md5sum </dev/vda", 120).split()[0],
                  hashlib.md5(contents(guest.disk)).hexdigest(), "the disk, read by Linux")
        load_driver(guest)
        guest.run("xen-hostmem-mtrr")
        blob = Blob(guest, MIB, 141)
        lab.equal(granted_pages(guest), MIB // 4096, "granted pages")
        lab.equal(memory_type(guest), {"write-back"}, "memory type (R26)")
        blob.check_both_ways(lab, 141)
        blob.close()
        wait_no_grants()
    finally:
        guest.destroy()
        os.remove(guest.disk)
