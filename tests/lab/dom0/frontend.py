# SPDX-License-Identifier: GPL-2.0-or-later
"""A hostile frontend in a guest: the program rawfront, in place of our driver."""

from blobs import KIB, Blob, wait_granted, wait_no_grants
from lab import unload_driver

CONNECTED, CLOSING, CLOSED = 4, 5, 6        # states of xenbus
MODULES = ("xen-gntdev", "xen-gntalloc", "xen-evtchn", "xen-privcmd unrestricted=1")


class Front:
    """rawfront; guest/rawfront/main.c lists its commands."""

    def __init__(self, guest):
        self.guest = guest
        unload_driver(guest)
        guest.run("; ".join(f"modprobe {m}" for m in MODULES))
        guest.spawn_quiet("front", "rawfront")
        self.pid = self.ask("stats")["pid"]

    def ask(self, line, seconds=30):
        return self.guest.ask("front", line, seconds)

    def connect(self, nodes=""):
        """The state that QEMU enters."""
        return self.ask(f"connect {nodes}")["backend"]

    def vanish(self):
        """Kill it. Its mappings in the window stay, those elsewhere do not.

        Not by its name: to find that, killall reads /proc/PID/cmdline of all processes, which
        waits for those that wait for the GPU to map a blob."""
        self.guest.run(f"kill -9 {self.pid}; while [ -e /proc/{self.pid} ]; do sleep 0.1; done")

    def leave(self):
        """Unmap everything and close, as a driver does; then another may connect."""
        self.ask("drop")
        self.ask("node unmapped 1")
        self.ask(f"state {CLOSED}")
        self.ask("state 1")
        self.vanish()


def usable(lab, guest, front, seed, what):
    """Check that QEMU is alive and that an obedient frontend gets the next blob (I4)."""
    lab.require(guest.qmp("query-status")["running"], f"{what}: QEMU does not run")
    lab.equal(front.connect(), CONNECTED, f"{what}: QEMU's state afterwards")
    front.ask("policy")
    blob = Blob(guest, 64 * KIB, seed, name=f"next{seed}")
    wait_granted(guest, 16)
    blob.check_both_ways(lab, seed)
    blob.close()
    wait_no_grants()
