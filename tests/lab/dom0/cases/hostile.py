# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with a hostile GPU driver."""

import dom0
from blobs import resident_kib, wait_no_grants, window
from guest import GPU
from lab import case

DRIVER_OK = 0xf             # with the status bits that precede it
NEEDS_RESET = 0x40
NODATA = 0x1100             # VIRTIO_GPU_RESP_OK_NODATA
DISPLAY_INFO = 0x1101


@case("answer-into-device", limit=120)
def answer_into_device(lab):
    """The guest has the GPU write answers into its own registers. That must not reset the
    device in the middle of an answer, be it from the queue, our driver or a fence (I4)."""
    guest = lab.guest(driver=True, fresh=True)
    result = guest.json("rawgpu answer-into-device")
    lab.data.update(result)
    for name, one in (("unmap", result), ("fence", result.get("fenced")),
                      ("fence of a context", result.get("ring_fenced"))):
        lab.require(one is not None, f"{name}: not tried: {result}")
        lab.equal(one["status_before"], DRIVER_OK, f"{name}: status before")
        lab.equal(one["status_after"], DRIVER_OK, f"{name}: status after")
        lab.equal((one["answered"], one["type"]), (True, NODATA), f"{name}: answer")
        lab.require(one["alive"], f"{name}: the GPU no longer answers")
    lab.equal(window(guest)["grants"], 1, "blobs granted, so that the unmap was parked")
    wait_no_grants()
    lab.drop_guest()


@case("raw-reset", limit=240)
def raw_reset(lab):
    """A reset with 500 blobs mapped, without unmapping them, leaves nothing behind (I8)."""
    guest = lab.guest(driver=True, fresh=True)
    result = guest.json("rawgpu reset-mapped 500", 200)
    lab.data.update(result)
    lab.equal(result["mapped"], 500, "blobs")
    lab.equal(window(guest)["grants"], 500, "blobs granted")
    wait_no_grants()
    lab.equal(window(guest)["blobs"], [], "blobs in the window")
    lab.drop_guest()


@case("request-in-blob", limit=400, slow=True)
def request_in_blob(lab):
    """A request and its answer may lie in a blob, trapped or granted. One that is too large
    breaks the device until it is reset, and nothing else (I4)."""
    for driver in (False, True):
        guest = lab.guest(driver=driver, fresh=True)
        for kib in (4, 8, 1024):
            result = guest.json(f"rawgpu in-blob {kib}", 90)
            lab.data[f"{kib} KiB, {'granted' if driver else 'trapped'}"] = result["ms"]
            lab.equal((result["answered"], result["type"], result["status"]),
                      (True, DISPLAY_INFO, DRIVER_OK), f"{kib} KiB: answer, status")
        lab.equal(window(guest)["grants"], 3 if driver else 0, "blobs granted")
    # QEMU reads 16 MiB of it, eight bytes at a time, before it says no, and the CPU waits.
    guest.run("echo 60 >/proc/sys/kernel/watchdog_thresh")
    result = guest.json(f"rawgpu in-blob {20 << 10}", 150)
    lab.data["20480 KiB, refused"] = result["ms"]
    lab.equal((result["answered"], result["status"], result["alive"]),
              (False, DRIVER_OK | NEEDS_RESET, True), "20 MiB: answered, status, alive then")
    lab.require("bogus descriptor" in guest.qemu_log(), "the log does not say why")
    lab.drop_guest()


@case("request-in-blob-off", limit=200, slow=True)
def request_in_blob_off(lab):
    """The same as QEMU does it without us, where each blob is RAM to QEMU."""
    guest = lab.guest(driver=False, fresh=True, gpu=GPU + ",xen-hostmem=off")
    # One only: a reset with a blob mapped, and then a map with its ID, end QEMU 10.x.
    result = guest.json("rawgpu in-blob 64", 90)
    lab.data["ms"] = result["ms"]
    lab.equal((result["answered"], result["type"], result["status"]),
              (True, DISPLAY_INFO, DRIVER_OK), "answer, status")
    lab.drop_guest()


@case("ring-gone", limit=120, slow=True)
def ring_gone(lab):
    """Each part of the GPU's queue is where the guest has no memory: QEMU reads nothing there,
    what it writes is lost, and after a reset the GPU works (I4)."""
    guest = lab.guest(driver=False, fresh=True)
    pid = guest.qemu_pid()
    guest.run("modprobe xen-privcmd unrestricted=1")
    result = guest.json("rawgpu ring-gone", 60)
    lab.equal((result["parts"], result["alive"]), (3, True), "parts of the queue, GPU alive")
    lab.require(guest.qmp("query-status")["running"], "QEMU does not run")
    lab.equal(guest.qemu_pid(), pid, "QEMU's process")
    lab.drop_guest()


def foreign_mappings(guest):
    """How many mappings of the guest's memory QEMU has."""
    return int(dom0.sh(f"grep -c privcmd /proc/{guest.qemu_pid()}/maps", check=False))


@case("reset-backed", limit=300, slow=True)
def reset_backed(lab):
    """A reset unmaps the guest's memory that resources consist of. Else it would stay in
    QEMU's map cache, also when the guest gives it back to Xen (I8)."""
    guest = lab.guest(driver=True, fresh=True)
    before = foreign_mappings(guest)
    lab.data.update(guest.json("rawgpu reset-backed 100", 200))
    lab.data["mappings"] = [before, foreign_mappings(guest)]
    # Ballooning has Xen invalidate the map cache.
    dom0.sh(f"xl mem-set {guest.name} 760")
    dom0.wait_for("QEMU has unmapped the guest's memory",
                  lambda: foreign_mappings(guest) <= before + 8, 30)
    lab.data["mappings"].append(foreign_mappings(guest))
    lab.checks += 1
    lab.drop_guest()


@case("refused-resources", limit=180, slow=True)
def refused_resources(lab):
    """A resource that the renderer refuses is answered with an error, and QEMU keeps nothing of
    it."""
    guest = lab.guest(driver=True, fresh=True)
    result = guest.json("rawgpu refused 100", 150)
    lab.equal((result["refused"], result["alive"]), (200, True), "refused resources")
    lab.drop_guest()


@case("blob-backings", limit=300, slow=True)
def blob_backings(lab):
    """The backing of a blob of guest memory is detached, or another is attached, before a reset
    or an UNREF: it is freed once, and nothing stays in QEMU (I8)."""
    guest = lab.guest(driver=True, fresh=True)
    sizes = [resident_kib(guest)]
    for resets, unrefs in ((30, 100), (30, 100), (1, 1500)):
        result = guest.json(f"rawgpu blob-backings {resets} {unrefs}", 150)
        lab.require(result["alive"], f"the GPU no longer answers: {result}")
        sizes.append(resident_kib(guest))
    lab.data["sizes_kib"] = sizes
    # One address for each of 250 entries would be 3 MB here.
    lab.require(sizes[-1] - sizes[-2] < 2048, f"QEMU's memory in KiB: {sizes}")
    lab.drop_guest()