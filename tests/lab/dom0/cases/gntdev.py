# SPDX-License-Identifier: GPL-2.0-or-later
"""The dma-bufs of gntdev: what Linux' own cannot do, and our series for it
(upstream/linux-gntdev.toml)."""

from contextlib import nullcontext

import dom0
from cases.canary import load_pool, run
from cases.guestmem import DISK, make_pages, write_list
from cases.pvh import HUGE_PAGES, setting
from lab import case

SERIES = ("series", "pvh-series")
GPU = "virtio-gpu-pci"          # what the guest's screen is does not matter
PAGES = 256
ROUNDS = 200


def check(lab, seed, arguments):
    """Run gntdevcheck with pages that a guest has granted; return its last line."""
    guest = lab.guest(driver=False, provider=False, fresh=True, gpu=GPU)
    path = write_list(make_pages(guest, "grants", PAGES, seed).removeprefix("grants "))
    dom0.sh(f"insmod {dom0.RUN}/lab-dma.ko")
    try:
        output = dom0.sh(f"{dom0.RUN}/gntdevcheck {guest.domid} {path} {arguments}", 300,
                         check=False)
    finally:
        dom0.sh("rmmod lab_dma", check=False)
    with open(f"{dom0.OUT}/gntdevcheck.log", "w", encoding="utf-8") as f:
        f.write(output)
    failed = [line for line in output.splitlines() if line.startswith("not ok")]
    lab.equal(failed, [], "gntdevcheck")
    result = dom0.tool_json(f"tail -n 1 {dom0.OUT}/gntdevcheck.log")
    lab.data.update(result, skips=[s for s in output.splitlines() if s.startswith("skip")])
    lab.equal(guest.ask("grants", f"check {seed}"), 0, "words that the guest finds")
    return result


@case("gntdev-stock", limit=300, boots=("gntdev", "pvh"), slow=True)
def gntdev_stock(lab):
    """Linux' own gntdev makes no dma-buf of a guest's pages, and grants neither 65536 pages
    nor a part of a buffer: docs/xen-gntdev-dmabuf.rst says why."""
    result = check(lab, 601, "--stock")
    skipped = int(lab.boot == "pvh")
    lab.equal((result["passed"], result["skipped"]), (3 - skipped, skipped),
              f"gntdevcheck: {result}")
    lab.drop_guest()


@case("gntdev-series", limit=500, boots=SERIES, slow=True)
def gntdev_series(lab):
    """With our series it does: words, mappings, devices and a disk; parts, 70000 pages,
    handles, references in use, buffers that are kept, bad requests."""
    pvh = lab.boot == "pvh-series"
    with setting(HUGE_PAGES, 2, 0) if pvh else nullcontext():
        result = check(lab, 602, f"--disk {DISK}")
    # Either kind of dom0 has what the other cannot do.
    lab.equal(result["skipped"], 4 if pvh else 2, f"skipped by gntdevcheck: {result}")
    lab.require(result["passed"] > 20, f"gntdevcheck: {result}")
    lab.drop_guest()


@case("canary-gntdev-series", limit=500, boots=SERIES, slow=True)
def canary_gntdev_series(lab):
    """With our series, a guest that keeps released pages sees and changes its own old buffer
    only, though they are of an exporter's pool (I2): by the old calls, and by the new ones,
    which say that the guest has them."""
    load_pool()
    for provider, busy in (("gntdev", 0), ("gntdev-v2", ROUNDS // 2)):
        result = run(lab, provider, "pool", ROUNDS, 200)
        lab.data[provider] = result
        lab.equal((result["foreign"], result["damaged"], result["busy"]), (0, 0, busy),
                  f"foreign and damaged words, rounds that were seen to be in use: {result}")
    lab.drop_guest()
