#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lab-image.sh OUT BASE FOLDER...: dom0's disk as for the other cases, with what is in the
# folders laid over the base, the last one on top: a layer of layer.sh, or packages in
# /packages. Runs in the build base.

set -eu
out=$1 lower=$2
shift 2
for folder; do
    lower=$folder:$lower
done

mount -t overlay -o "lowerdir=$lower" base /lab
rm -rf "$out"
sh /src/tests/lab/image/image.sh /lab "$out"
