# SPDX-License-Identifier: GPL-2.0-or-later
"""What is judged about dom0 itself, but for the limits that all guests share. Facts: dom0.Dom0."""

import re

from .finding import XEN_LINE, Checks, note, ok, problem, unknown
from .units import MIB, show

CHECKS = Checks()
check = CHECKS.check

OLDEST_XEN, OLDEST_LINUX = (4, 17), (6, 1)
TESTED_XEN = (4, 20)
LOG_LIMIT = 16 * MIB
# Venus' largest shared memory is 8 MiB; the default of udmabuf is ample for a real GPU.
DEFAULT_UDMABUF_MIB = 64
# Vulkan drivers of Mesa, by the kernel's driver of the render node
ICDS = {"amdgpu": ("radeon",), "i915": ("intel",), "xe": ("intel",), "nouveau": ("nouveau",),
        "nvidia": ("nvidia",), "vgem": ("lvp",)}


def version(text):
    return tuple(int(n) for n in re.findall(r"\d+", text)[:2])


def dotted(numbers):
    return ".".join(map(str, numbers))


@check("root")
def root(facts):
    """Much of this can be read by root only."""
    if facts.uid != 0:
        yield unknown("not run as root, so most of this machine cannot be examined",
                      "sudo xen-hostmem-check")


@check("toolstack")
def toolstack(facts):
    """xl answers."""
    # Without root it cannot, which is named already.
    if facts.toolstack and facts.uid == 0:
        yield unknown(f"xl does not answer: {facts.toolstack}",
                      "apt install xen-system-amd64, boot Xen, then: systemctl start xen")


@check("config")
def config(facts):
    """The guests' configurations can be read."""
    for path, why in facts.unreadable:
        if path.startswith("/"):
            yield unknown(f"{path}: {why}", "correct the file, or name others with --config FILE")
        elif facts.uid == 0:
            yield unknown(f"{path}: {why}", f"{path}  has to print the running guests as JSON")


@check("guests")
def guests(facts):
    """There is a guest with host memory at all."""
    names = [f"{g.name} ({show(g.gpu.window)}{', running' if g.running else ''})"
             for g in facts.served]
    yield ok("guests with host memory: " + ", ".join(names)) if names else \
        note("no guest has a GPU with host memory",
             'device_model_args_hvm = [ "-display", "egl-headless", "-device", '
             '"virtio-gpu-gl-pci,blob=on,hostmem=256M,venus=on" ]  in its xl.cfg')


@check("xen-version")
def xen_version(facts):
    """Older Xen does not tell QEMU how large the guest's p2m pool is."""
    text = facts.xen.get("xen_version")
    if not text:
        return
    if version(text) < OLDEST_XEN:
        yield problem(f"Xen {text} is older than {dotted(OLDEST_XEN)}: QEMU cannot see when the "
                      "tables of a guest's address space run out",
                      f"use Xen {dotted(OLDEST_XEN)} or newer")
    elif version(text) != TESTED_XEN:
        yield note(f"Xen {text}; this was tested with {dotted(TESTED_XEN)}")
    else:
        yield ok(f"Xen {text}")


@check("linux-version")
def linux_version(facts):
    """xen-dmabuf-grant compiles with Linux 6.1 and newer."""
    if version(facts.release) < OLDEST_LINUX:
        yield problem(f"Linux {facts.release} is older than {dotted(OLDEST_LINUX)}, with which "
                      "xen-dmabuf-grant does not compile",
                      f"boot Linux {dotted(OLDEST_LINUX)} or newer in dom0")
    else:
        yield ok(f"Linux {facts.release}")


@check("dom0-kind")
def dom0_kind(facts):
    """PV and PVH both work."""
    kind = facts.guest_type or "unknown"
    if "hvm_directio" in facts.xen.get("virt_caps", "") or not facts.xen:
        yield ok(f"dom0 is {kind}")
    else:
        yield note(f"dom0 is {kind}, and Xen uses no IOMMU. Host memory needs none in a PV dom0; "
                   "a PVH dom0 does not boot without, and no device can be passed through",
                   "enable AMD-Vi or VT-d in the firmware if you need it")


@check("hvm")
def hvm(facts):
    """Only HVM guests with nested paging are supported."""
    caps = facts.xen.get("virt_caps", "").split()
    if not facts.xen:
        return
    if "hvm" not in caps:
        yield problem("Xen cannot run HVM guests on this machine",
                      "enable AMD-V (SVM) or Intel VT-x in the firmware")
    elif "hap" not in caps:
        yield problem("this machine has no nested paging (HAP): with shadow paging write-combined "
                      "memory is not granted",
                      f"enable nested paging in the firmware, or remove hap=0 {XEN_LINE}")


@check("cpu")
def cpu(facts):
    """What the CPU means for write-combined memory."""
    if facts.cpu in ("AuthenticAMD", "HygonGenuine"):
        yield ok(f"CPU {facts.cpu}: write-combined memory is granted like cached memory")
    elif facts.cpu == "GenuineIntel":
        yield note("CPU GenuineIntel: Xen makes every grant cached, so write-combined memory "
                   "(RADV's upload heaps, for example) is trapped and slow",
                   "xen-hostmem-wc=on on the guest's GPU device, only if the host's GPU snoops "
                   "the CPU's caches for all memory")
    else:
        yield note(f"CPU {facts.cpu or 'unknown'}: it is not known whether write-combined memory "
                   "can be granted, so it is trapped",
                   "xen-hostmem-wc=on on the guest's GPU device, only if you know that it can")


def only_gntdev(facts):
    """Whether every guest allows gntdev, and the kernel has it."""
    found = facts.served
    return bool(found) and facts.gntdev_dmabuf and all(
        g.gpu.properties.get("xen-hostmem-provider") == "gntdev" for g in found)


@check("provider")
def provider(facts):
    """Something in dom0 grants dma-bufs."""
    if facts.module and facts.device:
        yield ok("xen-dmabuf-grant is loaded")
    elif only_gntdev(facts):
        yield note("gntdev grants memory: only for guests that you trust, only shared memory, and "
                   "only in a PV dom0 with Linux 6.11 to 6.18", "modprobe xen-dmabuf-grant")
    elif facts.module:
        yield problem("xen-dmabuf-grant is loaded, but there is no /dev/xen/dmabuf-grant",
                      "mount -t devtmpfs dev /dev, or start udev")
    elif facts.module_file:
        yield problem("xen-dmabuf-grant is not loaded, so all blobs are trapped",
                      "modprobe xen-dmabuf-grant")
    else:
        yield problem(f"xen-dmabuf-grant is not installed for Linux {facts.release}, so all blobs "
                      "are trapped", "make -C dom0/linux modules modules_install && depmod && "
                      "modprobe xen-dmabuf-grant")


@check("at-boot")
def at_boot(facts):
    """What is loaded now is loaded after the next boot, too."""
    missing = [name for name, loaded in
               (("xen-dmabuf-grant", facts.module),
                ("udmabuf", facts.udmabuf and facts.udmabuf_is_module))
               if loaded and name.replace("-", "_") not in facts.at_boot]
    for name in missing:
        yield problem(f"{name} is loaded, but not at the next boot",
                      f"echo {name} >/etc/modules-load.d/{name}.conf")


@check("udmabuf")
def udmabuf(facts):
    """Shared memory, such as Venus' rings, becomes a dma-buf through udmabuf."""
    if facts.udmabuf:
        yield ok("/dev/udmabuf is there")
    elif facts.udmabuf_file:
        yield problem("/dev/udmabuf is missing, so the rings of Vulkan programs are trapped and "
                      "they hang", "modprobe udmabuf")
    elif facts.udmabuf_limit_mib is not None:
        yield problem("the kernel has udmabuf, but there is no /dev/udmabuf",
                      "mount -t devtmpfs dev /dev, or start udev")
    else:
        yield problem(f"Linux {facts.release} has no udmabuf, so the rings of Vulkan programs are "
                      "trapped and they hang",
                      "boot a kernel with CONFIG_UDMABUF (Debian: 6.12 or newer)")


def software_rendering(facts):
    return bool(facts.render_nodes) and all(n.driver == "vgem" for n in facts.render_nodes)


@check("udmabuf-limit")
def udmabuf_limit(facts):
    """The largest buffer that udmabuf wraps. All memory of software rendering is wrapped, of a
    GPU's only shared memory."""
    limit = facts.udmabuf_limit_mib
    if not facts.udmabuf or limit is None:
        return
    largest = max((g.gpu.window for g in facts.served), default=0) // MIB
    needed = max(DEFAULT_UDMABUF_MIB, largest if software_rendering(facts) else 0)
    if limit >= needed:
        yield ok(f"udmabuf wraps buffers of up to {limit} MiB")
        return
    why = "all memory of software rendering is wrapped" if needed > DEFAULT_UDMABUF_MIB else \
        "shared memory can be larger"
    yield problem(f"udmabuf wraps buffers of up to {limit} MiB only, and {why}",
                  f"echo {needed} >/sys/module/udmabuf/parameters/size_limit_mb, and "
                  f"udmabuf.size_limit_mb={needed} on Linux's command line")


@check("render-node")
def render_node(facts):
    """QEMU renders on a DRM render node."""
    if facts.render_nodes:
        yield ok("render nodes: " + ", ".join(f"{n.path} ({n.driver})"
                                              for n in facts.render_nodes))
    else:
        yield problem("there is no render node, so QEMU ends with \"egl: no drm render node "
                      "available\"", "load the GPU's driver; to render in software: modprobe vgem")


@check("render-server")
def render_server(facts):
    """Venus runs in a process of virglrenderer's."""
    if facts.server:
        yield ok(f"render server: {facts.server}")
    else:
        yield problem("virgl_render_server is missing, so there is no Vulkan in guests",
                      "apt install virgl-server, or set RENDER_SERVER_EXEC_PATH")


@check("vulkan-driver")
def vulkan_driver(facts):
    """The render server needs a Vulkan driver for the render node."""
    if not facts.icds:
        yield problem("dom0 has no Vulkan driver, so there is no Vulkan in guests",
                      "apt install mesa-vulkan-drivers")
        return
    for node in facts.render_nodes:
        wanted = ICDS.get(node.driver)
        if wanted and not any(icd.startswith(wanted) for icd in facts.icds):
            yield problem(f"dom0 has no Vulkan driver for {node.path} ({node.driver}), only "
                          + ", ".join(facts.icds), "apt install mesa-vulkan-drivers")


@check("stale-nodes")
def stale_nodes(facts):
    """A killed QEMU leaves nodes in xenstore, which the next one removes."""
    for domid in facts.stale:
        yield problem(f"xenstore has a hostmem backend of domain {domid}, which is gone: its QEMU "
                      "was killed", "start the next guest, whose QEMU removes it, or: "
                      f"xenstore-rm /local/domain/0/backend/hostmem/{domid}")


@check("log-size")
def log_size(facts):
    """A guest can make QEMU log only so much; a large log is someone else's or very old."""
    for path, size in facts.logs:
        if size > LOG_LIMIT:
            yield problem(f"{path} has {size // MIB} MiB",
                          f"read its end, then: truncate -s 0 {path}")
