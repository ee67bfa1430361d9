# SPDX-License-Identifier: GPL-2.0-or-later
"""Links from page to page that work in a source tree, too.

In reStructuredText, `text <other.rst>`_ is a link to a file: right where a forge shows the source,
and broken in the pages that Sphinx makes. Here it becomes a link to the page. Another file is
copied to where the link leads. A link to what does not exist is a warning, which "make docs" takes
as an error."""

import os
import posixpath
import re
import shutil

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

PAGE = re.compile(r"(?P<path>[^:#]+\.(?:rst|md))(?P<anchor>#.*)?$")
FILE = re.compile(r"[^:#]+\.\w+$")
log = logging.getLogger(__name__)


class PageLinks(SphinxPostTransform):
    default_priority = 100

    def run(self, **_options):
        for node in self.document.findall(nodes.reference):
            m = PAGE.match(node.get("refuri", ""))
            if m:
                self.resolve(node, m["path"], m["anchor"] or "")
            elif FILE.match(node.get("refuri", "")) and not node.get("internal"):
                self.copy(node, node["refuri"])

    def resolve(self, node, path, anchor):
        """Make the node a link to the page whose source has this path."""
        here = self.env.docname
        source = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
        page = os.path.splitext(source)[0]
        if page not in self.env.all_docs:
            log.warning("there is no page %s", source, location=node)
            return
        node["refuri"] = self.app.builder.get_relative_uri(here, page) + anchor
        node["internal"] = True

    def copy(self, node, path):
        """Copy the file that the node leads to."""
        path = posixpath.join(posixpath.dirname(self.env.docname), path)
        source = os.path.join(self.app.srcdir, path)
        target = os.path.join(self.app.outdir, path)
        if not os.path.isfile(source):
            log.warning("there is no file %s", path, location=node)
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target)


def setup(app):
    app.add_post_transform(PageLinks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
