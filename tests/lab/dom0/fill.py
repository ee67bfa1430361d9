# SPDX-License-Identifier: GPL-2.0-or-later
"""Use up dom0's limited resources, and give them back."""

import ctypes
import errno
import fcntl
import glob
import itertools
import os
import resource
import struct
from contextlib import contextmanager

PAGES = 4096                    # of the largest buffer
UNLIMITED = 0xffffffff
UDMABUF_CREATE = 0x40187542     # _IOW('u', 0x42, struct udmabuf_create)
IMPORT = 0xc02858d0             # XEN_DMABUF_GRANT_IMPORT
ADD_SEALS, SEAL_SHRINK = 1033, 2


def make_dmabuf(pages):
    """Create a udmabuf; the caller closes it."""
    memfd = os.memfd_create("fill", os.MFD_ALLOW_SEALING)
    device = os.open("/dev/udmabuf", os.O_RDWR)
    try:
        os.ftruncate(memfd, pages * 4096)
        fcntl.fcntl(memfd, ADD_SEALS, SEAL_SHRINK)
        # A bytearray: given bytes, ioctl() returns those instead of the descriptor.
        return fcntl.ioctl(device, UDMABUF_CREATE,
                           bytearray(struct.pack("IIQQ", memfd, 0, 0, pages * 4096)))
    finally:
        os.close(memfd)
        os.close(device)


def grant(device, dmabuf, pages, domid):
    """Import it once more; False if the grant table is full, or the domain's share."""
    refs = (ctypes.c_uint32 * pages)()
    request = bytearray(struct.pack("iIQIIQQ", dmabuf, domid, 0, pages, 0,
                                    ctypes.addressof(refs), 0))
    try:
        fcntl.ioctl(device, IMPORT, request)
    except OSError as why:
        if why.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return False
    return True


@contextmanager
def module_parameters(**values):
    """Change parameters of xen-dmabuf-grant for a while."""
    paths = {f"/sys/module/xen_dmabuf_grant/parameters/{name}": value
             for name, value in values.items()}
    before = {}
    for path, value in paths.items():
        with open(path, encoding="ascii") as f:
            before[path] = f.read()
        with open(path, "w", encoding="ascii") as f:
            f.write(str(value))
    try:
        yield
    finally:
        for path, value in before.items():
            with open(path, "w", encoding="ascii") as f:
                f.write(value)


def sizes(smallest):
    """From PAGES down to `smallest`, each a quarter of the one before."""
    pages = PAGES
    while pages > smallest:
        yield pages
        pages //= 4
    yield smallest


@contextmanager
def hoards(domids, smallest=1):
    """Grant to these domains, in turn, as much as they can get; of imports of `smallest`
    pages and more."""
    # As whole buffers: they count as such.
    dmabufs = {pages: make_dmabuf(pages) for pages in sizes(smallest)}
    device = os.open("/dev/xen/dmabuf-grant", os.O_RDWR)
    try:
        for domid in domids:
            for pages, dmabuf in dmabufs.items():
                while grant(device, dmabuf, pages, domid):
                    pass
        yield
    finally:
        os.close(device)        # releases all imports
        for dmabuf in dmabufs.values():
            os.close(dmabuf)


def resize_p2m_pool(domid, change):
    """Give a domain so many bytes more for the tables of its address space, and return what
    it had."""
    library, = glob.glob("/usr/lib/*/libxenctrl.so.*.0") or ["libxenctrl.so"]
    xenctrl = ctypes.CDLL(library, use_errno=True)
    xenctrl.xc_interface_open.restype = ctypes.c_void_p
    xch = ctypes.c_void_p(xenctrl.xc_interface_open(None, None, 0))
    size = ctypes.c_uint64()
    try:
        if xenctrl.xc_get_paging_mempool_size(xch, domid, ctypes.byref(size)) or \
                xenctrl.xc_set_paging_mempool_size(xch, domid,
                                                   ctypes.c_uint64(size.value + change)):
            raise OSError(ctypes.get_errno(), "the p2m pool cannot be resized")
    finally:
        xenctrl.xc_interface_close(xch)
    return size.value


@contextmanager
def full_grant_table(domid, smallest):
    """Keep dom0's grant table full for imports of `smallest` pages and more."""
    with module_parameters(peer_limit=UNLIMITED, peer_small=UNLIMITED), \
            hoards([domid], smallest):
        yield


@contextmanager
def few_descriptors(pid, spare):
    """Let a process open only `spare` more files."""
    old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = set(map(int, os.listdir(f"/proc/{pid}/fd")))
    # The limit applies to the descriptor's number; the lowest free one is used first.
    free = (fd for fd in itertools.count() if fd not in used)
    limit = next(itertools.islice(free, spare, None))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, old[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
