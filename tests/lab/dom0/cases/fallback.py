# SPDX-License-Identifier: GPL-2.0-or-later
"""Blobs that cannot be granted are trapped, with a reason (I5); bad options are refused."""

import os

import dom0
from blobs import KIB, MIB, Blob, reasons, truncate_shared_memory, wait_granted
from lab import case

UDMABUF_LIMIT = "/sys/module/udmabuf/parameters/size_limit_mb"


@case("no-provider", limit=300)
def no_provider(lab):
    """If dom0's kernel has no provider, blobs are trapped and the log names the module."""
    guest = lab.guest(driver=True, provider=False)
    blob = Blob(guest, 16 * KIB, 61)
    blob.check_both_ways(lab, 61)
    lab.require("no-provider" in reasons(guest), f"reasons: {reasons(guest)}")
    lab.require("xen-dmabuf-grant" in guest.qemu_log(), "the log does not name the module")
    blob.close()


@case("udmabuf-limit", limit=240)
def udmabuf_limit(lab):
    """A blob that is too large for udmabuf is trapped, and the log names the limit."""
    guest = lab.guest(driver=True)
    old = dom0.sh(f"cat {UDMABUF_LIMIT}").strip()
    dom0.sh(f"echo 1 >{UDMABUF_LIMIT}")
    try:
        blob = Blob(guest, 2 * MIB, 62, fill=False)
    finally:
        dom0.sh(f"echo {old} >{UDMABUF_LIMIT}")
    lab.require("udmabuf-failed" in reasons(guest), f"reasons: {reasons(guest)}")
    lab.require("udmabuf.size_limit_mb" in guest.qemu_log(), "the log does not name the limit")
    blob.ask("scatter 62 16")
    lab.equal(blob.ask("sample 62 16")["mismatches"], 0, "sampled words")
    wait_granted(guest, 512, 40)            # automatically: the old limit is back
    lab.equal(blob.ask("sample 62 16")["mismatches"], 0, "the same words, granted")
    blob.close()


@case("no-udmabuf", limit=240)
def no_udmabuf(lab):
    """If dom0 has no /dev/udmabuf, blobs are trapped and the log names the module. QEMU
    survives when their memory vanishes."""
    lab.drop_guest()
    dom0.sh("mv /dev/udmabuf /dev/udmabuf.away")
    try:
        guest = lab.guest(driver=True, fresh=True)
        blob = Blob(guest, 16 * KIB, 63)
    finally:
        dom0.sh("mv /dev/udmabuf.away /dev/udmabuf")
    lab.equal(blob.facts["mismatches"], 0, "words")
    lab.require("no-udmabuf" in reasons(guest), f"reasons: {reasons(guest)}")
    # Trapped memory may vanish, which would kill a QEMU that is not prepared for it (I4).
    truncate_shared_memory(guest)
    blob.ask("scatter 63 8")
    blob.ask("sample 63 8")
    lab.require(guest.qmp("query-status")["running"], "QEMU does not run")
    lab.drop_guest()


def refused(lab, says, **options):
    """Check that xl create fails and that QEMU's log contains `says`."""
    lab.drop_guest()
    guest = lab.unborn_guest(**options)
    lab.alive()
    output = guest.create_fails()
    lab.require(says in guest.qemu_log(), f"QEMU's log does not contain '{says}': "
                f"{guest.qemu_log()[-600:]} {output[-300:]}")


@case("hostmem-without-blob", limit=120)
def hostmem_without_blob(lab):
    """hostmem without blob=on is refused at start, with advice."""
    refused(lab, "add blob=on", gpu="virtio-gpu-gl-pci,hostmem=256M")


# xl reads the node, too, but not in these seconds. It also starts a QEMU only to ask for
# its features, which must not change the node.
ELSEWHERE = f"""#!/bin/sh
case "$*" in
*-xen-domid*)
    xenstore-write /local/domain/0/domid 7
    (sleep 8; xenstore-write /local/domain/0/domid 0) >/dev/null 2>&1 &
esac
exec {dom0.RUN}/qemu-system-x86_64 "$@"
"""


@case("backend-domain", limit=120)
def backend_domain(lab):
    """A QEMU that, by its xenstore node, does not run in dom0 is refused."""
    wrapper = f"{dom0.RUN}/qemu-elsewhere"
    with open(wrapper, "w", encoding="ascii") as f:
        f.write(ELSEWHERE)
    os.chmod(wrapper, 0o755)
    try:
        refused(lab, "add xen-hostmem=off", device_model=wrapper)
    finally:
        dom0.sh("sleep 8; xenstore-write /local/domain/0/domid 0")


@case("no-render-node", limit=120)
def no_render_node(lab):
    """A render node that does not exist is refused at start."""
    refused(lab, "no drm render node available", display="egl-headless,rendernode=/dev/dri/renderD200")
