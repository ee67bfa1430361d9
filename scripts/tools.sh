#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# tools.sh: the lab's small C programs. Runs in the build base.

set -eu
cd /src/tests/lab
out=/src/build/tools
mkdir -p "$out"

# build NAME SOURCE FLAGS...: what is not written yet is not built
build()
{
    name=$1 source=$2
    shift 2
    [ -e "$source" ] || { echo "no $source"; return 0; }
    # shellcheck disable=SC2046 # a list of options
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror -I/src/include -Icommon \
        $(pkg-config --cflags libdrm) -o "$out/$name.tmp" "$source" "$@"
    mv "$out/$name.tmp" "$out/$name"
}

# The guest has no libraries.
build rpc guest/rpc.c guest/xenstore.c guest/xenbus.c guest/port.c -static
build ask guest/ask.c -static
build blobtool guest/blobtool/*.c -static -pthread -lm
build rawgpu guest/rawgpu.c -static
build peek dom0/peek.c
build grantcheck dom0/grantcheck.c

# Runs in the guest's Debian system, and in dom0 for comparison.
shader()
{
    glslangValidator --quiet -V --target-env vulkan1.3 --vn "$1_code" \
        -o "$out/vktool.$1.h" "guest/vktool.$1"
}
shader vert
shader frag
build vktool guest/vktool.c "-I$out" -lvulkan
build gltool guest/gltool.c -lepoxy
