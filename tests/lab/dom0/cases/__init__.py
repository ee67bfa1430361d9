# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's cases, one file per subject; see lab.case()."""
