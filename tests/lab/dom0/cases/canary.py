# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest sees that keeps the pages of a released buffer mapped, while dom0 uses the
memory for other buffers."""

import json
import subprocess

import dom0
from blobs import wait_no_grants
from dom0 import RUN, Failed
from lab import PV, case

PAGES, TTM_PAGES = 4, 63        # 63: blocks of six sizes
ROUNDS, MANY_ROUNDS, GNTDEV_ROUNDS, TTM_ROUNDS = 500, 10000, 200, 100


def run(lab, provider, exporter, rounds, seconds, pages=PAGES):
    """Run canary here and keeper in the guest; return what canary counted."""
    guest = lab.guest(driver=False)
    guest.run("modprobe xen-gntdev")
    with subprocess.Popen([f"{RUN}/canary", provider, exporter, str(guest.domid), str(rounds),
                           str(pages)], stdout=subprocess.PIPE, text=True) as canary:
        try:
            reference = json.loads(canary.stdout.readline())["mailbox"]
            guest.run(f"(keeper {reference} >/tmp/keeper 2>&1 &) </dev/null >/dev/null 2>&1")
            output = canary.communicate(timeout=seconds)[0]
            result = json.loads(output.splitlines()[-1])
        except (KeyError, IndexError, ValueError, subprocess.TimeoutExpired) as why:
            canary.kill()
            raise Failed(f"canary {exporter}: {why!r}; {guest.run('cat /tmp/keeper')}") from None
    if "error" in result:
        raise Failed(f"canary {exporter}: {result['error']}; {guest.run('cat /tmp/keeper')}")
    lab.equal((result["rounds"], result["wrong"], result["failed"]), (rounds, 0, 0),
              f"rounds, wrong words at first, failed maps: {result}")
    lab.data[exporter] = result
    return result


def load_pool():
    dom0.sh(f"[ -e /dev/lab-dmabuf-pool ] || insmod {RUN}/lab-dmabuf-pool.ko")


def run_module(lab, exporters, rounds, seconds, pages=PAGES):
    for exporter in exporters:
        result = run(lab, "module", exporter, rounds, seconds, pages)
        lab.equal((result["foreign"], result["damaged"]), (0, 0),
                  f"words of other buffers that the guest saw, and overwrote: {result}")
        # Every second round ends like a killed QEMU, which cannot ask.
        lab.equal(result["busy"], rounds // 2, "rounds in which the module saw the mapping")
    wait_no_grants(60)


@case("canary", limit=400, everywhere=True)
def canary(lab):
    """A guest that keeps released pages sees and changes its own old buffer only, whether
    pages return to the kernel or to a pool of the exporter's (I2, R25)."""
    load_pool()
    run_module(lab, ("udmabuf", "pool"), ROUNDS, 150)


@case("canary-ttm", limit=400, slow=True)
def canary_ttm(lab):
    """The same with an exporter that has a GPU driver's habits: a pool of write-combined
    blocks, and buffers that are moved from video memory when they are granted."""
    dom0.sh(f"[ -e /dev/lab-dmabuf-ttm ] || insmod {RUN}/lab-dmabuf-ttm.ko")
    try:
        run_module(lab, ("ttm", "vram"), TTM_ROUNDS, 150, TTM_PAGES)
    finally:
        dom0.sh("rmmod lab_dmabuf_ttm", check=False)


@case("canary-long", limit=3600, boots=PV, long=True)
def canary_long(lab):
    """The same, 10,000 rounds with each exporter."""
    load_pool()
    run_module(lab, ("udmabuf", "pool"), MANY_ROUNDS, 1700)


@case("canary-gntdev", limit=400, boots=("gntdev",), slow=True)
def canary_gntdev(lab):
    """gntdev releases a buffer that the guest still has mapped. Pages that return to the
    kernel are safe; those of an exporter's pool are not, and the guest reads and writes
    what is there next. This is why gntdev has to be asked for."""
    load_pool()
    safe = run(lab, "gntdev", "udmabuf", GNTDEV_ROUNDS, 150)
    lab.equal((safe["foreign"], safe["damaged"]), (0, 0), f"pages of the kernel: {safe}")
    unsafe = run(lab, "gntdev", "pool", GNTDEV_ROUNDS, 150)
    lab.require(unsafe["foreign"] and unsafe["damaged"],
                f"gntdev protects the pages of a pool: docs/threat-model.md is wrong: {unsafe}")
    lab.drop_guest()
