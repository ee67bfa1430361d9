# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest cannot be saved. Whoever tries is told why, and the guest runs on as it was."""

import os
import time

import dom0
from blobs import KIB, MIB, Blob, granted_pages, wait_granted
from dom0 import RUN, Failed, wait_for
from lab import CONNECTED, FRONTEND, case

REASON = "cannot be saved or migrated"
FROZEN = "Freezing user space processes"
REFUSED = "suspend refused"


def count(guest, text):
    """How many lines of the guest's kernel log begin with it, or have it behind the name."""
    return int(guest.run(f"dmesg | grep -c '{text}' || true"))


def seen_by(guest):
    """What the guest and its driver are in the middle of."""
    return {"QEMU runs": guest.qmp("query-status")["running"],
            "driver": guest.node(FRONTEND),
            "connected": guest.qemu_log().count("xen_hostmem_arrived"),
            "granted": granted_pages(guest)}


def refused(lab, guest, command, seconds):
    """The command ends with an error within that time; what it said, and how long it took."""
    began = time.monotonic()
    output = dom0.sh(f"{command} 2>&1", timeout=seconds, check=False)
    lab.require("error" in output, f"{command} reports no error: {dom0.brief(output)}")
    lab.require(guest.exists(), f"{command} has ended the guest: {dom0.brief(output)}")
    return output, time.monotonic() - began


def works(lab, guest, seed):
    """A new blob is granted, and words go both ways."""
    before = granted_pages(guest)
    blob = Blob(guest, 64 * KIB, seed, name="new")
    lab.equal(granted_pages(guest) - before, 16, "granted pages of a new blob")
    blob.check_both_ways(lab, seed)
    blob.close()
    wait_granted(guest, before)


@case("save-refused", limit=240)
def save_refused(lab):
    """xl save and xl migrate fail with QEMU's reason; the guest does not notice."""
    guest = lab.guest(driver=True)
    blob = Blob(guest, MIB, 77, name="old")
    before, freezes = seen_by(guest), count(guest, FROZEN)
    target = f"{RUN}/saved"
    for command in (f"xl save {guest.domid} {target}",
                    f"xl migrate -s '' {guest.domid} 'xl migrate-receive'"):
        output, seconds = refused(lab, guest, command, 60)
        lab.require(REASON in output, f"{command} does not say why: {dom0.brief(output)}")
        lab.equal(seen_by(guest), before, f"the guest after {command}")
        lab.equal(count(guest, FROZEN), freezes, f"freezes after {command}")
        lab.data[command.split()[1]] = round(seconds, 1)
    os.unlink(target)
    blob.check_both_ways(lab, 77)
    works(lab, guest, 79)
    blob.close()


@case("save-blocked", limit=120)
def save_blocked(lab):
    """QEMU's own commands: both name the blocker, and nothing is written (QMP)."""
    guest = lab.guest(driver=False)
    target = f"{RUN}/state"
    for command, arguments in (("xen-save-devices-state", {"filename": target}),
                               ("xen-set-global-dirty-log", {"enable": True})):
        try:
            guest.qmp(command, **arguments)
            said = "nothing"
        except Failed as why:
            said = str(why)
        lab.require(REASON in said, f"{command} says {said}")
    lab.require(not os.path.exists(target), "a state was written")
    lab.require(any(REASON in r for r in guest.qmp("query-migrate")["blocked-reasons"]),
                f"{guest.qmp('query-migrate')}")
    lab.equal(guest.qmp("query-status")["status"], "running", "QEMU's state")


@case("suspend-refused", limit=300)
def suspend_refused(lab):
    """xl suspend: the guest's driver refuses before a device is frozen, and says so."""
    guest = lab.guest(driver=True)
    blob = Blob(guest, MIB, 81, name="old")
    before, refusals = seen_by(guest), count(guest, REFUSED)
    _output, seconds = refused(lab, guest, f"xl suspend {guest.domid}", 120)
    lab.equal(count(guest, REFUSED), refusals + 1, "refusals in the guest's log")
    lab.equal(seen_by(guest), before, "the guest after xl suspend")
    blob.check_both_ways(lab, 81)
    works(lab, guest, 83)
    # What an administrator would try next does no harm.
    dom0.sh(f"xl resume {guest.domid}", check=False)
    lab.equal(seen_by(guest), before, "the guest after xl resume")
    lab.equal(blob.ask("verify 82")["mismatches"], 0, "words after xl resume")
    blob.close()
    lab.data["seconds"] = round(seconds, 1)


@case("thaw", limit=240)
def thaw(lab):
    """Devices are frozen and thawed, as in a hibernation that is cancelled: the driver leaves,
    so that the image has no grants, and comes back (R27). Linux 7.x has no hibernation with
    such a GPU: nothing happens there."""
    guest = lab.guest(driver=True, fresh=True)
    blob = Blob(guest, MIB, 85, name="old")
    said = guest.run("echo devices >/sys/power/pm_test; echo disk >/sys/power/state || "
                     "dmesg | grep virtio_gpu_pm_notifier", 60)
    if "S4 not allowed" in said:
        lab.equal(guest.node(FRONTEND), CONNECTED, "the driver's state")
        lab.equal(blob.ask("verify 85")["mismatches"], 0, "words")
        lab.data["refused"] = True
        return
    wait_for("the driver is back", lambda: guest.node(FRONTEND) == CONNECTED and
             guest.qemu_log().count("xen_hostmem_arrived") == 2, 30)
    lab.require("xen_hostmem_left clean 1" in guest.qemu_log(), "the driver did not leave cleanly")
    lab.equal(granted_pages(guest), 0, "granted pages, of a GPU that was reset")
    lab.drop_guest()
