# SPDX-License-Identifier: GPL-2.0-or-later
"""What is judged in a guest. Facts: guest.Guest."""

import re

from .dom0_checks import dotted, version
from .finding import Checks, note, ok, problem, unknown
from .guest import CONTEXT_INIT, PROGRAM, RESOURCE_BLOB, VIRGL
from .units import KIB, show

CHECKS = Checks()
check = CHECKS.check

OLDEST_LINUX = (6, 1)
DEVICE_LINE = '"-device", "virtio-gpu-gl-pci,blob=on,hostmem=256M,venus=on"  in ' \
    "device_model_args_hvm of the guest's xl.cfg"
LOG = "dmesg | grep -i hostmem"


@check("root")
def root(facts):
    """Configuration space and debugfs can be read by root only."""
    if facts.uid != 0:
        yield unknown("not run as root, so the window and its memory types cannot be examined",
                      "sudo xen-hostmem-check")


@check("guest-type")
def guest_type(facts):
    """Only HVM guests have a virtio GPU."""
    if facts.guest_type in ("HVM", None):
        yield ok("an HVM guest")
    else:
        yield problem(f"a {facts.guest_type} guest, which has no virtio GPU",
                      'type = "hvm"  in its xl.cfg')


@check("linux-version")
def linux_version(facts):
    """The driver compiles with Linux 6.1 and newer."""
    if version(facts.release) < OLDEST_LINUX:
        yield problem(f"Linux {facts.release} is older than {dotted(OLDEST_LINUX)}, with which "
                      "xen-hostmem does not compile", f"boot Linux {dotted(OLDEST_LINUX)} or newer")
    else:
        yield ok(f"Linux {facts.release}")


@check("gpu")
def gpu(facts):
    """The virtio GPU is there, with a driver."""
    if facts.gpu is None:
        yield problem("there is no virtio GPU", DEVICE_LINE)
    elif facts.gpu.driver is None:
        yield problem(f"the virtio GPU {facts.gpu.address} has no driver",
                      "modprobe virtio-pci virtio-gpu")
    elif not facts.render_nodes:
        yield problem("there is no render node: virtio-gpu does not drive the GPU",
                      "modprobe virtio-gpu; then: dmesg | grep -i virtio_gpu")
    else:
        yield ok(f"virtio GPU {facts.gpu.address}, " + ", ".join(facts.render_nodes))


def has(facts, bit):
    return facts.features is None or facts.features[bit:bit + 1] == "1"


@check("gpu-3d")
def gpu_3d(facts):
    """Blobs of the host need 3D."""
    if facts.gpu is None or facts.features is None:
        return
    if not has(facts, VIRGL):
        yield problem("the virtio GPU has no 3D, so it has no blobs of the host", DEVICE_LINE)
    elif not has(facts, CONTEXT_INIT):
        yield problem("the virtio GPU has one kind of context only, so there is no Vulkan",
                      DEVICE_LINE)


@check("blob")
def blob(facts):
    """Blobs are an option of the device."""
    if facts.gpu is not None and not has(facts, RESOURCE_BLOB):
        yield problem("the virtio GPU has no blobs", DEVICE_LINE)


@check("window")
def window(facts):
    """The GPU has a host visible window."""
    if facts.gpu is None or not facts.gpu.readable or not has(facts, RESOURCE_BLOB):
        return
    if facts.window:
        yield ok(f"window at {facts.window[0]:#x}, {show(facts.window[1])}")
    else:
        yield problem("the virtio GPU has no host visible window", DEVICE_LINE)


@check("device")
def device(facts):
    """QEMU offers to grant memory."""
    if facts.window and not facts.device:
        yield problem("QEMU offers no hostmem device, so all blobs are trapped",
                      "device_model_override in xl.cfg names a QEMU with xen-hostmem, and the GPU "
                      "device must not have xen-hostmem=off")


@check("driver")
def driver(facts):
    """The driver is loaded and has the device."""
    if not facts.device:
        return
    if facts.bound:
        yield ok("xen-hostmem is loaded")
    elif facts.module:
        yield problem("xen-hostmem is loaded, but not bound to its device",
                      "echo hostmem-0 >/sys/bus/xen/drivers/xen-hostmem/bind")
    elif facts.module_file:
        yield problem("xen-hostmem is not loaded, so all blobs are trapped and Vulkan hangs",
                      "modprobe xen-hostmem")
    else:
        yield problem(f"xen-hostmem is not installed for Linux {facts.release}, so all blobs are "
                      "trapped and Vulkan hangs", "make -C guest/linux modules modules_install && "
                      "depmod && modprobe xen-hostmem")


@check("connection")
def connection(facts):
    """Driver and QEMU agree."""
    if facts.bound and facts.state is not None and facts.state != "Connected":
        yield problem(f"the driver's state is {facts.state}, so all blobs are trapped",
                      f"{LOG}, and QEMU's log in dom0; often the versions differ")


def count(facts, name):
    m = re.search(rf"\b{name} (\d+)", facts.mappings or "")
    return int(m[1]) if m else 0


@check("maps")
def maps(facts):
    """What the driver counts."""
    if facts.mappings is None:
        return
    failures = count(facts, "failures")
    if failures:
        yield note(f"{failures} of the driver's maps have failed so far", LOG)
    yield ok(f"{count(facts, 'maps')} maps, {count(facts, 'unmaps')} unmaps")


@check("allow-exec")
def allow_exec(facts):
    """Xen ends a guest in which a program executes a granted page."""
    if facts.allow_exec:
        yield problem("xen-hostmem has allow_exec=1: who may open the render node can end this "
                      "guest", "remove allow_exec=1 from /etc/modprobe.d, then reload xen-hostmem")


@check("force-unbind")
def force_unbind(facts):
    """Vulkan programs do not survive an unbind."""
    if facts.force_unbind:
        yield problem("xen-hostmem has force_unbind=1: an unbind does not wait for programs, and "
                      "Vulkan programs hang afterwards",
                      "echo 0 >/sys/module/xen_hostmem/parameters/force_unbind")


@check("mtrr")
def mtrr(facts):
    """An uncachable MTRR makes cached blobs slow on AMD."""
    if not facts.window or not facts.bound:
        return
    if not facts.mtrr_known:
        yield unknown("/proc/mtrr cannot be read", "use a kernel with CONFIG_MTRR")
    elif facts.mtrr:
        registers = ", ".join(f"reg{n:02}" for n in facts.mtrr)
        yield problem(f"{registers} of /proc/mtrr makes the window uncachable", PROGRAM)
    else:
        yield ok("no MTRR makes the window uncachable")


@check("mtrr-rule")
def mtrr_rule(facts):
    """udev calls the program when the device appears."""
    if not facts.device:
        return
    if not facts.mtrr_program:
        yield problem(f"{PROGRAM} is missing, so the window is uncachable after a boot",
                      f"install -D -m 755 guest/linux/mtrr/xen-hostmem-mtrr {PROGRAM}")
    elif not facts.mtrr_rule:
        yield problem("udev has no rule for xen-hostmem, so the window is uncachable after a boot",
                      "install -D -m 644 guest/linux/mtrr/60-xen-hostmem.rules "
                      "/etc/udev/rules.d/60-xen-hostmem.rules && udevadm control --reload")


@check("memory-type")
def memory_type(facts):
    """The type that Linux chose for each mapping of the window."""
    if not facts.window:
        return
    if facts.types is None:
        yield note("the memory types of mappings cannot be read",
                   "mount -t debugfs debug /sys/kernel/debug")
        return
    for offset, size, kind in facts.types:
        place = f"offset {offset:#x}, {size // KIB} KiB: {kind}"
        # With an MTRR in the way, that is the cause and is named already.
        if kind != "uncached-minus":
            yield ok(place)
        elif facts.mtrr or not facts.bound:
            yield note(place)
        else:
            yield problem(f"{place}: it was mapped before the MTRR was removed",
                          "start the program that has mapped it anew")


@check("mesa-venus")
def mesa_venus(facts):
    """Vulkan in the guest is Mesa's Venus."""
    if facts.venus:
        yield ok("Mesa's Venus is installed")
    else:
        yield problem("Mesa's Venus is not installed, so there is no Vulkan",
                      "apt install mesa-vulkan-drivers")
