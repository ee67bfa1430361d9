#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Tests xen-hostmem-mtrr: given the contents of /proc/mtrr, what it writes there.
set -u

here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0
number=0

# As left by hvmloader: a 256 MiB window at 0xf0000000, and one of 8 GiB above
# 4 GiB.
hvmloader='reg00: base=0x0f0000000 ( 3840MB), size=  256MB, count=1: uncachable
reg01: base=0x0e0000000 ( 3584MB), size=  256MB, count=1: uncachable
reg02: base=0x400000000 (16384MB), size= 8192MB, count=1: uncachable'
small='reg00: base=0x0000a0000 (    0MB), size=  128KB, count=1: uncachable
reg07: base=0x0f0000000 ( 3840MB), size=  512KB, count=1: uncachable
reg08: base=0x0f0080000 ( 3840MB), size=  512KB, count=2: uncachable
reg10: base=0x0f0100000 ( 3841MB), size=    1MB, count=1: uncachable'
cached='reg00: base=0x000000000 (    0MB), size=65536MB, count=1: write-back
reg01: base=0x0f0000000 ( 3840MB), size=  256MB, count=1: uncachable'
combining='reg00: base=0x0f0000000 ( 3840MB), size=   16MB, count=1: write-combining'

# check NAME EXIT WRITES [ARGUMENT...]: $mtrr is the content of the file, $type
# the default memory type, $sysfs the directory. WRITES are register numbers.
check() {
	name=$1 expect_code=$2 expect=$3
	shift 3
	number=$((number + 1))
	printf '%s\n' "$mtrr" > "$tmp/mtrr"
	MTRR="$tmp/mtrr" SYSFS="${sysfs:-$tmp/none}" MTRR_DEFAULT_TYPE="$type" \
		"${TEST_SHELL:-sh}" "$here/xen-hostmem-mtrr" "$@" > "$tmp/out" 2>&1
	code=$?
	writes=$(sed -n 's/^disable=//p' "$tmp/mtrr" | tr '\n' ' ')
	if [ $code -eq "$expect_code" ] && [ "${writes% }" = "$expect" ]; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name: exit $code, expected $expect_code; disabled \"${writes% }\", expected \"$expect\""
		sed 's/^/# /' "$tmp/out"
		failed=$((failed + 1))
	fi
}

# le WIDTH NUMBER: a little-endian number as octal escapes
le() {
	width=$1 value=$2
	while [ "$width" -gt 0 ]; do
		printf '\\%03o' $((value & 255))
		value=$((value >> 8))
		width=$((width - 1))
	done
}

# zeros COUNT
zeros() { head -c "$1" /dev/zero; }

# function_at NAME VENDOR DEVICE BAR OFFSET SIZE: a PCI function with a common
# configuration capability at 64 and a shared memory capability at 84
function_at() {
	dir=$tmp/sys/bus/pci/devices/$1
	mkdir -p "$dir"
	echo "$2" > "$dir/vendor"
	echo "$3" > "$dir/device"
	{
		zeros 52
		printf '\100'
		zeros 11
		printf '\011\124\020\001\000\000\000\000'; zeros 12
		# shellcheck disable=SC2059 # the format is the data
		printf "\\011\\000\\030\\010$(le 1 "$4")\\001\\000\\000$(
			le 4 $(($5 & 0xffffffff)))$(le 4 $(($6 & 0xffffffff)))$(
			le 4 $(($5 >> 32)))$(le 4 $(($6 >> 32)))"
		zeros $((256 - 84 - 24))
	} > "$dir/config"
	cat > "$dir/resource" <<-EOF
	0x00000000f3000000 0x00000000f3ffffff 0x0000000000042208
	0x0000000000000000 0x0000000000000000 0x0000000000000000
	0x0000000400000000 0x00000005ffffffff 0x000000000014220c
	0x0000000000000000 0x0000000000000000 0x0000000000000000
	0x00000000f0000000 0x00000000f0ffffff 0x000000000014220c
	EOF
}

type=6 sysfs=
mtrr=$hvmloader
check 'window below 4 GiB' 0 '0' 0xf0000000 0x10000000
check 'window above 4 GiB' 0 '2' 0x400000000 0x200000000
check 'decimal numbers' 0 '2' 17179869184 268435456
check 'window across two registers' 0 '0 1' 0xe8000000 0x10000000
check 'window beside all registers' 0 '' 0xd0000000 0x10000000
check 'first byte after a register' 0 '' 0x100000000 0x1000
check 'last byte of a register' 0 '0' 0xfffff000 0x1000
check 'one page before a register' 0 '' 0xdffff000 0x1000
mtrr=
check 'no registers: already done' 0 '' 0xf0000000 0x10000000
mtrr=$small
check 'sizes in KB, count 2, two-digit numbers' 0 '7 8 8 10' 0xf0000000 0x200000
check 'only the middle one' 0 '8 8' 0xf0080000 0x1000
mtrr=$cached
check 'write-back beside uncachable' 0 '1' 0xf0000000 0x10000000
mtrr=$combining
check 'write-combining is left alone' 2 '' 0xf0000000 0x10000000
mtrr="$hvmloader
$combining"
check 'nothing is removed if not all can be' 2 '' 0xf0000000 0x10000000

mtrr=$hvmloader type=0
check 'default uncachable: refused' 2 '' 0xf0000000 0x10000000
check 'default uncachable, nothing overlaps' 0 '' 0xd0000000 0x1000
type=6
mtrr='reg00: base=0x0f0000000 ( 3840MB), size=  256, count=1: uncachable'
check 'an unknown unit' 3 '' 0xf0000000 0x10000000
mtrr=$hvmloader
check 'one argument' 1 '' 0xf0000000
check 'not a number' 1 '' 0xf0000000 256M
# shellcheck disable=SC2016 # that it is not expanded is the test
check 'a shell injection' 1 '' 'a[$(touch x)]' 0x1000
check 'a number that is too large' 1 '' 0xfffffffff0000000 0x1000

sysfs=$tmp/sys
check 'no PCI functions' 0 ''
function_at 0000:00:03.0 0x8086 0x1050 4 0 0x1000000
function_at 0000:00:04.0 0x1af4 0x1000 4 0 0x1000000
check 'no virtio GPU' 0 ''
function_at 0000:00:05.0 0x1af4 0x1050 4 0 0x1000000
check 'virtio GPU, BAR 4' 0 '0'
function_at 0000:00:05.0 0x1af4 0x1050 2 0x100000000 0x100000000
check 'virtio GPU, BAR 2 above 4 GiB, 64-bit offset and size' 0 '2'
function_at 0000:00:05.0 0x1af4 0x1050 1 0 0x1000000
check 'BAR without an address' 0 ''

echo "1..$number"
[ $failed -eq 0 ]
