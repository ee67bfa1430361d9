# SPDX-License-Identifier: GPL-2.0-or-later
"""What is judged about a running guest. Facts: monitor.Running. A blob that is trapped is reported
under its reason (XenHostmemReason in qapi/xen-hostmem.json)."""

from .finding import NOTE, OK, PROBLEM, UNKNOWN, XEN_LINE, Finding

LOAD_EARLY = "; if QEMU does not run as root, before the guest is started"
MODULE = "modprobe xen-dmabuf-grant  in dom0" + LOAD_EARLY
# Reason: what it means, and what to change.
ADVICE = {
    "policy": ("its GPU has xen-hostmem=trapped", "remove xen-hostmem=trapped in its xl.cfg"),
    "quota": ("its quota of granted memory is used up",
              "xen-hostmem-quota=SIZE on its GPU device; if that is not set, a larger "
              f"gnttab_max_frames=N {XEN_LINE}"),
    "peer-limit": ("it holds as much of dom0's grant table as one guest may",
                   f"a larger gnttab_max_frames=N {XEN_LINE}, or "
                   "echo N >/sys/module/xen_dmabuf_grant/parameters/peer_limit"),
    "pin-limit": ("it has parts of buffers which together are as large as one guest's may be",
                  "echo N >/sys/module/xen_dmabuf_grant/parameters/peer_pinned"),
    "no-frontend": ("its hostmem driver is not connected",
                    "modprobe xen-hostmem  in the guest; run xen-hostmem-check there, too"),
    "no-provider": ("nothing in dom0 grants memory", MODULE),
    "no-udmabuf": ("QEMU cannot open /dev/udmabuf", "modprobe udmabuf  in dom0" + LOAD_EARLY),
    "udmabuf-failed": ("udmabuf rejected the memory, as a rule because of its limit",
                       "echo 1024 >/sys/module/udmabuf/parameters/size_limit_mb"),
    "not-exportable": ("the renderer has no dma-buf for it, as is usual for OpenGL in software",
                       "nothing to change; a GPU driver that exports its buffers avoids it"),
    "not-cached": ("it is write-combined, and the GPU has xen-hostmem-wc=off",
                   "remove xen-hostmem-wc=off in its xl.cfg"),
    "cpu-forces-cached": ("it is write-combined, and this CPU makes every grant cached",
                          "xen-hostmem-wc=on on its GPU device, only if the host's GPU snoops the "
                          "CPU's caches for all memory"),
    "shadow-paging": ("it is write-combined, and the guest has shadow paging",
                      "remove hap = 0 in its xl.cfg"),
    "unknown-cpu": ("it is write-combined, and it is not known whether a grant would be",
                    "xen-hostmem-wc=on on its GPU device, only if you know that it would"),
    "no-map-info": ("the renderer names no memory type", "use a newer virglrenderer in dom0"),
    "size-mismatch": ("gntdev grants only whole buffers", MODULE),
    "too-large": ("gntdev grants at most 65535 pages", MODULE),
    "grant-table-full": ("dom0's grant table is full",
                         f"a larger gnttab_max_frames=N {XEN_LINE}; xen-hostmem-check says which"),
    "no-memory": ("dom0 ran out of memory", f"a larger dom0_mem= {XEN_LINE}"),
    "no-descriptors": ("QEMU is out of file descriptors",
                       "a larger limit for what starts xl: ulimit -n 65536, or LimitNOFILE="),
    "not-system-ram": ("it is in video memory, which cannot be granted", "nothing to change"),
    "gntdev-unsafe": ("it is not known to be safe to give it to gntdev", MODULE),
    "import-failed": ("dom0's kernel refused it",
                      "dmesg  in dom0, and QEMU's trace event xen_hostmem_import"),
    "guest-no-memory": ("the guest can map no more grants",
                        "a larger max_maptrack_frames = N in its xl.cfg (1 for each MiB)"),
    "guest-p2m-full": ("Xen has no more memory for the tables of its address space",
                       "a larger shadow_memory = N in its xl.cfg"),
    "guest-no-window": ("the GPU's BAR was moved or disabled",
                        "dmesg | grep hostmem  in the guest"),
    "guest-refused": ("its driver failed to map it", "dmesg | grep hostmem  in the guest"),
}
# Of no blob, but of a range that the guest has not let go of.
KEPT = ("quarantined", "stale")


def reasons(window):
    """Why blobs of the window are trapped now, with their number and size in KiB."""
    found = {}
    for b in window.blobs:
        if b.state == "trapped":
            count, kib = found.get(b.reason or "none", (0, 0))
            found[b.reason or "none"] = count + 1, kib + b.kib
    return found


def trapped_now(window):
    trapped = reasons(window)
    for reason, (count, kib) in trapped.items():
        why, line = ADVICE.get(reason, ("for a reason that this program does not know",
                                        "use the xen-hostmem-check of this QEMU's version"))
        yield Finding(reason, PROBLEM, f"blobs that are trapped now: {count} ({kib} KiB): {why}",
                      line)
    # The same reasons also matter before anything was mapped.
    if not window.connected and "no-frontend" not in trapped and window.policy != "trapped":
        yield Finding("no-frontend", PROBLEM, ADVICE["no-frontend"][0], ADVICE["no-frontend"][1])
    elif window.connected and window.provider is None and "no-provider" not in trapped \
            and window.numbers.get("maps") and window.policy != "trapped":
        yield Finding("no-provider", PROBLEM, *ADVICE["no-provider"])


def earlier(window):
    """What happened before, and is over."""
    now = reasons(window)
    for reason, count in window.fallbacks.items():
        if reason not in now:
            why, line = ADVICE.get(reason, ("an unknown reason", ""))
            yield Finding(reason, NOTE, f"blobs that were trapped earlier: {count}: {why}", line)


def limits(window):
    n = window.numbers
    if n.get("refused"):
        yield Finding("blob-quota", PROBLEM, f"{n['refused']} blobs were refused, because the "
                      f"guest may create {n['host_memory_limit'] // 1024} MiB only",
                      f"blob-quota={n['host_memory_limit'] // 512}M on its GPU device")
    kept = [b for b in window.blobs if b.state in KEPT]
    if kept:
        yield Finding("quarantined", PROBLEM, f"ranges that the guest has not proven to have "
                      f"unmapped: {len(kept)} ({sum(b.kib for b in kept)} KiB)",
                      "dmesg | grep hostmem  in the guest; they are free again when it ends. "
                      "xen-hostmem-hold-limit=60 on its GPU device ends such a guest")
    if n.get("strays"):
        yield Finding("strays", NOTE, f"{n['strays']} accesses were outside any blob: a program or "
                      "the guest's kernel uses memory that is not mapped")


def totals(window):
    n = window.numbers
    yield Finding("window", OK, f"{window.device}: window of {window.kib // 1024} MiB, provider "
                  f"{window.provider or 'none'}, granted {n.get('granted', 0)} KiB of "
                  f"{n.get('quota', 0)} KiB")
    if window.write_combined:
        why, line = ADVICE.get(window.write_combined, ("the reason is unknown", ""))
        if window.write_combined not in reasons(window):
            yield Finding(window.write_combined, NOTE, "a write-combined blob would be trapped: "
                          + why, line)


def quiet(facts):
    """What can be said without a window."""
    if facts.uid != 0:
        yield Finding("root", UNKNOWN, "not run as root", f"sudo xen-hostmem-check {facts.name}")
    elif facts.error:
        yield Finding("guest", UNKNOWN, f"{facts.name}'s QEMU does not answer: {facts.error}",
                      "xl list; the guest has to run, and its QEMU")
    elif facts.strange:
        yield Finding("qemu", PROBLEM, f"{facts.name}'s QEMU does not know "
                      f"\"info xen-hostmem\": {facts.strange[0].strip()}",
                      "device_model_override in its xl.cfg names a QEMU with xen-hostmem")
    elif not facts.windows:
        yield Finding("no-window", PROBLEM, f"{facts.name} has no GPU with host memory",
                      '"-device", "virtio-gpu-gl-pci,blob=on,hostmem=256M,venus=on"  in its '
                      "xl.cfg, without xen-hostmem=off")


def run(facts):
    """All findings about a running guest."""
    if not facts.windows:
        return list(quiet(facts))
    found = []
    for window in facts.windows:
        for part in (totals, trapped_now, limits, earlier):
            found += part(window)
    if facts.no_server:
        found.append(Finding("render-server", PROBLEM, "its QEMU found no virgl_render_server, so "
                             "there is no Vulkan", "apt install virgl-server  in dom0"))
    for line in facts.strange:
        found.append(Finding("qemu", NOTE, f"a line that this program does not know: "
                             f"{line.strip()}", "use the xen-hostmem-check of this QEMU's version"))
    return found
