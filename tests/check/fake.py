# SPDX-License-Identifier: GPL-2.0-or-later
"""A healthy dom0 and a healthy guest as folders, with the output of their commands.

The shapes are those of the lab's dom0 and guest (Debian 13, Xen 4.20, Linux 6.12), and:
    xl info, xl list -l     tools/xl/xl_info.c and libxl_types.idl of Xen 4.20
    xenstore-ls -f          tools/xs-clients/xenstore_client.c of Xen 4.20
    /proc/mtrr              arch/x86/kernel/cpu/mtrr/if.c of Linux 6.12
    pat_memtype_list        memtype_seq_show(), arch/x86/mm/pat/memtype.c
    features                features_show(), drivers/virtio/virtio.c
    mappings                guest/linux/debugfs.c
    info xen-hostmem        hw/xen/hostmem/xen-hostmem-hmp-cmds.c"""

import copy
import json
import os
import shutil
import struct
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, "tools", "xen-hostmem-check", "lib"))
from xen_hostmem_check import main, output  # noqa: E402
from xen_hostmem_check.machine import Machine  # noqa: E402

RELEASE = "6.12.118+deb13-amd64"
QEMU = "/usr/local/bin/qemu-system-x86_64"
GPU = "virtio-gpu-gl-pci,blob=on,hostmem=256M,venus=on"
DISPLAY = "egl-headless,rendernode=/dev/dri/renderD128"

XL_INFO = """\
host                   : lab
release                : 6.12.118+deb13-amd64
version                : #1 SMP PREEMPT_DYNAMIC Debian 6.12.118-1 (2026-11-20)
machine                : x86_64
nr_cpus                : 3
max_cpu_id             : 2
nr_nodes               : 1
cores_per_socket       : 3
threads_per_core       : 1
cpu_mhz                : 2445.406
hw_caps                : 178bfbff:f6f83203:2e500800:000001f3:0000000f:209c01ab:00000000:00000000
virt_caps              : pv hvm hvm_directio pv_directio hap gnttab-v1 gnttab-v2
total_memory           : 16383
free_memory            : 8192
free_cpus              : 0
xen_major              : 4
xen_minor              : 20
xen_extra              : .5-pre
xen_version            : 4.20.5-pre
xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64
xen_scheduler          : credit2
xen_pagesize           : 4096
platform_params        : virt_start=0xffff800000000000
xen_changeset          :
xen_commandline        : dom0_mem=4G gnttab_max_frames=512 loglvl=info
cc_compiler            : x86_64-linux-gnu-gcc (Debian 14.2.0-19) 14.2.0
build_id               : 576c0736b3e38388c5afe9aaccc43a18d514e88e
xend_config_format     : 4
"""
XL_LIST = """\
Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0  4096     1     r-----     123.4
desktop                                      3   768     1     -b----      45.6
"""
XL_LIST_LONG = [
    {"domid": 0, "config": {"c_info": {"type": "pv", "name": "Domain-0"},
                            "b_info": {"max_memkb": 4194304, "target_memkb": 4194304}}},
    {"domid": 3, "config": {
        "c_info": {"type": "hvm", "hap": "<default>", "name": "desktop",
                   "uuid": "c1b1c3d4-0000-4000-8000-000000000001", "run_hotplug_scripts": "True"},
        "b_info": {"max_vcpus": 1, "avail_vcpus": [0], "tsc_mode": "native",
                   "max_memkb": 786432, "target_memkb": 786432, "video_memkb": 0,
                   "shadow_memkb": 4096, "device_model_version": "qemu_xen",
                   "device_model": QEMU, "dm_restrict": "<default>",
                   "extra_hvm": ["-display", DISPLAY, "-device", GPU],
                   "type.hvm": {"bios": "seabios", "vga": {"kind": "none"},
                                "vnc": {"enable": "True"}},
                   "arch_x86": {}},
        "on_reboot": "restart"}}]
NODES = """\
/local/domain/0/backend/hostmem/3 = ""
/local/domain/0/backend/hostmem/3/0 = ""
/local/domain/0/backend/hostmem/3/0/frontend = "/local/domain/3/device/hostmem/0"
/local/domain/0/backend/hostmem/3/0/frontend-id = "3"
/local/domain/0/backend/hostmem/3/0/hotplug-status = "connected"
/local/domain/0/backend/hostmem/3/0/online = "1"
/local/domain/0/backend/hostmem/3/0/state = "4"
/local/domain/0/backend/hostmem/3/0/versions = "1"
/local/domain/0/backend/hostmem/2 = ""
"""
# A guest that is configured and does not run: that of docs/system/xen-virtio-gpu.rst.
XL_CFG = f"""\
# A guest with a GPU
name = "games"
type = "hvm"
memory = 2048; vcpus = 2
vga = "none"
device_model_override = "{QEMU}"
device_model_args_hvm = [
  "-display", "egl-headless",
  "-device", "{GPU}" ]
"""
MODULES_DEP = """\
kernel/drivers/gpu/drm/vgem/vgem.ko.xz: kernel/drivers/gpu/drm/drm_shmem_helper.ko.xz
updates/dkms/{0}.ko.xz:
"""
MONITOR = """\
/machine/peripheral-anon/device[0]: window of 262144 KiB, policy auto, driver connected, \
provider xen-dmabuf-grant
  granted 10380 KiB of a quota of 262144 KiB, trapped 0 KiB
  blobs use 10380 KiB of host memory, and may use 524288 KiB; 0 were refused
  6 maps, 1 unmaps, 6 grants; trapped accesses: 0 reads, 0 writes, 0 outside any blob
  write-combined and uncached blobs are granted (CPU AuthenticAMD, paging hap)
  resource 3: offset 0x0, 132 KiB shared memory, cached, mapped
  resource 4: offset 0x21000, 8192 KiB shared memory, cached, mapped
  resource 5: offset 0x821000, 1024 KiB, write-combined, mapped
"""
WINDOW, WINDOW_SIZE = 0xe0000000, 256 << 20
MAPPINGS = """\
state Connected
window 0xe0000000 size 268435456
maps 6 live 0 unmaps 1 failures 0 unexpected 0
mapping 0 pages 33 held 0
"""
# hvmloader's registers, after xen-hostmem-mtrr has removed the window's
MTRR = """\
reg00: base=0x0f0000000 ( 3840MB), size=  256MB, count=1: uncachable
reg02: base=0x400000000 (16384MB), size= 8192MB, count=1: uncachable
"""
MTRR_OF_WINDOW = "reg01: base=0x0e0000000 ( 3584MB), size=  256MB, count=1: uncachable\n"
PAT = """\
PAT memtype list:
PAT: [mem 0x00000000000f0000-0x0000000000100000] write-back
PAT: [mem 0x00000000e0000000-0x00000000e0021000] write-back
PAT: [mem 0x00000000e0821000-0x00000000e0921000] write-combining
PAT: [mem 0x00000000fc000000-0x00000000fc001000] uncached-minus
"""
# VIRTIO_GPU_F_VIRGL, EDID, RESOURCE_BLOB, CONTEXT_INIT; VIRTIO_F_VERSION_1
FEATURES = "1101100000000000000000000000000010" + "0" * 30
GPU_PCI = "0000:00:05.0"


def capability_config(size=WINDOW_SIZE, kind=8):
    """A configuration space with a shared memory capability at 84, behind another at 64."""
    data = bytearray(256)
    data[0x34] = 64
    data[64:80] = bytes((9, 84, 16, 1)) + bytes(12)
    data[84:108] = struct.pack("<BBBBBBHIIII", 9, 0, 24, kind, 4, 1, 0, 0, size & 0xffffffff,
                               0, size >> 32)
    return bytes(data)


class Fake:
    """A machine in a folder. Tests change files and commands, then examine it."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="xen-hostmem-check-")
        self.commands = {}
        self.uid = 0
        self.release = RELEASE
        self.environ = {}
        self.arguments = ()         # that a test wants beside its own

    def examine_with(self, *arguments):
        self.arguments = arguments

    def close(self):
        shutil.rmtree(self.root)

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def write(self, name, data="", mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(path, mode)

    def replace(self, name, old, new):
        with open(self.path(name), encoding="utf-8") as f:
            text = f.read()
        assert old in text, f"{name} has no {old}"
        self.write(name, text.replace(old, new))

    def remove(self, name):
        path = self.path(name)
        (shutil.rmtree if os.path.isdir(path) and not os.path.islink(path) else os.remove)(path)

    def link(self, name, target):
        """A symbolic link to a folder of this machine, made if there is none."""
        os.makedirs(self.path(target), exist_ok=True)
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(os.path.relpath(self.path(target), os.path.dirname(path)), path)

    def say(self, command, text, status=0):
        self.commands[command] = status, text

    def run(self, command):
        return self.commands.get(" ".join(command), (127, f"no such program: {command[0]}"))

    def examine(self, *arguments):
        """What --json prints, parsed, and the exit status."""
        status, text = main.main([*arguments, "--json"], self.machine())
        return status, json.loads(text)

    def examine_text(self, *arguments):
        return main.main(list(arguments), self.machine())

    def machine(self):
        return Machine(self.root, self.run, self.release, self.uid, self.environ)


class FakeDom0(Fake):
    def __init__(self):
        super().__init__()
        self.domains = copy.deepcopy(XL_LIST_LONG)
        self.guest = self.domains[1]["config"]
        self.say("xl info", XL_INFO)
        self.say("xl list", XL_LIST)
        self.say("xenstore-ls -f /local/domain/0/backend/hostmem", NODES)
        self.update()
        self.kernel()
        self.programs()

    def update(self):
        """After a change of self.domains."""
        self.say("xl list -l", json.dumps(self.domains))

    def kernel(self):
        self.write("/sys/hypervisor/type", "xen\n")
        self.write("/sys/hypervisor/guest_type", "PV\n")
        self.write("/proc/xen/capabilities", "control_d\n")
        self.write("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\n")
        self.write("/proc/meminfo", "MemTotal:        4051032 kB\nMemFree:         1000000 kB\n")
        self.write(f"/boot/config-{RELEASE}", "CONFIG_UDMABUF=y\nCONFIG_XEN_GNTDEV=m\n"
                   "# CONFIG_XEN_GRANT_DMA_ALLOC is not set\n")
        self.write(f"/lib/modules/{RELEASE}/modules.dep", MODULES_DEP.format("xen-dmabuf-grant"))
        for name in ("peer_limit", "peer_small", "peer_pinned", "reserve"):
            self.write(f"/sys/module/xen_dmabuf_grant/parameters/{name}", "0\n")
        self.write("/sys/module/udmabuf/parameters/size_limit_mb", "64\n")
        for device in ("xen/dmabuf-grant", "udmabuf", "dri/renderD128"):
            self.write(f"/dev/{device}")
        self.link("/sys/class/drm/renderD128/device", "/sys/devices/pci0000:00/0000:00:08.0")
        self.link("/sys/devices/pci0000:00/0000:00:08.0/driver", "/sys/bus/pci/drivers/amdgpu")
        self.write("/etc/modules-load.d/xen-dmabuf-grant.conf", "# comment\nxen-dmabuf-grant\n")

    def programs(self):
        self.write(QEMU, mode=0o755)
        self.write("/usr/libexec/virgl_render_server", mode=0o755)
        for icd in ("radeon_icd", "lvp_icd", "virtio_icd"):
            self.write(f"/usr/share/vulkan/icd.d/{icd}.json", "{}")
        self.write("/etc/xen/games.cfg", XL_CFG)
        self.write("/etc/xen/xl.conf", "#lockfile=\"/var/lock/xl\"\n")
        self.write("/var/log/xen/qemu-dm-desktop.log", "one line\n")
        self.say("xl qemu-monitor-command desktop info xen-hostmem", MONITOR)

    def monitor(self, *changes):
        """Change what the running guest's QEMU says."""
        _status, text = self.commands["xl qemu-monitor-command desktop info xen-hostmem"]
        for old, new in changes:
            assert old in text, f"the monitor does not say {old}"
            text = text.replace(old, new)
        self.say("xl qemu-monitor-command desktop info xen-hostmem", text)

    def software(self, bus="platform"):
        """A dom0 that renders in software, as the lab's; newer Linux has vgem on its bus for
        devices that are not there, which has a driver for all of them."""
        device = f"/sys/devices/{bus}/vgem"
        self.remove("/sys/class/drm/renderD128/device")
        self.link("/sys/class/drm/renderD128/device", device)
        if bus == "faux":
            self.link(device + "/driver", "/sys/bus/faux/drivers/faux_driver")
        self.write("/sys/module/udmabuf/parameters/size_limit_mb", "256\n")


class FakeGuest(Fake):
    def __init__(self):
        super().__init__()
        self.write("/sys/hypervisor/type", "xen\n")
        self.write("/sys/hypervisor/guest_type", "HVM\n")
        self.write("/proc/xen/capabilities", "")
        pci = f"/sys/devices/pci0000:00/{GPU_PCI}"
        self.write(pci + "/vendor", "0x1af4\n")
        self.write(pci + "/device", "0x1050\n")
        self.write(pci + "/config", capability_config())
        self.write(pci + "/resource", "0x0 0x0 0x0\n" * 4 +
                   f"{WINDOW:#018x} {WINDOW + WINDOW_SIZE - 1:#018x} 0x000000000014220c\n")
        self.write(pci + "/virtio1/features", FEATURES + "\n")
        self.link(f"/sys/bus/pci/devices/{GPU_PCI}", pci)
        self.link(pci + "/driver", "/sys/bus/pci/drivers/virtio-pci")
        self.write("/dev/dri/renderD128")
        self.write("/sys/bus/xen/devices/hostmem-0/state", "Connected\n")
        self.link("/sys/bus/xen/devices/hostmem-0/driver", "/sys/bus/xen/drivers/xen-hostmem")
        for name in ("allow_exec", "force_unbind"):
            self.write(f"/sys/module/xen_hostmem/parameters/{name}", "N\n")
        self.write(f"/lib/modules/{RELEASE}/modules.dep", MODULES_DEP.format("xen-hostmem"))
        self.write("/sys/kernel/debug/xen-hostmem/hostmem-0/mappings", MAPPINGS)
        self.write("/sys/kernel/debug/x86/pat_memtype_list", PAT)
        self.write("/proc/mtrr", MTRR)
        self.write("/usr/libexec/xen-hostmem-mtrr", "#!/bin/sh\n", 0o755)
        self.write("/etc/udev/rules.d/60-xen-hostmem.rules", "#\n")
        self.write("/usr/share/vulkan/icd.d/virtio_icd.x86_64.json", "{}")


READY, NOT_READY, NOT_KNOWN = output.READY, output.NOT_READY, output.NOT_KNOWN
