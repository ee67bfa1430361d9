#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lab-image.sh BASE LAYER OUT: dom0's disk as for the other cases, with what the packages
# depend on (LAYER) and the packages themselves in /packages. Runs in the build base.

set -eu
base=$1 layer=$2 out=$3

mount -t overlay -o "lowerdir=/src/build/deb/lab:$layer:$base" base /lab
rm -rf "$out"
sh /src/tests/lab/image/image.sh /lab "$out"
