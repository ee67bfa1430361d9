# SPDX-License-Identifier: GPL-2.0-or-later
"""The facts about dom0. Nothing is judged here."""

import json
import re
from dataclasses import dataclass, field

from . import guestconfig, xlcfg

MODULE = "/sys/module/xen_dmabuf_grant"
UDMABUF = "/sys/module/udmabuf"
LOGS = "/var/log/xen/qemu-dm-*.log"
NODES = "/local/domain/0/backend/hostmem"
# Where virglrenderer installs its render server below its prefix
# (hw/display/virtio-gpu-render-server.c)
SERVERS = [f"/{prefix}/{folder}/virgl_render_server" for prefix in ("usr", "usr/local")
           for folder in ("libexec", "lib")]
# Of the Debian package, and of "make install" of QEMU
QEMUS = ("/usr/bin/qemu-system-x86_64-xen-hostmem", "/usr/local/bin/qemu-system-x86_64")
AT_BOOT = ("/etc/modules", "/etc/modules-load.d/*.conf", "/usr/lib/modules-load.d/*.conf",
           "/usr/local/lib/modules-load.d/*.conf", "/run/modules-load.d/*.conf")


@dataclass
class RenderNode:
    path: str
    driver: str                 # amdgpu, i915, …; vgem is rendering in software


@dataclass
class Dom0:
    uid: int = 0
    release: str = ""
    guest_type: str = None      # of dom0 itself: PV, PVH
    cpu: str = None             # vendor
    memory_kib: int = 0
    toolstack: str = ""         # why xl does not answer; "" if it does
    xen: dict = field(default_factory=dict)         # of "xl info"
    command_line: dict = field(default_factory=dict)
    domids: set = None          # of "xl list"; None if unknown
    guests: list = field(default_factory=list)      # GuestConfigs
    unreadable: list = field(default_factory=list)  # (path, why) of configurations
    default_maptrack: int = None                    # in xl.conf
    module: bool = False        # xen-dmabuf-grant is loaded
    device: bool = False        # and its device is there
    module_file: bool = False   # and is installed for this kernel
    parameters: dict = field(default_factory=dict)
    gntdev_dmabuf: bool = None  # whether the kernel's gntdev could; None if unknown
    udmabuf: bool = False
    udmabuf_file: bool = False
    udmabuf_is_module: bool = False
    udmabuf_limit_mib: int = None
    at_boot: set = field(default_factory=set)       # modules
    render_nodes: list = field(default_factory=list)
    server: str = None          # the render server
    icds: list = field(default_factory=list)        # Vulkan drivers, without .json
    files: dict = field(default_factory=dict)       # device models: executable or not
    qemu: str = QEMUS[-1]       # ours, where it is usually installed
    stale: list = field(default_factory=list)       # domains in xenstore that are gone
    logs: list = field(default_factory=list)        # (path, bytes)

    @property
    def served(self):
        """The guests to whom memory is to be granted."""
        return [g for g in self.guests if g.grants]


def options(line):
    """A command line, as Xen reads it: the last of the same name counts."""
    return {name: value for name, _equals, value in (w.partition("=") for w in line.split())}


def colon_lines(text):
    return {name.strip(): value.strip() for name, colon, value in
            (t.partition(":") for t in text.splitlines()) if colon}


def modules_at_boot(machine):
    found = set()
    for pattern in AT_BOOT:
        for path in machine.glob(pattern):
            lines = (machine.read(path) or "").splitlines()
            found |= {t.split()[0].replace("-", "_") for t in lines
                      if t.strip() and t.strip()[0] not in "#;"}
    return found


def has_module(machine, name):
    """Whether modprobe would find it."""
    text = machine.read(f"/lib/modules/{machine.release}/modules.dep") or ""
    pattern = re.sub("[-_]", "[-_]", name)
    return bool(re.search(rf"(^|/){pattern}\.ko[.a-z]*:", text, re.M))


def render_nodes(machine):
    found = []
    for path in machine.glob("/dev/dri/renderD*"):
        device = f"/sys/class/drm/{path.rpartition('/')[2]}/device"
        driver = machine.link(device + "/driver")
        # vgem has no driver, or newer Linux' one for all such devices: it is the device that
        # has the name.
        if driver in (None, "faux_driver"):
            driver = machine.link(device) or "unknown"
        found.append(RenderNode(path, driver))
    return [RenderNode(n.path, "vgem") if n.driver.startswith("vgem") else n for n in found]


def kernel_has_gntdev_dmabuf(machine):
    text = machine.read(f"/boot/config-{machine.release}")
    return None if text is None else all(
        f"CONFIG_{name}=y" in text for name in ("XEN_GNTDEV_DMABUF", "XEN_GRANT_DMA_ALLOC"))


def running_guests(machine):
    """(GuestConfigs, why they are not known or "")"""
    status, text = machine.run(["xl", "list", "-l"])
    if status:
        return [], (text.strip().splitlines() or [f"exit {status}"])[0]
    try:
        return [guestconfig.from_libxl(d["domid"], d["config"])
                for d in json.loads(text) if d["domid"] != 0], ""
    except (ValueError, KeyError, TypeError, AttributeError) as why:
        return [], f"not what is expected: {why!r}"


def domain_ids(machine):
    """IDs of all domains, or None."""
    status, text = machine.run(["xl", "list"])
    ids = re.findall(r"^.+?\s+(\d+)\s+\d+\s+\d+\s+[-a-z]+\s+[\d.]+\s*$", text, re.M)
    return set(map(int, ids)) if status == 0 and ids else None


def configured_guests(machine, paths):
    """(GuestConfigs, [(path, why it cannot be read)])"""
    guests, wrong = [], []
    for path in paths:
        text = machine.read(path)
        try:
            if text is None:
                raise xlcfg.Invalid("it cannot be opened")
            guests.append(guestconfig.from_xlcfg(text, path))
        except xlcfg.Invalid as why:
            wrong.append((path, str(why)))
    return guests, wrong


def default_maptrack(machine):
    try:
        value = xlcfg.parse(machine.read("/etc/xen/xl.conf") or "").get("max_maptrack_frames")
    except xlcfg.Invalid:
        return None
    return value if isinstance(value, int) else None


def stale_nodes(machine, domids):
    """Domains that have a hostmem backend in xenstore and do not exist. QEMU leaves the empty
    parent of a node until the next one starts; that is not counted."""
    status, text = machine.run(["xenstore-ls", "-f", NODES])
    if status or domids is None:
        return []
    nodes = re.findall(rf"^{NODES}/(\d+)/\d+/state = ", text, re.M)
    return sorted({int(n) for n in nodes} - domids)


def collect_xen(machine, facts):
    status, text = machine.run(["xl", "info"])
    if status:
        facts.toolstack = (text.strip().splitlines() or [f"exit {status}"])[0]
        return
    facts.xen = colon_lines(text)
    facts.command_line = options(facts.xen.get("xen_commandline", ""))
    facts.guests, why = running_guests(machine)
    if why:
        facts.unreadable.append(("xl list -l", why))
    facts.domids = domain_ids(machine)
    facts.default_maptrack = default_maptrack(machine)
    facts.stale = stale_nodes(machine, facts.domids)


def collect_modules(machine, facts):
    facts.module = machine.exists(MODULE)
    facts.device = machine.exists("/dev/xen/dmabuf-grant")
    facts.module_file = has_module(machine, "xen-dmabuf-grant")
    facts.parameters = {path.rpartition("/")[2]: machine.number(path)
                        for path in machine.glob(MODULE + "/parameters/*")}
    facts.gntdev_dmabuf = kernel_has_gntdev_dmabuf(machine)
    facts.udmabuf = machine.exists("/dev/udmabuf")
    facts.udmabuf_file = has_module(machine, "udmabuf")
    # Only what was loaded has a state.
    facts.udmabuf_is_module = machine.exists(UDMABUF + "/initstate")
    facts.udmabuf_limit_mib = machine.number(UDMABUF + "/parameters/size_limit_mb")
    facts.at_boot = modules_at_boot(machine)


def collect_renderer(machine, facts):
    facts.render_nodes = render_nodes(machine)
    named = machine.environ.get("RENDER_SERVER_EXEC_PATH")
    facts.server = next((p for p in ([named] if named else SERVERS) if machine.executable(p)), None)
    facts.icds = [path.rpartition("/")[2].removesuffix(".json") for folder in ("usr/share", "etc")
                  for path in machine.glob(f"/{folder}/vulkan/icd.d/*.json")]


def collect(machine, configs=None):
    """Examine dom0, its running guests and those of the configurations (by default, those in
    /etc/xen)."""
    facts = Dom0(uid=machine.uid, release=machine.release)
    facts.guest_type = machine.word("/sys/hypervisor/guest_type")
    cpu = re.search(r"^vendor_id\s*:\s*(\S+)", machine.read("/proc/cpuinfo") or "", re.M)
    facts.cpu = cpu and cpu[1]
    total = re.search(r"^MemTotal:\s*(\d+) kB", machine.read("/proc/meminfo") or "", re.M)
    facts.memory_kib = int(total[1]) if total else 0
    collect_xen(machine, facts)
    collect_modules(machine, facts)
    collect_renderer(machine, facts)
    if configs is None:
        configs = machine.glob("/etc/xen/*.cfg")
    more, wrong = configured_guests(machine, configs)
    facts.unreadable += wrong
    running = {g.name for g in facts.guests}
    facts.guests += [g for g in more if g.name not in running]
    facts.files = {g.device_model: machine.executable(g.device_model)
                   for g in facts.guests if g.device_model}
    facts.qemu = next((q for q in QEMUS if machine.executable(q)), facts.qemu)
    facts.logs = [(path, machine.size(path)) for path in machine.glob(LOGS)]
    return facts
