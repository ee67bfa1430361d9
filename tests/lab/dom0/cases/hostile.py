# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose GPU driver is an attacker's."""

from blobs import wait_no_grants, window
from lab import case

DRIVER_OK = 0xf             # and all that comes before it
NODATA = 0x1100             # VIRTIO_GPU_RESP_OK_NODATA


@case("answer-into-device", limit=120)
def answer_into_device(lab):
    """Answers that the guest has written to the GPU's own registers: no reset in the middle
    of one, whether it comes from the queue, the guest's driver or a fence (I4)."""
    guest = lab.guest(driver=True, fresh=True)
    result = guest.json("rawgpu answer-into-device")
    lab.data.update(result)
    for name, one in (("unmap", result), ("fence", result.get("fenced")),
                      ("fence of a context", result.get("ring_fenced"))):
        lab.require(one is not None, f"{name}: was not tried: {result}")
        lab.equal(one["status_before"], DRIVER_OK, f"{name}: status before")
        lab.equal(one["status_after"], DRIVER_OK, f"{name}: status after")
        lab.equal((one["answered"], one["type"]), (True, NODATA), f"{name}: answer")
        lab.require(one["alive"], f"{name}: the GPU answers nothing any more")
    lab.equal(window(guest)["grants"], 1, "blobs granted: the unmap was a parked one")
    wait_no_grants()
    lab.drop_guest()


@case("raw-reset", limit=240)
def raw_reset(lab):
    """A reset with 500 blobs mapped, and no word before: nothing is left (I8)."""
    guest = lab.guest(driver=True, fresh=True)
    result = guest.json("rawgpu reset-mapped 500", 200)
    lab.data.update(result)
    lab.equal(result["mapped"], 500, "blobs")
    lab.equal(window(guest)["grants"], 500, "blobs granted")
    wait_no_grants()
    lab.equal(window(guest)["blobs"], [], "blobs in the window")
    lab.drop_guest()
