# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks beside the window."""

import time

from blobs import KIB
from guest import SYSTEM
from lab import case

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
