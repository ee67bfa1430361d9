# SPDX-License-Identifier: GPL-2.0-or-later
#
# xen-hostmem. `make demo` and `make check` do everything from scratch; most of
# the other targets are parts of them.

.PHONY: help build demo check check-fast check-all check-long docs deb check-deb fuzz bench \
	upstream-series clean distclean

export XH_START := $(shell date +%s)

help: QEMU_VERSIONS = $(shell sed -n 's/^qemu_works_with=//p' UPSTREAM)
help: OTHER_QEMUS = $(shell sed -n 's/^qemu_\([0-9.]*\)_version=.*/QEMU \1/p' UPSTREAM)
help:
	@echo 'make demo        boot Xen on an emulated machine and map host memory into a guest'
	@echo 'make check       all tests (check-fast, then the lab)'
	@echo 'make check-fast  the tests that do not need the lab'
	@echo 'make check-all   check, the slow lab cases, PVH dom0, check-deb, check on $(OTHER_QEMUS), newest system'
	@echo 'make check-long  random ends, reuse of pages and random ioctls, for three hours'
	@echo 'make docs        the documents as pages, in build/docs/'
	@echo 'make deb         Debian packages, in build/deb/ (docs/packaging.rst)'
	@echo 'make check-deb   install, upgrade and remove them in a plain Debian system'
	@echo 'make fuzz        run each fuzzer RUNS times (5 million)'
	@echo 'make bench       speed, latencies and frame rates, on Xen and under KVM (more than an hour)'
	@echo 'make build       QEMU, modules and tools only'
	@echo 'make upstream-series TREE=FOLDER   series to mail, for a plain tree of QEMU, Xen, Linux or libvirt'
	@echo 'make clean       remove build/; make distclean removes the cache, too'
	@echo 'QEMU_SRC=FOLDER-OR-TARBALL   build against your own QEMU ($(QEMU_VERSIONS))'
	@echo 'PATIENCE=2                   the lab has twice the time, on a slow or busy machine'
	@echo 'MIRROR=URL                   Debian mirror to use instead of this machine'"'"'s own'
	@echo 'Root is needed, or user namespaces (README.md): sudo make ...'

build demo check check-fast check-all check-long docs deb check-deb fuzz bench:
	@XH_TARGET=$@ scripts/run.sh $@

upstream-series:
	@[ -n "$(TREE)" ] || { echo 'error: TREE=FOLDER names a plain source tree' >&2; exit 1; }
	@scripts/upstream-series.py $(TREE)

clean:
	rm -rf build

distclean: clean
	rm -rf --one-file-system "$${XDG_CACHE_HOME:-$$HOME/.cache}/xen-hostmem"
