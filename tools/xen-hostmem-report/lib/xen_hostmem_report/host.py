# SPDX-License-Identifier: GPL-2.0-or-later
"""What both sides say about themselves: CPU, GPUs, versions. Only what is named here gets into a
report."""

import re

from xen_hostmem_check import dom0

# Of the firmware's tables: a machine that another program makes
VIRTUAL = re.compile(r"qemu|bochs|kvm|vmware|virtualbox|innotek|xen|parallels|bhyve|"
                     r"google compute|amazon ec2|virtual machine", re.I)
CPU_FIELDS = ("vendor_id", "model name", "cpu family", "model", "stepping", "microcode")
# Debian's names; on other systems what there is of them
PACKAGES = ("qemu-system-xen-hostmem", "qemu-system-xen", "libvirglrenderer1", "virgl-server",
            "mesa-vulkan-drivers", "libgl1-mesa-dri", "xen-hostmem-dom0-dkms",
            "xen-hostmem-guest-dkms", "virglrenderer", "mesa-vulkan", "qemu", "vkmark")


def cpu(machine):
    """Of the first processor."""
    first = (machine.read("/proc/cpuinfo") or "").partition("\n\n")[0]
    lines = dom0.colon_lines(first)
    found = {name.replace(" ", "_"): lines[name] for name in CPU_FIELDS if lines.get(name)}
    found["threads"] = len(re.findall(r"^processor\s*:", machine.read("/proc/cpuinfo") or "", re.M))
    return found


def kind(machine):
    """hardware, emulated (any machine that a program makes, so figures are not those of hardware)
    or unknown, of the machine that Xen runs on; so only dom0 can tell."""
    texts = [machine.word(f"/sys/class/dmi/id/{name}") or ""
             for name in ("sys_vendor", "product_name", "bios_vendor")]
    if not any(texts):
        return "unknown"
    return "emulated" if any(VIRTUAL.search(t) for t in texts) else "hardware"


def gpus(machine):
    """Those with a render node: driver and PCI IDs."""
    found = []
    for node in dom0.render_nodes(machine):
        device = f"/sys/class/drm/{node.path.rpartition('/')[2]}/device"
        ids = [(machine.word(f"{device}/{name}") or "").removeprefix("0x")
               for name in ("vendor", "device")]
        found.append({"driver": node.driver, "pci_id": ":".join(ids) if all(ids) else "none"})
    return found


def memory_mib(machine):
    m = re.search(r"^MemTotal:\s*(\d+) kB", machine.read("/proc/meminfo") or "", re.M)
    return int(m[1]) // 1024 if m else 0


def versions(machine):
    """Packages that matter, as far as the system's package manager has them."""
    found = {}
    status, text = machine.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *PACKAGES])
    if status == 127:
        status, text = machine.run(["rpm", "-q", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\\n",
                                    *PACKAGES])
    for line in text.splitlines():
        name, _space, version = line.partition(" ")
        if name in PACKAGES and version.strip() and " " not in version.strip():
            found[name] = version.strip()
    m = re.search(r'^PRETTY_NAME="?([^"\n]*)', machine.read("/etc/os-release") or "", re.M)
    return {"system": m[1] if m else "unknown", "linux": machine.release, **found}


def facts(machine):
    return {"cpu": cpu(machine), "memory_mib": memory_mib(machine), "gpus": gpus(machine),
            "versions": versions(machine)}


def last_lines(text, search, most=20):
    """The lines that match, at most the last ones, without what precedes the match's subject in
    a kernel's log (its time)."""
    return [re.sub(r"^\[\s*[\d.]+\] ", "", t)[:300]
            for t in text.splitlines() if re.search(search, t)][-most:]
