# SPDX-License-Identifier: GPL-2.0-or-later
"""dom0's part of a report: the machine, what the guest's QEMU says, and the measurements that the
guest's are compared with."""

import re

from xen_hostmem_check import (config_checks, dom0, dom0_checks, finding, limit_checks, monitor,
                               running_checks)

from . import host, measure

# Options of Xen that matter here; no others get into a report.
XEN_OPTIONS = ("gnttab_max_frames", "gnttab_max_maptrack_frames", "gnttab", "dom0", "dom0_mem",
               "dom0_max_vcpus", "iommu", "hap", "ept", "spec-ctrl", "pcid", "pv-l1tf", "smt",
               "cpuidle", "cpufreq", "sched", "hap_1gb", "hap_2mb")
COUNTERS = "/sys/kernel/debug/xen-dmabuf-grant"


def xen(facts):
    keys = ("xen_version", "virt_caps", "xen_scheduler", "nr_cpus", "total_memory")
    return {**{k: facts.xen[k] for k in keys if k in facts.xen},
            "options": {k: v for k, v in facts.command_line.items() if k in XEN_OPTIONS}}


def counters(machine):
    found = {path.rpartition("/")[2]: machine.number(path)
             for path in machine.glob(COUNTERS + "/*")}
    return {name: value for name, value in found.items() if value is not None}


def device_model(machine, facts, name):
    """Its version."""
    for guest in facts.guests:
        if guest.name == name and guest.device_model:
            status, text = machine.run([guest.device_model, "--version"])
            m = re.search(r"version (\S+(?: \([^)]*\))?)", text)
            return m[1] if m and not status else "unknown"
    return "unknown"


def window(w):
    """What info xen-hostmem says, without what it says of single blobs."""
    blobs = {}
    for b in w.blobs:
        key = f"{b.type}, {b.state}" + (f": {b.reason}" if b.reason else "")
        blobs[key] = blobs.get(key, 0) + b.kib
    return {"mib": w.kib // 1024, "policy": w.policy, "provider": w.provider or "none",
            "connected": w.connected, "cpu": w.cpu or "unknown", "paging": w.paging or "unknown",
            "write_combined": w.write_combined or "granted", "numbers": w.numbers,
            "fallbacks": w.fallbacks, "blobs_kib": blobs}


def log(machine, name):
    text = machine.read(f"/var/log/xen/qemu-dm-{name}.log") or ""
    return host.last_lines(text, "xen-hostmem|virtio-gpu: |render server|virglrenderer: ")


def collect(machine, programs, quick, name):
    """(dom0's part, names of all guests)"""
    facts = dom0.collect(machine)
    running = monitor.collect(machine, name)
    findings = [f for part in (dom0_checks, limit_checks, config_checks)
                for f in part.CHECKS.run(facts)]
    measured = measure.run((("vulkan", lambda: measure.vulkan(programs, quick)),
                            ("frames", lambda: measure.frames(programs, quick))))
    return {"part": "dom0", "kind": host.kind(machine), **host.facts(machine), "xen": xen(facts),
            "dom0_kind": facts.guest_type or "unknown", "qemu": device_model(machine, facts, name),
            "windows": [window(w) for w in running.windows], "counters": counters(machine),
            "named": finding.named(findings),
            "named_running": finding.named(running_checks.run(running)),
            "log": log(machine, name), "measured": measured}, [g.name for g in facts.guests]
