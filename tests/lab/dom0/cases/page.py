# SPDX-License-Identifier: GPL-2.0-or-later
"""The example of the user documentation, exactly as it is there."""

import os
import re

import dom0
import screen
from blobs import KIB, Blob, memory_type
from cases.demo import CONSOLE, drawn
from dom0 import RUN, store
from lab import case, load_driver
from xl import XlGuest

PAGE = f"{RUN}/xen-virtio-gpu.rst"
# The path in the documentation; the lab's QEMU is in RUN.
DEVICE_MODEL = "/usr/local/bin/qemu-system-x86_64"
# What any guest needs in addition, and what the lab's guests need.
OWN = """\
name = "guest"
memory = 768
cpus = ["1"]
kernel = "{run}/vmlinuz"
ramdisk = "{run}/initrd.gz"
cmdline = "console=hvc0 mitigations=off {cmdline}"
"""


def block(title):
    """The literal block below a heading of the documentation."""
    with open(PAGE, encoding="utf-8") as f:
        text = f.read()
    return re.search(rf"\n{title}\n~+\n.*?::\n\n((?:(?:  [^\n]*)?\n)+)", text, re.S)[1]


class PageGuest(XlGuest):
    """Its options are those of the documentation, so it has no QMP socket and no trace."""

    def write_config(self):
        self.config = OWN.format(run=RUN, cmdline=CONSOLE) + \
            re.sub("^  ", "", block("xl"), flags=re.M)
        super().write_config()

    def picture(self):
        return screen.grab(("127.0.0.1", int(store(f"/local/domain/{self.domid}/console/vnc-port"))))


@case("page-xl", limit=240)
def page_xl(lab):
    """With the xl.cfg of the user documentation blobs are granted, the monitor says so, and
    the screen is on xl's VNC."""
    lab.drop_guest()
    lab.provide(True)
    dom0.sh("busybox ip link set lo up")
    if not os.path.exists(DEVICE_MODEL):
        os.symlink(f"{RUN}/qemu-system-x86_64", DEVICE_MODEL)
    guest = PageGuest()
    guest.create()
    lab.alive()
    load_driver(guest)
    guest.run("xen-hostmem-mtrr")
    blob = Blob(guest, 64 * KIB, 1)
    lab.equal(memory_type(guest), {"write-back"}, "memory type (R26)")
    said = dom0.sh("xl qemu-monitor-command guest 'info xen-hostmem'")
    lab.data["monitor"] = said
    for text in ("driver connected", "granted 64 KiB of a quota of 262144 KiB",
                 "64 KiB shared memory, cached, mapped"):
        lab.require(text in said, f"the monitor does not print '{text}': {said}")
    blob.close()
    guest.run("text=$(yes 'text on the screen' | head -n 30); echo \"$text\" >/dev/tty0", 60)
    dom0.wait_for("text on the guest's screen", lambda: drawn(guest), 120, 3)
    guest.destroy()
