# SPDX-License-Identifier: GPL-2.0-or-later
"""The registry of cases, and the object that each case works with."""

import dom0
from dom0 import Failed, Skipped
from guest import GPU
from kvm import KvmGuest
from xl import XlGuest

CASES = {}
# Boots with our module in dom0: a PV dom0, and a PVH dom0
PV = ("module",)
PVH = ("pvh",)
# A hypervisor that the user has built with our patches; only if it is named
PATCHED = ("patched",)


class Case:
    def __init__(self, function, name, limit, boots, *, slow=False, everywhere=False,
                 long=False):
        self.function, self.name, self.limit, self.boots = function, name, limit, boots
        self.slow, self.everywhere, self.long = slow or long, everywhere, long


def case(name, limit=120, boots=PV + PVH, **marks):
    """Register a case, with its time limit in seconds and the boots that it makes sense in.
    `make check` runs it unless it is marked slow, and only in the first of these boots unless
    it is marked everywhere; `make check-all` runs each case in all of its boots, but those
    that are marked long: for these, there is `make check-long`."""
    def register(function):
        assert name not in CASES and function.__doc__
        CASES[name] = Case(function, name, limit, boots, **marks)
        return function
    return register


class Lab:
    """One boot of dom0, or of a host with KVM. Cases share a guest while it is usable."""

    def __init__(self, boot, kvm, software):
        self.boot, self.kvm, self.software = boot, kvm, software
        self.make = KvmGuest if kvm else XlGuest
        self._guest = None
        self._options = None
        self.begin()

    def begin(self):
        """Before each case."""
        self.lives = 0
        self.checks = 0
        self.expected = []      # patterns of log lines that the case provokes
        self.data = {}

    def alive(self):
        """Record a sign of life: the thing under test has started to respond."""
        self.lives += 1

    def require(self, condition, text):
        """Fail with this text unless the condition holds."""
        self.checks += 1
        if not condition:
            raise Failed(text)

    def equal(self, value, wanted, text):
        self.require(value == wanted, f"{text}: {value!r}, expected {wanted!r}")

    def skip(self, reason):
        raise Skipped(reason)

    def guest(self, driver, fresh=False, provider=True, **options):
        """A running guest with the given options, with our driver loaded or unloaded."""
        if self.boot == "gntdev":
            options.setdefault("gpu", GPU + ",xen-hostmem-provider=gntdev")
        wanted = (provider, options)
        if fresh or wanted != self._options or not self._fit():
            self.drop_guest()
            self.provide(provider)
            self._guest = self.make(**options)
            self._options = wanted
            self._guest.create()
        self.alive()
        if self.kvm:
            return self._guest
        if driver:
            load_driver(self._guest)
        else:
            unload_driver(self._guest)
        return self._guest

    def another_guest(self, name="other", cpu=2, **options):
        """A guest beside that of guest(); neither is reused by the next case."""
        other = self.make(name=name, cpu=cpu, **options).create()
        self._options = None
        return other

    def unborn_guest(self, **options):
        """A guest that is configured but not created."""
        self.drop_guest()
        return self.make(**options)

    def provide(self, provider):
        """Load or unload the module that grants dma-bufs. A boot with gntdev always has one."""
        if self.boot != "gntdev" and not self.kvm:
            (dom0.load_module if provider else dom0.unload_module)()

    def _fit(self):
        return self._guest is not None and self._guest.exists() and \
            self._guest.status("true", 10)[0] == 0

    def drop_guest(self):
        """Destroy the guest, so that the next case starts without it."""
        if self._guest is not None:
            self._guest.destroy()
        if self.kvm:
            dom0.sh("pkill -f qemu-system-x86_64", check=False)
        else:
            self._destroy_all()
        self._guest = self._options = None

    @staticmethod
    def _destroy_all():
        for domid in dom0.sh("xl list | awk 'NR > 1 && $2 > 0 { print $2 }'").split():
            dom0.sh(f"xl destroy {domid}", check=False)


FRONTEND = "device/hostmem/0/state"
CONNECTED = "4"


def load_driver(guest, seconds=30):
    """Load our driver by its alias, as udev does."""
    if guest.node(FRONTEND) == CONNECTED:
        return
    guest.run("xenbus=$(cat /sys/bus/xen/devices/hostmem-0/modalias) && modprobe $xenbus")
    dom0.wait_for("the guest's driver is connected (state 4 at " + FRONTEND + ")",
                  lambda: guest.node(FRONTEND) == CONNECTED, seconds)


def unload_driver(guest):
    """Unload our driver, whoever uses blobs; its module is in use while a device is bound
    to it."""
    guest.run("cd /sys/bus/xen/drivers/xen-hostmem 2>/dev/null || exit 0; "
              "echo 1 >/sys/module/xen_hostmem/parameters/force_unbind; "
              "if [ -e hostmem-0 ]; then echo hostmem-0 >unbind; fi; rmmod xen-hostmem", 60)
