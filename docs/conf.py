# SPDX-License-Identifier: GPL-2.0-or-later
"""How Sphinx makes pages of these documents: "make docs". The theme and the options are those of
QEMU's manual, so that a page can move there as it is."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sphinx"))

project = "xen-hostmem"
copyright = "the xen-hostmem developers"      # pylint: disable=redefined-builtin
extensions = ["myst_parser", "page_links"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["sphinx"]

# A block of text is not a program unless it says so.
highlight_language = "none"
# Options begin with two hyphens, which are not a dash.
smartquotes = False
# A name in single backquotes is a reference, and one that leads nowhere is a warning.
default_role = "any"
myst_heading_anchors = 2

html_theme = "sphinx_rtd_theme"
html_theme_options = {"collapse_navigation": False}
html_title = "xen-hostmem"
html_show_sphinx = False
html_copy_source = False
