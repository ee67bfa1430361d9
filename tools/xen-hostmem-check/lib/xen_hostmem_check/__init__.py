# SPDX-License-Identifier: GPL-2.0-or-later
"""xen-hostmem-check: what of virtio-gpu host memory on Xen is ready, and what is missing.

    machine      files and commands of the machine, or of a fake one
    xlcfg        xl.cfg's syntax
    guestconfig  a guest's configuration, from xl.cfg or from a running guest
    pci, memtype what Linux says about the window and its memory
    dom0, guest, running   the facts of each mode
    dom0_checks, limit_checks, config_checks, guest_checks, running_checks
                 pure functions from facts to findings
    plan         how much to give
    output, main text and JSON, the command line"""
