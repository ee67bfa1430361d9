# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with a hostile GPU driver."""

from blobs import wait_no_grants, window
from lab import case

DRIVER_OK = 0xf             # with the status bits that precede it
NODATA = 0x1100             # VIRTIO_GPU_RESP_OK_NODATA


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
