# SPDX-License-Identifier: GPL-2.0-or-later
"""Ends of every kind: nothing is left that Xen or Linux lets us free (I8)."""

import dom0
from blobs import MIB, Blob, granted_pages, wait_no_grants
from lab import case, load_driver, unload_driver

NODES = "/local/domain/0/backend/hostmem"


def has_backend(domid):
    """The device's own node; QEMU leaves an empty folder above, for the next sweep."""
    return dom0.store(f"{NODES}/{domid}/0/state") is not None


@case("reload", limit=240)
def reload(lab):
    """The driver goes and comes with a blob mapped: its words stay (R19, R20)."""
    guest = lab.guest(driver=True)
    blob = Blob(guest, MIB, 71)
    unload_driver(guest)
    lab.equal(granted_pages(guest), 0, "granted pages without the driver")
    wait_no_grants()
    lab.equal(blob.ask("sample 71 16")["mismatches"], 0, "words, trapped")
    load_driver(guest)
    dom0.wait_for("the blob is granted again",
                  lambda: granted_pages(guest) == MIB // 4096, 20)
    lab.equal(blob.ask("verify 71")["mismatches"], 0, "words, granted again")
    blob.close()
    wait_no_grants()


@case("destroy", limit=240)
def destroy(lab):
    """xl destroy with a blob granted: no grant, buffer or node is left."""
    guest = lab.guest(driver=True)
    Blob(guest, 16 * MIB, 72)
    lab.equal(granted_pages(guest), 4096, "granted pages")
    domid = str(guest.domid)
    lab.require(has_backend(domid), "no backend node while the guest runs")
    lab.drop_guest()
    wait_no_grants()
    lab.require(not has_backend(domid), f"node of {domid} left")


@case("kill-qemu", limit=300)
def kill_qemu(lab):
    """kill -9 of QEMU: pages are held until the guest is gone; nodes are swept."""
    guest = lab.guest(driver=True)
    Blob(guest, MIB, 73)
    domid = str(guest.domid)
    dom0.sh(f"kill -9 {guest.qemu_pid()}")
    dom0.wait_for("the module keeps what the guest has mapped",
                  lambda: dom0.counters().get("pending"), 20)
    lab.require(dom0.counters()["references"] >= 1, f"{dom0.counters()}")
    lab.drop_guest()
    wait_no_grants(60)
    lab.guest(driver=False, fresh=True)
    nodes = dom0.sh(f"xenstore-list {NODES}").split()
    lab.require(domid not in nodes, f"node of {domid} not swept: {nodes}")


@case("reboot", limit=300)
def reboot(lab):
    """A reboot with a blob mapped: the next kernel finds a window as good as new."""
    guest = lab.guest(driver=True, on_reboot="restart")
    Blob(guest, MIB, 74)
    guest.reboot()
    wait_no_grants()
    load_driver(guest)
    blob = Blob(guest, MIB, 75)
    lab.equal(granted_pages(guest), MIB // 4096, "granted pages after the reboot")
    blob.check_both_ways(lab, 75)
    blob.close()


@case("grantcheck", limit=400)
def grantcheck(lab):
    """The module by itself, every size and every error, in a fragmented dom0 (I2)."""
    lab.drop_guest()
    lab.alive()
    dom0.load_module()
    result = dom0.tool_json(f"{dom0.RUN}/grantcheck", 380)
    lab.equal(result["failed"], 0, f"grantcheck: {result}")
    lab.require(result["passed"] > 30, f"grantcheck: {result}")
    lab.data.update(result)
