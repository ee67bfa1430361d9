# SPDX-License-Identifier: GPL-2.0-or-later
"""xen-hostmem-report: measure on real hardware what an emulated CPU cannot show, as one file to
send and a picture to look at. Facts about the machine come from xen-hostmem-check.

    programs     the programs that measure, run with a time limit
    host         what both sides say about themselves: CPU, GPUs, versions
    guest        what is measured in a guest
    dom0         what is measured in dom0, and what the guest's QEMU says
    privacy      what is removed, and the proof that it is
    schema       what a report consists of
    svg, picture a picture of a report
    table        a report as a row of docs/hardware.rst
    main         the command line"""
