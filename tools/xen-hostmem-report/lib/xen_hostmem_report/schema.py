# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report consists of. A specification of a value is a type, [of each item], {key: of its
value}, or one of the functions below. faults() says what is wrong and where."""

FORMAT = 1
NUMBER = (int, float)
MOST = 1e18             # of any number; a file may come from a guest that is not trusted


class Some:
    """A specification with a condition of its own; check() returns what is wrong, or None."""

    def __init__(self, check):
        self.check = check


def one_of(*values):
    return Some(lambda value, _where: [] if value in values and not isinstance(value, bool)
                else [f"{value!r} is none of {', '.join(map(str, values))}"])


def maybe(spec):
    """A key that may be missing."""
    return ("maybe", spec)


def mapping(spec):
    """An object with any keys."""
    def check(value, where):
        if not isinstance(value, dict):
            return [f"{where}: not an object"]
        return [f for key, item in value.items() for f in faults(item, spec, f"{where}.{key}")]
    return Some(check)


def at_least(least):
    def check(value, where):
        if isinstance(value, bool) or not isinstance(value, NUMBER) or not least <= value <= MOST:
            return [f"{where}: {value!r:.40} is not a number of at least {least}"]
        return []
    return Some(check)


def measured(spec):
    """Results, or why there are none."""
    def check(value, where):
        if isinstance(value, dict) and "not_measured" in value:
            return faults(value, {"not_measured": str}, where)
        return faults(value, spec, where)
    return Some(check)


def kind_name(spec):
    return {str: "a text", int: "a number", bool: "true or false",
            NUMBER: "a number"}.get(spec, "?")


def object_faults(value, spec, where):
    if not isinstance(value, dict):
        return [f"{where}: not an object"]
    found = [f"{where}.{key} is not known" for key in value if key not in spec]
    for key, inner in spec.items():
        optional = isinstance(inner, tuple) and inner and inner[0] == "maybe"
        if key in value:
            found += faults(value[key], inner[1] if optional else inner, f"{where}.{key}")
        elif not optional:
            found.append(f"{where}.{key} is missing")
    return found


def faults(value, spec, where="report"):
    """What is wrong with a value, as texts."""
    if isinstance(spec, Some):
        return [f if f.startswith(where) else f"{where}: {f}" for f in spec.check(value, where)]
    if isinstance(spec, dict):
        return object_faults(value, spec, where)
    if isinstance(spec, list):
        if not isinstance(value, list):
            return [f"{where}: not a list"]
        return [f for n, item in enumerate(value) for f in faults(item, spec[0], f"{where}[{n}]")]
    fits = isinstance(value, spec) and (spec is bool or not isinstance(value, bool))
    return [] if fits else [f"{where}: {value!r} is not {kind_name(spec)}"]


COUNT, POSITIVE = at_least(0), at_least(1e-12)
SPREAD = {"median": COUNT, "low": COUNT, "high": COUNT, "min": COUNT, "max": COUNT}
CPU = {"threads": at_least(1), **{k: maybe(str) for k in (
    "vendor_id", "model_name", "cpu_family", "model", "stepping", "microcode")}}
HOST = {"cpu": CPU, "memory_mib": COUNT, "gpus": [{"driver": str, "pci_id": str}],
        "versions": mapping(str), "named": [str]}
OPERATIONS = ("write", "read", "copy", "random")


def operation(name, required):
    unit = "m_s" if name == "random" else "mb_s"
    spec = {f"{name}_ratio": SPREAD, f"guest_{name}_{unit}": POSITIVE,
            f"ram_{name}_{unit}": POSITIVE}
    return spec if required else {k: maybe(v) for k, v in spec.items()}


BENCH = {"bytes": POSITIVE, "pairs": POSITIVE, "wrong_sums": COUNT}
SPEED = {**BENCH, "small_pages": bool,
         **{k: v for name in OPERATIONS for k, v in operation(name, True).items()}}
TRAPPED = {**BENCH, **operation("write", True), **operation("read", True)}
LATENCY = {"count": POSITIVE, "bytes": POSITIVE, "held": COUNT, "mismatches": COUNT,
           "first_ready_us": POSITIVE, "cycle_us": NUMBER, "back_to_back_us": POSITIVE,
           **{f"{name}_us": SPREAD for name in ("create", "map", "touch", "ready", "unmap")}}
MEMORY = {"type": COUNT, "bytes": POSITIVE, "flags": [str], "guest_types": [str],
          "rounds": POSITIVE, "wrong_fill": COUNT, "wrong_copy": COUNT,
          **{f"{prefix}{op}_{unit}": POSITIVE for op in ("write", "read")
             for prefix, unit in (("", "mb_s"), ("ram_", "mb_s"), ("", "ratio"))}}
VULKAN = measured({"device": str, "driver": str, "version": str, "memory": [MEMORY]})
FRAMES = measured([{"scene": str, "fps": COUNT}])
WINDOW = {"mib": COUNT, "policy": str, "provider": str, "connected": bool, "cpu": str,
          "paging": str, "write_combined": str, "numbers": mapping(COUNT),
          "fallbacks": mapping(COUNT), "blobs_kib": mapping(COUNT)}

GUEST = {"part": one_of("guest"), **HOST, "window_mib": COUNT, "kernel_log": [str],
         "measured": {"memory_type": measured([str]), "speed": measured([SPEED]),
                      "latency": measured([LATENCY]), "vulkan": VULKAN, "frames": FRAMES,
                      "trapped": measured(TRAPPED)}}
DOM0 = {"part": one_of("dom0"), "kind": one_of("hardware", "emulated", "unknown"), **HOST,
        "xen": {**{k: maybe(str) for k in ("xen_version", "virt_caps", "xen_scheduler", "nr_cpus",
                                           "total_memory")}, "options": mapping(str)},
        "dom0_kind": str, "qemu": str, "windows": [WINDOW], "counters": mapping(COUNT),
        "named_running": [str], "log": [str], "measured": {"vulkan": VULKAN, "frames": FRAMES}}
HEAD = {"format": one_of(FORMAT), "program": one_of("xen-hostmem-report"), "month": str,
        "quick": bool, "removed": mapping(COUNT)}
PART = {**HEAD, "guest": GUEST}
REPORT = {**HEAD, "guest": GUEST, "dom0": DOM0}
