# SPDX-License-Identifier: GPL-2.0-or-later
"""What is judged about the limits that all guests share. Facts: dom0.Dom0."""

import re

from .finding import XEN_LINE, Checks, ok, problem
from .units import (DEFAULT_GRANT_FRAMES, GRANTS_PER_FRAME, KIB, MIB, PAGE, TABLE_SHARE,
                    bulk_size, divide_up, grant_frames, power_of_two, show)
from .units import dom0_memory as dom0_memory_of

CHECKS = Checks()
check = CHECKS.check


def table_frames(facts):
    text = facts.command_line.get("gnttab_max_frames", "")
    return int(text, 0) if re.fullmatch(r"\d+|0x[0-9a-fA-F]+", text) else DEFAULT_GRANT_FRAMES


@check("gnttab-max-frames")
def gnttab_max_frames(facts):
    """dom0's grant table holds the windows of all guests, and a quarter of it the largest."""
    if not facts.xen:
        return
    found, frames = facts.served, table_frames(facts)
    needed = grant_frames([g.wanted for g in found],
                          [g.wanted for g in found if not g.gpu.size("xen-hostmem-quota")])
    size = show(bulk_size(frames))
    if frames >= needed:
        yield ok(f"dom0's grant table ({frames} frames) is enough for {size}, beside small buffers")
    else:
        total = show(sum(g.wanted for g in found))
        yield problem(f"dom0's grant table ({frames} frames) is enough for {size}, beside small "
                      "buffers, and one guest gets at most "
                      f"{show(frames * GRANTS_PER_FRAME * PAGE // TABLE_SHARE)}; the windows "
                      f"together have {total}, the largest {show(max(g.wanted for g in found))}",
                      f"gnttab_max_frames={power_of_two(needed)} {XEN_LINE}")


def module_limit(facts):
    """Pages of large buffers that xen-dmabuf-grant grants to one guest (dom0/linux/peers.c)."""
    table = table_frames(facts) * GRANTS_PER_FRAME
    reserve = facts.parameters.get("reserve") or table // 4
    return facts.parameters.get("peer_limit") or max(table - table // 32 - reserve, 0) // 2


@check("peer-limit")
def peer_limit(facts):
    """The module grants one guest as much as QEMU wants to."""
    if not facts.xen or not facts.module:
        return
    limit = module_limit(facts)
    quarter = table_frames(facts) * GRANTS_PER_FRAME // TABLE_SHARE
    for guest in facts.served:
        wanted = divide_up(guest.wanted, PAGE)
        # Without a quota QEMU goes by the table itself, which gnttab-max-frames judges.
        if not facts.parameters.get("peer_limit") and not guest.gpu.size("xen-hostmem-quota"):
            wanted = min(wanted, quarter)
        if limit < wanted:
            yield problem(f"xen-dmabuf-grant grants {limit * PAGE // KIB} KiB to one guest; "
                          f"{guest.name} may want {wanted * PAGE // KIB} KiB",
                          f"echo {wanted} >/sys/module/xen_dmabuf_grant/parameters/peer_limit, or "
                          f"a larger gnttab_max_frames= {XEN_LINE}")
        # If it is not set, it follows peer_limit.
        pinned = facts.parameters.get("peer_pinned") or wanted
        if pinned < wanted:
            yield problem(f"xen-dmabuf-grant keeps buffers of at most {pinned * PAGE // KIB} KiB "
                          f"for one guest; {guest.name} may want {wanted * PAGE // KIB} KiB",
                          "echo 0 >/sys/module/xen_dmabuf_grant/parameters/peer_pinned")


@check("dom0-memory")
def dom0_memory(facts):
    """What guests have mapped is pinned in dom0's memory."""
    total = sum(g.wanted for g in facts.served)
    memory = facts.memory_kib * KIB
    if 0 < memory < dom0_memory_of(total):
        yield problem(f"the windows of all guests ({show(total)}) may pin more than three quarters "
                      f"of dom0's memory ({memory // MIB} MiB)",
                      f"dom0_mem={divide_up(dom0_memory_of(total), MIB)}M or more {XEN_LINE}, or "
                      "smaller windows; see xen-hostmem-check --plan")
