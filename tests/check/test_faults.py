# SPDX-License-Identifier: GPL-2.0-or-later
"""For each thing that is left out or wrong, xen-hostmem-check names it, and nothing else."""

import unittest

import fake
from fake import GPU, NOT_KNOWN, NOT_READY, QEMU, READY, FakeDom0, FakeGuest


def guest_gpu(machine, text):
    """Give the running guest another GPU."""
    machine.guest["b_info"]["extra_hvm"][3] = text
    machine.update()


def build(machine, **settings):
    machine.guest["b_info"].update(settings)
    machine.update()


def hypervisor(machine, old, new):
    _status, text = machine.commands["xl info"]
    assert old in text
    machine.say("xl info", text.replace(old, new))


def xl_cfg(old, new):
    return lambda m: m.replace("/etc/xen/games.cfg", old, new)


def killed_qemu(machine):
    machine.say("xenstore-ls -f /local/domain/0/backend/hostmem",
                fake.NODES.replace("hostmem/2 ", "hostmem/2/0/state ").replace('""', '"4"'))


def not_loaded(machine):
    machine.remove("/sys/module/xen_dmabuf_grant")
    machine.remove("/dev/xen/dmabuf-grant")


def not_installed(machine):
    not_loaded(machine)
    machine.write(f"/lib/modules/{fake.RELEASE}/modules.dep", "")


def loaded_udmabuf(machine):
    """As on kernels that have it as a module; not loaded at boot."""
    machine.write("/sys/module/udmabuf/initstate", "live\n")


def no_udmabuf(machine):
    machine.remove("/sys/module/udmabuf")
    machine.remove("/dev/udmabuf")


def udmabuf_not_loaded(machine):
    no_udmabuf(machine)
    path = f"/lib/modules/{fake.RELEASE}/modules.dep"
    machine.replace(path, "updates", "kernel/drivers/dma-buf/udmabuf.ko:\nupdates")


def large_window(machine):
    """As much as dom0's memory, with limits that allow it."""
    hypervisor(machine, "gnttab_max_frames=512", "gnttab_max_frames=16384")
    build(machine, max_maptrack_frames=4096, shadow_memkb=65536)
    guest_gpu(machine, GPU.replace("256M", "4G"))


def room_for_rings_only(machine):
    """The quota fits the table, but not beside what is kept for small buffers."""
    machine.remove("/etc/xen/games.cfg")
    hypervisor(machine, "gnttab_max_frames=512", "gnttab_max_frames=40")
    machine.write("/sys/module/xen_dmabuf_grant/parameters/peer_limit", "16384\n")
    guest_gpu(machine, GPU + ",xen-hostmem-quota=64M")


def large_quota(machine):
    """Half of the table."""
    machine.remove("/etc/xen/games.cfg")
    hypervisor(machine, "gnttab_max_frames=512", "gnttab_max_frames=128")
    guest_gpu(machine, GPU + ",xen-hostmem-quota=128M")


def software_limit(machine):
    machine.software()
    machine.write("/sys/module/udmabuf/parameters/size_limit_mb", "64\n")


# (what is wrong, how, the check that names it, a part of its advice)
DOM0 = (
    ("xl is missing", lambda m: m.commands.pop("xl info"), "toolstack", "systemctl start xen"),
    ("not root", lambda m: setattr(m, "uid", 1000), "root", "sudo"),
    ("an xl.cfg with a mistake", xl_cfg('type = "hvm"', 'type = hvm"'), "config", "--config"),
    ("xl without JSON", lambda m: m.say("xl list -l", "(domain\n"), "config", "JSON"),
    ("no configuration of that name", lambda m: m.examine_with("--config", "/etc/xen/no.cfg"),
     "config", "--config"),
    ("old Xen", lambda m: hypervisor(m, "4.20.5-pre", "4.14.6"), "xen-version", "4.17"),
    ("old Linux", lambda m: setattr(m, "release", "5.10.0-1-amd64"), "linux-version", "6.1"),
    ("no AMD-V", lambda m: hypervisor(m, " hvm hvm_directio", ""), "hvm", "firmware"),
    ("no nested paging", lambda m: hypervisor(m, " hap", ""), "hvm", "nested paging"),
    ("module not loaded", not_loaded, "provider", "modprobe xen-dmabuf-grant"),
    ("module not installed", not_installed, "provider", "modules_install"),
    ("no device node", lambda m: m.remove("/dev/xen/dmabuf-grant"), "provider", "devtmpfs"),
    ("module not loaded at boot",
     lambda m: m.remove("/etc/modules-load.d/xen-dmabuf-grant.conf"), "at-boot",
     "echo xen-dmabuf-grant >/etc/modules-load.d/"),
    ("udmabuf not loaded at boot", loaded_udmabuf, "at-boot", "echo udmabuf >"),
    ("kernel without udmabuf", no_udmabuf, "udmabuf", "CONFIG_UDMABUF"),
    ("udmabuf not loaded", udmabuf_not_loaded, "udmabuf", "modprobe udmabuf"),
    ("udmabuf without a node", lambda m: m.remove("/dev/udmabuf"), "udmabuf", "devtmpfs"),
    ("udmabuf's limit is low",
     lambda m: m.write("/sys/module/udmabuf/parameters/size_limit_mb", "16\n"), "udmabuf-limit",
     "udmabuf.size_limit_mb=64"),
    ("udmabuf's limit is low for software rendering", software_limit, "udmabuf-limit",
     "udmabuf.size_limit_mb=256"),
    ("no render node", lambda m: m.remove("/dev/dri/renderD128"), "render-node", "modprobe vgem"),
    ("no render server", lambda m: m.remove("/usr/libexec/virgl_render_server"),
     "render-server", "virgl-server"),
    ("a render server that is not one",
     lambda m: m.environ.update(RENDER_SERVER_EXEC_PATH="/none"), "render-server",
     "RENDER_SERVER_EXEC_PATH"),
    ("no Vulkan driver", lambda m: m.remove("/usr/share/vulkan/icd.d"), "vulkan-driver",
     "mesa-vulkan-drivers"),
    ("no Vulkan driver for the GPU",
     lambda m: m.remove("/usr/share/vulkan/icd.d/radeon_icd.json"), "vulkan-driver",
     "mesa-vulkan-drivers"),
    ("the default grant table", lambda m: hypervisor(m, " gnttab_max_frames=512", ""),
     "gnttab-max-frames", "gnttab_max_frames=512 "),
    ("a grant table for one guest only",
     lambda m: hypervisor(m, "gnttab_max_frames=512", "gnttab_max_frames=511"),
     "gnttab-max-frames", "gnttab_max_frames=512 "),
    ("a grant table without room for small buffers", room_for_rings_only,
     "gnttab-max-frames", "gnttab_max_frames=64 "),
    ("a low limit for one guest",
     lambda m: m.write("/sys/module/xen_dmabuf_grant/parameters/peer_limit", "32768\n"),
     "peer-limit", "echo 65536 >"),
    ("a low limit for the buffers of one guest",
     lambda m: m.write("/sys/module/xen_dmabuf_grant/parameters/peer_pinned", "32768\n"),
     "peer-limit", "echo 0 >"),
    ("a quota above what the module grants to one guest", large_quota, "peer-limit",
     "echo 32768 >"),
    ("much of the table kept for rings",
     lambda m: m.write("/sys/module/xen_dmabuf_grant/parameters/reserve", "200000\n"),
     "peer-limit", "echo 65536 >"),
    ("windows as large as dom0", large_window, "dom0-memory", "dom0_mem="),
    ("a node of a domain that is gone", killed_qemu, "stale-nodes",
     "xenstore-rm /local/domain/0/backend/hostmem/2"),
    ("a large log", lambda m: m.write("/var/log/xen/qemu-dm-desktop.log", bytes(17 << 20)),
     "log-size", "truncate -s 0 /var/log/xen/qemu-dm-desktop.log"),
    ("a PVH guest", lambda m: (m.guest["c_info"].update(type="pvh"), m.update()), "guest-type",
     'type = "hvm"'),
    ("xl's own QEMU", lambda m: build(m, device_model=None), "device-model",
     "device_model_override"),
    ("QEMU is not there", xl_cfg(QEMU, "/usr/bin/qemu"), "device-model", "/etc/xen/games.cfg"),
    ("QEMU is no program", lambda m: (m.write(QEMU + "2"), build(m, device_model=QEMU + "2")),
     "device-model", "device_model_override"),
    ("no blob=on", lambda m: guest_gpu(m, GPU.replace("blob=on,", "")), "blob", "blob=on"),
    ("no hostmem", lambda m: guest_gpu(m, GPU.replace("hostmem=256M,", "")), "hostmem",
     "hostmem=256M"),
    ("hostmem is no power of two", lambda m: guest_gpu(m, GPU.replace("256M", "200M")),
     "hostmem", "hostmem=256M or hostmem=128M"),
    ("hostmem is no size", lambda m: guest_gpu(m, GPU.replace("256M", "much")), "hostmem",
     "hostmem=256M"),
    ("no OpenGL display", xl_cfg('"-display", "egl-headless",', ""), "display", "egl-headless"),
    ("a display without OpenGL", xl_cfg("egl-headless", "gtk"), "display", "egl-headless"),
    ("another render node", lambda m: build(m, extra_hvm=[
        "-display", "egl-headless,rendernode=/dev/dri/renderD129", "-device", GPU]),
     "guest-render-node", "rendernode=/dev/dri/renderD128"),
    ("xl's VGA", xl_cfg('vga = "none"', ""), "vga", 'vga = "none"'),
    ("virtio-vga without videoram",
     lambda m: guest_gpu(m, GPU.replace("virtio-gpu-gl-pci", "virtio-vga-gl")), "videoram",
     "videoram = 16"),
    ("shadow paging", xl_cfg('type = "hvm"', 'type = "hvm"\nhap = 0'), "hap", "remove hap"),
    ("shadow paging of a running guest",
     lambda m: (m.guest["c_info"].update(hap="False"), m.update()), "hap", "remove hap"),
    ("dm_restrict", lambda m: build(m, dm_restrict="True"), "dm-restrict", "device_model_user"),
    ("maptrack", lambda m: build(m, max_maptrack_frames=64), "maptrack",
     "max_maptrack_frames = 256"),
    ("maptrack by xl.conf", lambda m: m.write("/etc/xen/xl.conf", "max_maptrack_frames=255\n"),
     "maptrack", "max_maptrack_frames = 256"),
    ("maptrack by Xen's command line",
     lambda m: hypervisor(m, "loglvl", "gnttab_max_maptrack_frames=128 loglvl"), "maptrack",
     "max_maptrack_frames = 256"),
    ("shadow_memory", lambda m: build(m, shadow_memkb=1020), "shadow-memory",
     "shadow_memory = 5"),
)


def no_driver(machine):
    """As if the module were not loaded."""
    machine.remove("/sys/module/xen_hostmem")
    machine.remove("/sys/bus/xen/devices/hostmem-0/driver")
    machine.write("/sys/bus/xen/devices/hostmem-0/state", "Initialising\n")
    machine.remove("/sys/kernel/debug/xen-hostmem")


def feature(bit):
    text = fake.FEATURES[:bit] + "0" + fake.FEATURES[bit + 1:]
    return lambda m: m.write(f"/sys/devices/pci0000:00/{fake.GPU_PCI}/virtio1/features", text)


def driver_not_installed(machine):
    no_driver(machine)
    machine.write(f"/lib/modules/{fake.RELEASE}/modules.dep", "")


GUEST = (
    ("not root", lambda m: setattr(m, "uid", 1000), "root", "sudo"),
    ("old Linux", lambda m: setattr(m, "release", "5.10.0-1-amd64"), "linux-version", "6.1"),
    ("a PVH guest", lambda m: m.write("/sys/hypervisor/guest_type", "PVH\n"), "guest-type",
     'type = "hvm"'),
    ("no GPU", lambda m: m.remove(f"/sys/bus/pci/devices/{fake.GPU_PCI}"), "gpu",
     "virtio-gpu-gl-pci"),
    ("a GPU without a driver",
     lambda m: m.remove(f"/sys/devices/pci0000:00/{fake.GPU_PCI}/driver"), "gpu", "virtio-pci"),
    ("no render node", lambda m: m.remove("/dev/dri/renderD128"), "gpu", "modprobe virtio-gpu"),
    ("no 3D", feature(0), "gpu-3d", "virtio-gpu-gl-pci"),
    ("no contexts for Vulkan", feature(4), "gpu-3d", "venus=on"),
    ("no blobs", feature(3), "blob", "blob=on"),
    ("no window", lambda m: m.write(f"/sys/devices/pci0000:00/{fake.GPU_PCI}/config",
                                    fake.capability_config(kind=2)), "window", "hostmem=256M"),
    ("QEMU offers nothing", lambda m: m.remove("/sys/bus/xen/devices/hostmem-0"), "device",
     "device_model_override"),
    ("driver not loaded", no_driver, "driver", "modprobe xen-hostmem"),
    ("driver not installed", driver_not_installed, "driver", "modules_install"),
    ("driver not bound", lambda m: m.remove("/sys/bus/xen/devices/hostmem-0/driver"), "driver",
     "/sys/bus/xen/drivers/xen-hostmem/bind"),
    ("not connected", lambda m: m.write("/sys/bus/xen/devices/hostmem-0/state", "Closed\n"),
     "connection", "dmesg"),
    ("allow_exec", lambda m: m.write("/sys/module/xen_hostmem/parameters/allow_exec", "Y\n"),
     "allow-exec", "allow_exec=1"),
    ("force_unbind",
     lambda m: m.write("/sys/module/xen_hostmem/parameters/force_unbind", "Y\n"),
     "force-unbind", "echo 0 >"),
    ("an uncachable MTRR", lambda m: m.write("/proc/mtrr", fake.MTRR_OF_WINDOW + fake.MTRR),
     "mtrr", "/usr/libexec/xen-hostmem-mtrr"),
    ("no /proc/mtrr", lambda m: m.remove("/proc/mtrr"), "mtrr", "CONFIG_MTRR"),
    ("no program for udev", lambda m: m.remove("/usr/libexec/xen-hostmem-mtrr"), "mtrr-rule",
     "install -D -m 755"),
    ("no rule for udev", lambda m: m.remove("/etc/udev/rules.d/60-xen-hostmem.rules"),
     "mtrr-rule", "udevadm control --reload"),
    ("an uncached mapping", lambda m: m.replace(
        "/sys/kernel/debug/x86/pat_memtype_list", "e0021000] write-back",
        "e0021000] uncached-minus"), "memory-type", "start the program"),
    ("no Venus", lambda m: m.remove("/usr/share/vulkan/icd.d"), "mesa-venus",
     "mesa-vulkan-drivers"),
)


def trapped(reason):
    """The running guest's buffer of 1 MiB is trapped."""
    return lambda m: m.monitor(("1024 KiB, write-combined, mapped",
                                f"1024 KiB, write-combined, trapped: {reason}"),
                               ("granted 10380", "granted 9356"), ("trapped 0", "trapped 1024"),
                               ("  resource 3", f"  not granted 1 times: {reason}\n  resource 3"))


RUNNING = (
    ("not root", lambda m: (setattr(m, "uid", 1000), m.say(
        "xl qemu-monitor-command desktop info xen-hostmem", "libxl: error", 1)), "root", "sudo"),
    ("no such guest", lambda m: m.commands.pop(
        "xl qemu-monitor-command desktop info xen-hostmem"), "guest", "xl list"),
    ("QEMU without this project", lambda m: m.say(
        "xl qemu-monitor-command desktop info xen-hostmem",
        "info version  -- show the version of QEMU\n"), "qemu", "device_model_override"),
    ("no window", lambda m: m.say("xl qemu-monitor-command desktop info xen-hostmem",
                                  "no virtio GPU has a hostmem window on Xen\n"), "no-window",
     "hostmem=256M"),
    ("driver not connected", lambda m: m.monitor(("driver connected", "driver not connected")),
     "no-frontend", "modprobe xen-hostmem"),
    ("no provider", lambda m: m.monitor(("provider xen-dmabuf-grant", "provider none")),
     "no-provider", "modprobe xen-dmabuf-grant"),
    ("refused blobs", lambda m: m.monitor(("; 0 were refused", "; 7 were refused")),
     "blob-quota", "blob-quota=1024M"),
    ("a range in quarantine", lambda m: m.monitor(
        ("write-combined, mapped", "write-combined, quarantined (being unmapped)")),
     "quarantined", "xen-hostmem-hold-limit"),
    ("no render server", lambda m: m.write(
        "/var/log/xen/qemu-dm-desktop.log", "qemu-system-x86_64: virtio-gpu: venus=on needs the "
        "render server of virglrenderer, but /usr/libexec/virgl_render_server cannot be executed"),
     "render-server", "virgl-server"),
    ("quota", trapped("quota"), "quota", "xen-hostmem-quota"),
    ("udmabuf's limit", trapped("udmabuf-failed"), "udmabuf-failed", "size_limit_mb"),
    ("full grant table", trapped("grant-table-full"), "grant-table-full", "gnttab_max_frames"),
    ("write-combined on Intel", lambda m: (trapped("cpu-forces-cached")(m), m.monitor(
        ("are granted (CPU AuthenticAMD", "are trapped: cpu-forces-cached (CPU GenuineIntel"))),
     "cpu-forces-cached", "xen-hostmem-wc=on"),
)


class Faults(unittest.TestCase):
    """One fault at a time in a healthy machine."""

    def of(self, kind, faults, *arguments):
        for what, break_it, check, advice in faults:
            with self.subTest(what):
                machine = kind()
                try:
                    break_it(machine)
                    status, said = machine.examine(*arguments, *machine.arguments)
                finally:
                    machine.close()
                self.assertEqual(said["named"], [check])
                complaint = next(f for f in said["findings"] if f["check"] == check and
                                 f["level"] in ("problem", "unknown"))
                self.assertIn(advice, complaint["advice"])
                self.assertEqual(status, NOT_KNOWN if complaint["level"] == "unknown"
                                 else NOT_READY)

    def test_dom0(self):
        self.of(FakeDom0, DOM0)

    def test_guest(self):
        self.of(FakeGuest, GUEST)

    def test_running(self):
        self.of(FakeDom0, RUNNING, "desktop")

    def test_each_check_has_a_fault(self):
        from xen_hostmem_check import config_checks, dom0_checks, guest_checks, limit_checks
        never = {"guests", "dom0-kind", "cpu", "venus", "policy", "maps"}   # only notes
        known = {name for part in (dom0_checks, limit_checks, config_checks)
                 for name in part.CHECKS.known}
        self.assertEqual(known - never, {f[2] for f in DOM0})
        self.assertEqual(set(guest_checks.CHECKS.known) - never, {f[2] for f in GUEST})


class Healthy(unittest.TestCase):
    """Nothing is named where nothing is wrong."""

    def healthy(self, machine, mode, *arguments):
        try:
            status, said = machine.examine(*arguments)
            self.assertEqual((status, said["mode"], said["named"]), (READY, mode, []))
            return {f["check"]: f for f in said["findings"] if f["level"] == "note"}
        finally:
            machine.close()

    def test_dom0(self):
        self.assertEqual(self.healthy(FakeDom0(), "dom0"), {})

    def test_guest(self):
        self.assertEqual(self.healthy(FakeGuest(), "guest"), {})

    def test_running(self):
        self.assertEqual(self.healthy(FakeDom0(), "running", "desktop"), {})

    def test_software_rendering(self):
        for bus in ("platform", "faux"):
            machine = FakeDom0()
            machine.software(bus)
            self.healthy(machine, "dom0")

    def test_vgem_is_named(self):
        """What is there is named, whatever bus vgem is on."""
        for bus in ("platform", "faux"):
            machine = FakeDom0()
            machine.software(bus)
            try:
                texts = [f["text"] for f in machine.examine()[1]["findings"]
                         if f["check"] == "render-node"]
                self.assertEqual(texts, ["render nodes: /dev/dri/renderD128 (vgem)"])
            finally:
                machine.close()

    def test_xl_refuses_who_is_not_root(self):
        """What follows from that is not named beside it."""
        machine = FakeDom0()
        machine.uid = 1000
        for command in machine.commands:
            machine.say(command, "libxl: error: cannot open privcmd", 1)
        try:
            self.assertEqual(machine.examine()[1]["named"], ["root"])
        finally:
            machine.close()

    def test_udev_rule_of_a_package(self):
        machine = FakeGuest()
        machine.remove("/etc/udev/rules.d/60-xen-hostmem.rules")
        machine.write("/usr/lib/udev/rules.d/60-xen-hostmem-guest-dkms.rules")
        self.healthy(machine, "guest")

    def test_intel(self):
        machine = FakeDom0()
        machine.replace("/proc/cpuinfo", "AuthenticAMD", "GenuineIntel")
        notes = self.healthy(machine, "dom0")
        self.assertIn("write-combined", notes["cpu"]["text"])

    def test_pvh_dom0(self):
        machine = FakeDom0()
        machine.write("/sys/hypervisor/guest_type", "PVH\n")
        self.healthy(machine, "dom0")

    def test_no_iommu(self):
        machine = FakeDom0()
        hypervisor(machine, " hvm_directio pv_directio", "")
        self.assertIn("no IOMMU", self.healthy(machine, "dom0")["dom0-kind"]["text"])

    def test_quota_instead_of_table(self):
        """With a quota a smaller table is enough."""
        machine = FakeDom0()
        hypervisor(machine, "gnttab_max_frames=512", "gnttab_max_frames=96")
        machine.remove("/etc/xen/games.cfg")
        guest_gpu(machine, GPU + ",xen-hostmem-quota=64M")
        self.healthy(machine, "dom0")

    def test_gntdev(self):
        machine = FakeDom0()
        not_loaded(machine)
        machine.remove("/etc/xen/games.cfg")
        machine.write(f"/boot/config-{fake.RELEASE}",
                      "CONFIG_XEN_GNTDEV_DMABUF=y\nCONFIG_XEN_GRANT_DMA_ALLOC=y\n")
        guest_gpu(machine, GPU + ",xen-hostmem-provider=gntdev")
        self.assertIn("gntdev", self.healthy(machine, "dom0")["provider"]["text"])

    def test_guest_without_gpu_is_none_of_ours(self):
        machine = FakeDom0()
        machine.guest["b_info"]["extra_hvm"] = []
        machine.guest["b_info"]["max_maptrack_frames"] = 1
        machine.guest["c_info"]["hap"] = "False"
        machine.update()
        self.healthy(machine, "dom0")

    def test_past_fallbacks_are_notes(self):
        machine = FakeDom0()
        machine.monitor(("  resource 3", "  not granted 2 times: no-frontend\n  resource 3"))
        self.assertIn("earlier", self.healthy(machine, "running", "desktop")["no-frontend"]["text"])


if __name__ == "__main__":
    unittest.main()
