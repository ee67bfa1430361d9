# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's configuration, as far as host memory depends on it, from an xl.cfg or from what
"xl list -l" prints about a running guest."""

import re
from dataclasses import dataclass, field

from . import units, xlcfg

GPUS = ("virtio-gpu-gl-pci", "virtio-gpu-gl", "virtio-vga-gl")
DEFAULT_MEMORY_MIB = 32         # xl.cfg(5)
UNSET = 0xffffffff              # LIBXL_MAX_GRANT_DEFAULT
UNSET_KIB = 1 << 50             # LIBXL_MEMKB_DEFAULT is all ones


@dataclass
class Gpu:
    model: str
    properties: dict = field(default_factory=dict)

    def on(self, name):
        return self.properties.get(name) in ("on", "true", "yes", "y")

    def size(self, name):
        """A property that is a size, in bytes; None if it is absent or no size."""
        text = self.properties.get(name)
        return units.parse_size(text) if text else None

    @property
    def window(self):
        return self.size("hostmem") or 0


@dataclass
class GuestConfig:
    name: str
    place: str                  # where the configuration is, as a person would look it up
    running: bool = False
    type: str = "hvm"
    memory_mib: int = DEFAULT_MEMORY_MIB
    vcpus: int = 1
    maptrack_frames: int = None
    shadow_kib: int = None
    hap: bool = True
    dm_restrict: bool = False
    device_model: str = None
    vga: str = None
    videoram_mib: int = None
    arguments: tuple = ()

    @property
    def gpu(self):
        """The first GPU with host memory among the device model's arguments, or None."""
        return next((g for g in map(parse_device, self.values("-device"))
                     if g.model in GPUS), None)

    def values(self, option):
        """What follows each use of an option; QEMU takes it with one or two dashes."""
        pairs = zip(self.arguments, self.arguments[1:])
        return [value for name, value in pairs if name in (option, "-" + option)]

    @property
    def wanted(self):
        """Bytes that may be granted at once: the window, or a smaller quota."""
        return min(self.gpu.window, self.gpu.size("xen-hostmem-quota") or self.gpu.window)

    @property
    def grants(self):
        """Whether QEMU is to grant anything to this guest."""
        return self.gpu is not None and self.gpu.window > 0 and \
            self.gpu.properties.get("xen-hostmem") not in ("off", "trapped")

    @property
    def pool_pages(self):
        """Pages that Xen has for the tables of the guest's address space."""
        if self.shadow_kib is not None:
            return self.shadow_kib * units.KIB // units.PAGE
        return units.default_pool(self.memory_mib, self.vcpus)

    @property
    def rendernodes(self):
        return re.findall(r"rendernode=([^,]+)", ",".join(self.values("-display") +
                                                          self.values("-spice")))


def parse_device(text):
    """QEMU's -device MODEL,NAME=VALUE,..."""
    pairs = [s.partition("=") for s in text.split(",")]
    if not pairs[0][1]:
        pairs[0] = ("driver", "=", pairs[0][0])
    properties = {name: value if equals else "on" for name, equals, value in pairs}
    return Gpu(properties.pop("driver", ""), properties)


def strings(value):
    """xl takes a string for a list of words, too."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(str(v) for v in value if not isinstance(v, list)) \
        if isinstance(value, list) else ()


def string(value):
    return value if isinstance(value, str) else None


def integer(value):
    return value if isinstance(value, int) and value >= 0 else None


def from_xlcfg(text, path):
    """The configuration in an xl.cfg. Raises xlcfg.Invalid."""
    cfg = xlcfg.parse(text)
    memory, shadow = integer(cfg.get("memory")), integer(cfg.get("shadow_memory"))
    stdvga = {0: "cirrus", 1: "stdvga"}.get(integer(cfg.get("stdvga")))
    return GuestConfig(
        name=str(cfg.get("name", path)), place=path,
        type=str(cfg.get("type", "hvm" if cfg.get("builder") == "hvm" else "pv")),
        memory_mib=integer(cfg.get("maxmem")) or memory or DEFAULT_MEMORY_MIB,
        vcpus=integer(cfg.get("maxvcpus")) or integer(cfg.get("vcpus")) or 1,
        maptrack_frames=integer(cfg.get("max_maptrack_frames")),
        shadow_kib=None if shadow is None else shadow * units.KIB,
        hap=cfg.get("hap") != 0, dm_restrict=bool(cfg.get("dm_restrict")),
        device_model=string(cfg.get("device_model_override")),
        vga=string(cfg.get("vga", stdvga)), videoram_mib=integer(cfg.get("videoram")),
        arguments=strings(cfg.get("device_model_args")) +
        strings(cfg.get("device_model_args_hvm")))


def kib(value):
    """libxl's MemKB; None if it is unset, which is LIBXL_MEMKB_DEFAULT."""
    return None if integer(value) is None or value >= UNSET_KIB else value


def from_libxl(domid, config):
    """The configuration of a running guest, from an entry of "xl list -l"."""
    create, build = config.get("c_info", {}), config.get("b_info", {})
    hvm = build.get("type.hvm") or build.get("u", {}).get("hvm") or {}
    maptrack, video = integer(build.get("max_maptrack_frames")), kib(build.get("video_memkb"))
    return GuestConfig(
        name=create.get("name", str(domid)), place=f"its xl.cfg (it runs as domain {domid})",
        running=True, type=create.get("type", "hvm"),
        memory_mib=(kib(build.get("max_memkb")) or 0) // 1024 or DEFAULT_MEMORY_MIB,
        vcpus=build.get("max_vcpus") or 1,
        maptrack_frames=None if maptrack == UNSET else maptrack,
        shadow_kib=kib(build.get("shadow_memkb")),
        hap=create.get("hap") != "False", dm_restrict=build.get("dm_restrict") == "True",
        device_model=build.get("device_model"), vga=hvm.get("vga", {}).get("kind"),
        videoram_mib=None if video is None else video // 1024,
        arguments=strings(build.get("extra")) + strings(build.get("extra_hvm")))
