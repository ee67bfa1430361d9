# SPDX-License-Identifier: GPL-2.0-or-later
"""What one guest can take from another."""

import re
from contextlib import contextmanager
from statistics import median

import dom0
from blobs import KIB
from guest import SYSTEM
from lab import case, load_driver

ROUNDS = 3
VKMARK = "in-system vkmark --winsys headless -s 160x120 -b clear:duration=5 2>&1"
LEAST = 0.8                     # of the fair share


def frame_rate(guest):
    output = guest.run(VKMARK, 100)
    found = re.search(r"FPS: ([\d.]+)", output)
    if not found:
        raise dom0.Failed(f"vkmark: {dom0.brief(output)}")
    return float(found[1])


@contextmanager
def busy(guest, name, command):
    """A program keeps the guest's CPU busy."""
    guest.run(f"({command} >/tmp/{name} 2>&1 & echo $! >/tmp/{name}.pid) </dev/null; sleep 1; "
              f"kill -0 $(cat /tmp/{name}.pid)")
    yield
    guest.run(f"kill $(cat /tmp/{name}.pid); sleep 1")


@case("fair-share", limit=500, slow=True)
def fair_share(lab):
    """A guest maps and unmaps at full speed beside one that draws. Both QEMUs share dom0's
    one CPU, so the frame rate may fall to a half, and no lower. It is compared with that
    beside a guest which only counts: the emulated CPUs share the host's, too."""
    guest = lab.guest(driver=True, memory=1024, traces="", **SYSTEM)
    other = lab.another_guest(memory=512, traces="")
    load_driver(other)
    frame_rate(guest)                           # warms the caches
    alone, beside = [], []
    for _ in range(ROUNDS):
        with busy(other, "count", "sh -c 'while :; do :; done'"):
            alone.append(frame_rate(guest))
        with busy(other, "cycle", f"blobtool cycle 100000 {64 * KIB}"):
            beside.append(frame_rate(guest))
    part = median(beside) / median(alone)
    lab.data.update(alone=alone, beside=beside, of_alone=round(part, 3),
                    of_fair_share=round(2 * part, 3))
    lab.require(2 * part >= LEAST, f"the frame rate falls to {2 * part:.2f} of its fair share: "
                f"{alone} alone, {beside} beside the other")
    lab.drop_guest()
