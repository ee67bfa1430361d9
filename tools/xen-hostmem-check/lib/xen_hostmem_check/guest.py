# SPDX-License-Identifier: GPL-2.0-or-later
"""The facts about a guest, collected in the guest. Nothing is judged here."""

from dataclasses import dataclass, field

from . import memtype, pci
from .dom0 import has_module

DEVICE = "/sys/bus/xen/devices/hostmem-0"
MODULE = "/sys/module/xen_hostmem"
DEBUGFS = "/sys/kernel/debug"
PROGRAM = "/usr/libexec/xen-hostmem-mtrr"
RULE = "*xen-hostmem*.rules"     # a package may give it another number
# VIRTIO_GPU_F_…: numbers of feature bits (virtio specification, "GPU Device")
VIRGL, RESOURCE_BLOB, CONTEXT_INIT = 0, 3, 4
VENUS = "/usr/share/vulkan/icd.d/virtio_icd*.json"


@dataclass
class Guest:
    uid: int = 0
    release: str = ""
    guest_type: str = None
    gpus: list = field(default_factory=list)        # pci.Function
    features: str = None                            # of the virtio GPU, a string of bits
    render_nodes: list = field(default_factory=list)
    device: bool = False                            # QEMU offers a hostmem device
    state: str = None                               # of that device, such as Connected
    bound: bool = False
    module: bool = False
    module_file: bool = False
    allow_exec: bool = False
    force_unbind: bool = False
    mappings: str = None                            # the driver's debugfs file
    mtrr: list = field(default_factory=list)        # registers that make the window uncachable
    mtrr_known: bool = False
    types: list = None                              # memtype.mappings(); None if unknown
    mtrr_program: bool = False
    mtrr_rule: bool = False
    venus: bool = False

    @property
    def gpu(self):
        """The GPU with a window, or any."""
        return next((g for g in self.gpus if g.window), self.gpus[0] if self.gpus else None)

    @property
    def window(self):
        return self.gpu.window if self.gpu else None


def flag(machine, name):
    return machine.word(f"{MODULE}/parameters/{name}") == "Y"


def gpu_features(machine, gpu):
    if gpu is None:
        return None
    for path in machine.glob(f"/sys/bus/pci/devices/{gpu.address}/virtio*/features"):
        return machine.word(path)
    return None


def collect_memory_types(machine, facts):
    text = machine.read("/proc/mtrr")
    facts.mtrr_known = text is not None
    if not facts.window:
        return
    facts.mtrr = memtype.uncachable_registers(text or "", facts.window)
    listed = machine.read(DEBUGFS + "/x86/pat_memtype_list")
    facts.types = None if listed is None else memtype.mappings(listed, facts.window)


def collect(machine):
    """Examine the guest that this program runs in."""
    facts = Guest(uid=machine.uid, release=machine.release)
    facts.guest_type = machine.word("/sys/hypervisor/guest_type")
    facts.gpus = pci.gpus(machine)
    facts.features = gpu_features(machine, facts.gpu)
    facts.render_nodes = machine.glob("/dev/dri/renderD*")
    facts.device = machine.exists(DEVICE)
    facts.state = machine.word(DEVICE + "/state")
    facts.bound = machine.link(DEVICE + "/driver") == "xen-hostmem"
    facts.module = machine.exists(MODULE)
    facts.module_file = has_module(machine, "xen-hostmem")
    facts.allow_exec = flag(machine, "allow_exec")
    facts.force_unbind = flag(machine, "force_unbind")
    for path in machine.glob(DEBUGFS + "/xen-hostmem/*/mappings"):
        facts.mappings = machine.read(path)
    collect_memory_types(machine, facts)
    facts.mtrr_program = machine.executable(PROGRAM)
    facts.mtrr_rule = any(machine.glob(f"{folder}/udev/rules.d/{RULE}")
                          for folder in ("/etc", "/usr/lib", "/lib", "/run"))
    facts.venus = bool(machine.glob(VENUS))
    return facts
