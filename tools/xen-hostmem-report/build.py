#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""build.py OUT: make one executable file of xen-hostmem-report, with the parts of
xen-hostmem-check that it uses; the same from the same source."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import onefile  # noqa: E402

FOLDERS = {"xen_hostmem_report": os.path.join(HERE, "lib"),
           "xen_hostmem_check": os.path.join(HERE, "..", "xen-hostmem-check", "lib")}

if __name__ == "__main__":
    onefile.main(__doc__, "xen_hostmem_report", FOLDERS)
