# SPDX-License-Identifier: GPL-2.0-or-later
"""What only a PVH dom0 has: a kernel with large folios. The gntdev of this boot has our fix
(upstream/patches/gntdev-segments.patch); Linux' own would overrun dom0's memory with them."""

import re
from contextlib import contextmanager

import dom0
from blobs import MIB, Blob, granted_pages, reasons, window
from cases.lifecycle import checked
from guest import GPU
from lab import PVH, case

SHMEM_ENABLED = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
HUGE_PAGES = "/proc/sys/vm/nr_hugepages"
BUFFER = 4 * MIB


@contextmanager
def setting(path, value, later):
    dom0.sh(f"echo {value} >{path}")
    try:
        yield
    finally:
        dom0.sh(f"echo {later} >{path}")


def shmem_huge_bytes():
    with open("/proc/meminfo", encoding="ascii") as f:
        return int(re.search(r"ShmemHugePages: *(\d+) kB", f.read())[1]) * 1024


def attachments():
    """The devices that are attached to udmabufs: gntdev's is while it has a buffer imported.
    None if there is no udmabuf."""
    with open("/sys/kernel/debug/dma_buf/bufinfo", encoding="ascii", errors="replace") as f:
        found = re.findall(r"\tudmabuf\t.*?Total (\d+) devices attached", f.read(), re.S)
    return sum(map(int, found)) if found else None


def check_not_given(lab, guest, seed):
    """A blob is trapped, although gntdev is allowed and there; its words are right."""
    blob = Blob(guest, BUFFER, seed, fill=False)
    lab.equal(granted_pages(guest), 0, "granted pages")
    lab.equal(attachments(), 0, "devices attached to udmabufs")
    blob.check_both_ways(lab, seed, 16)
    return blob


@case("gntdev-large-folios", limit=400, boots=PVH)
def gntdev_large_folios(lab):
    """QEMU gives no buffer to gntdev in a dom0 that may have large folios. The first one has
    none, so that gntdev would grant it."""
    with setting(SHMEM_ENABLED, "never", "never"):
        guest = lab.guest(driver=True, provider=False, fresh=True,
                          gpu=GPU + ",xen-hostmem-provider=gntdev")
        check_not_given(lab, guest, 401).close()
    lab.equal(window(guest)["provider"], "gntdev", "provider")
    with setting(SHMEM_ENABLED, "always", "never"):
        before = shmem_huge_bytes()
        blob = check_not_given(lab, guest, 403)
        huge = shmem_huge_bytes() - before
    lab.data["huge_mib"] = huge // MIB
    lab.require(huge >= BUFFER, f"only {huge} bytes are in large folios: nothing was tested")
    blob.close()
    lab.equal(set(reasons(guest)), {"gntdev-unsafe"}, "reasons")
    lab.drop_guest()


@case("grantcheck-huge-pages", limit=120, boots=PVH)
def grantcheck_huge_pages(lab):
    """The module grants huge pages, and so does gntdev with our fix; words are right."""
    lab.drop_guest()
    lab.alive()
    dom0.load_module()
    with setting(HUGE_PAGES, 2, 0):
        result = checked(lab, "--only 'huge pages' --fixed-gntdev")
    lab.equal((result["passed"], result["skipped"]), (2, 0), f"grantcheck: {result}")
