# SPDX-License-Identifier: GPL-2.0-or-later
"""The virtio GPU of a guest and its host visible window, from PCI's files in sysfs."""

from dataclasses import dataclass

VENDOR, GPU = "0x1af4", "0x1050"
# Virtio specification: "PCI Device Layout", and "Shared memory capability"
CAPABILITIES = 0x34
VENDOR_CAPABILITY, SHARED_MEMORY = 9, 8
HOST_VISIBLE = 1                # VIRTIO_GPU_SHM_ID_HOST_VISIBLE
MOST_CAPABILITIES = 48          # a longer list is a loop


@dataclass
class Function:
    address: str                # ssss:bb:dd.f
    driver: str                 # or None
    readable: bool              # all of the configuration space, which takes root
    window: tuple               # (start, size), or None


def word32(data, at):
    return int.from_bytes(data[at:at + 4], "little")


def shared_memory(config):
    """(BAR, offset, size) of the host visible region, or None."""
    at = config[CAPABILITIES] & 0xfc if len(config) > CAPABILITIES else 0
    for _ in range(MOST_CAPABILITIES):
        if not 64 <= at <= len(config) - 24:
            return None
        if config[at] == VENDOR_CAPABILITY and config[at + 3] == SHARED_MEMORY and \
                config[at + 5] == HOST_VISIBLE:
            return (config[at + 4], word32(config, at + 8) | word32(config, at + 16) << 32,
                    word32(config, at + 12) | word32(config, at + 20) << 32)
        at = config[at + 1] & 0xfc
    return None


def window(config, resources):
    """(start, size) in the guest's address space, or None."""
    region = shared_memory(config)
    lines = resources.splitlines()
    if region is None or region[0] >= len(lines):
        return None
    start = int(lines[region[0]].split()[0], 16)
    return (start + region[1], region[2]) if start else None


def gpus(machine):
    """The virtio GPUs."""
    found = []
    for folder in machine.glob("/sys/bus/pci/devices/*"):
        if machine.word(folder + "/vendor") != VENDOR or machine.word(folder + "/device") != GPU:
            continue
        config = machine.read_bytes(folder + "/config") or b""
        found.append(Function(folder.rpartition("/")[2], machine.link(folder + "/driver"),
                              len(config) >= 256,
                              window(config, machine.read(folder + "/resource") or "")))
    return found
