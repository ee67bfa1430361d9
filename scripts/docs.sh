#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# docs.sh: make pages of the documents, in build/docs/. Sphinx is in a layer above the
# build base, because nothing else needs it. check.py judges.

. "$(dirname "$0")/common.sh"

NEEDED="python3-sphinx, python3-sphinx-rtd-theme, python3-myst-parser"

need_root
XH_LAYER=$("$TOP/packaging/layer.sh" build "$NEEDED") || exit
export XH_LAYER
exec "$TOP/scripts/in-base.sh" python3 scripts/check.py docs
