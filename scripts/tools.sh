#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# tools.sh: build the lab's small C programs, and ours. Runs in the build base.

set -eu
cd /src/tests/lab
out=/src/build/tools
mkdir -p "$out"

# build NAME SOURCE... FLAGS...
build()
{
    name=$1
    shift
    # shellcheck disable=SC2046 # a list of options
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror -I/src/include -Icommon \
        $(pkg-config --cflags libdrm) -o "$out/$name.tmp" "$@"
    mv "$out/$name.tmp" "$out/$name"
}

# The guest's initrd has no libraries.
build rpc guest/rpc.c guest/xenstore.c guest/xenbus.c guest/port.c -static
build ask guest/ask.c -static
build blobtool guest/blobtool/*.c guest/die.c -static -pthread -lm
build rawgpu guest/rawgpu.c guest/die.c -static
build kmsdraw guest/kmsdraw.c guest/die.c -static
build rawfront guest/rawfront/*.c guest/xenbus.c guest/die.c -I/usr/include/xen/io -static \
    -pthread
build keeper guest/keeper.c -static
build pages guest/pages.c guest/die.c -static
build misuse guest/misuse/*.c guest/blobtool/blob.c guest/blobtool/tool.c \
    guest/die.c -static -pthread
build venushang guest/venushang.c guest/blobtool/blob.c guest/blobtool/tool.c \
    guest/die.c -static
build peek dom0/peek.c
build canary dom0/canary.c
# shellcheck disable=SC2046 # a list of options
build dbusview dom0/dbusview.c -Wno-unused-parameter \
    $(pkg-config --cflags --libs gio-unix-2.0)
build grantcheck dom0/grantcheck.c -pthread
build guestcheck dom0/guestcheck.c -pthread
build grantfuzz dom0/grantfuzz.c -pthread -Wno-unused-function -Wno-unused-variable
build gntdevcheck dom0/gntdevcheck.c -Wno-unused-function -Wno-unused-variable

# These run in the guest's Debian system and, for comparison, in dom0.
shader()
{
    glslangValidator --quiet -V --target-env vulkan1.3 --vn "$1_code" \
        -o "$out/vktool.$1.h" "guest/vktool.$1"
}
shader vert
shader frag
build vktool guest/vktool.c guest/die.c "-I$out" -lvulkan
build gltool guest/gltool.c -lepoxy
build vkmemory ../../tools/xen-hostmem-report/vkmemory.c -lvulkan

# The boot sector of a guest's disk
gcc -m32 -c -o "$out/bootsector.o" guest/bootsector.S
ld -m elf_i386 -Ttext 0x7c00 -e _start --oformat binary -o "$out/bootsector.bin" \
    "$out/bootsector.o"

# A layer for the renderer in dom0
build uncached.so dom0/uncached.c -shared -fPIC -fvisibility=hidden

# As it is installed, in dom0 and in the guest
python3 /src/tools/xen-hostmem-check/build.py "$out/xen-hostmem-check"
python3 /src/tools/xen-hostmem-report/build.py "$out/xen-hostmem-report"
