# SPDX-License-Identifier: GPL-2.0-or-later
#
# xen-hostmem. `make demo` and `make check` do everything, from nothing; the
# other targets are parts of them.

.PHONY: help build demo check check-fast check-all fuzz bench clean distclean

export XH_START := $(shell date +%s)

help:
	@echo 'make demo        boot Xen in software, map host memory into a guest, show it'
	@echo 'make check       all tests (check-fast, then the lab)'
	@echo 'make check-fast  the tests that need no lab'
	@echo 'make check-all   check, and what takes longer'
	@echo 'make fuzz        RUNS executions of each fuzzer (5 million)'
	@echo 'make bench       speed, latencies and frame rates, on Xen and under KVM (about an hour)'
	@echo 'make build       QEMU, modules and tools only'
	@echo 'make clean       remove build/; make distclean the cache too'
	@echo 'QEMU_SRC=FOLDER-OR-TARBALL   build against your own QEMU 10.0'
	@echo 'MIRROR=URL                   Debian mirror, if not the machine'"'"'s own'
	@echo 'Root is needed: sudo make ...'

build demo check check-fast check-all fuzz bench:
	@XH_TARGET=$@ scripts/run.sh $@

clean:
	rm -rf build

distclean: clean
	rm -rf --one-file-system "$${XDG_CACHE_HOME:-$$HOME/.cache}/xen-hostmem"
