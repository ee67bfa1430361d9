# SPDX-License-Identifier: GPL-2.0-or-later
"""When a resource runs out, QEMU falls back, says why, and recovers (I5). Policies."""

import os

import dom0
from blobs import KIB, MIB, Blob, granted_pages, reasons, wait_granted, wait_no_grants, window
from fill import few_descriptors, full_grant_table, hoards, module_parameters, resize_p2m_pool
from guest import GPU
from lab import case, load_driver, unload_driver


def wait_recovered(lab, guest, pages, why):
    """Wait until QEMU has granted it on its own, which it retries from time to time."""
    wait_granted(guest, pages, 40)
    lab.require(why in reasons(guest), f"reasons: {reasons(guest)}")


def stay_right(lab, blob, seed):
    """Check sampled words, whether the blob is trapped or granted now."""
    lab.equal(blob.ask(f"sample {seed} 32")["mismatches"], 0, f"words of {blob.size} bytes")


@case("quota", limit=300)
def quota(lab):
    """Blobs beyond the quota are trapped, except rings; freed quota is used again."""
    guest = lab.guest(driver=True, gpu=GPU + ",xen-hostmem-quota=8M")
    large = Blob(guest, 6 * MIB, 81, name="large")
    late = Blob(guest, 5 * MIB, 82, fill=False, name="late")
    ring = Blob(guest, MIB, 83, name="ring")
    lab.equal(granted_pages(guest), 7 * MIB // 4096, "granted pages")
    now = window(guest)
    lab.equal((now["quota"], now["granted"], now["trapped"]),
              (8 * MIB, 7 * MIB, 5 * MIB), "query-xen-hostmem")
    late.ask("scatter 82 32")
    large.close()
    wait_granted(guest, 6 * MIB // 4096)
    stay_right(lab, late, 82)
    ring.check_both_ways(lab, 83)
    lab.equal(window(guest)["fallbacks"], [{"reason": "quota", "count": 1}], "fallbacks")


@case("grant-table-full", limit=300)
def grant_table_full(lab):
    """Blobs are trapped while dom0's grant table is full, and granted once it is not."""
    guest = lab.guest(driver=True, fresh=True)
    with full_grant_table(guest.domid, 16):
        blob = Blob(guest, 256 * KIB, 84, fill=False)
        blob.ask("scatter 84 32")
        lab.equal(granted_pages(guest), 0, "granted pages")
        stay_right(lab, blob, 84)
    lab.require("gnttab_max_frames" in guest.qemu_log(), "the log does not name the option")
    wait_recovered(lab, guest, 64, "grant-table-full")
    stay_right(lab, blob, 84)
    blob.close()


@case("room-for-rings", limit=300)
def room_for_rings(lab):
    """Bulk data of all guests together leaves room in dom0's grant table for rings."""
    guest = lab.guest(driver=True, fresh=True)
    with full_grant_table(guest.domid, 1025):
        bulk = Blob(guest, 16 * MIB, 95, fill=False, name="bulk")
        ring = Blob(guest, 4 * MIB, 100, name="ring")
        lab.equal(granted_pages(guest), 1024, "granted pages: the ring alone")
        lab.require("grant-table-full" in reasons(guest), f"reasons: {reasons(guest)}")
        ring.check_both_ways(lab, 100)
    wait_granted(guest, 1024 + 4096, 40)
    bulk.close()
    ring.close()


@case("hoarders", limit=300, slow=True)
def hoarders(lab):
    """Two other guests have all of dom0's grant table that they can get, and keep it: this
    one's rings are granted nevertheless."""
    guest = lab.guest(driver=True, fresh=True)
    with module_parameters(peer_limit=0), hoards([30000, 30001]):
        bulk = Blob(guest, 16 * MIB, 126, fill=False, name="bulk")
        # Of different sizes, by which dom0 finds them
        rings = [Blob(guest, (4 - n) * MIB, 127 + 2 * n, name=f"ring{n}") for n in range(2)]
        lab.equal(granted_pages(guest), 1024 + 768, "granted pages: the rings alone")
        lab.require("grant-table-full" in reasons(guest), f"reasons: {reasons(guest)}")
        for n, ring in enumerate(rings):
            ring.check_both_ways(lab, 127 + 2 * n)
    wait_granted(guest, 1024 + 768 + 4096, 40)
    for blob in (bulk, *rings):
        blob.close()


@case("peer-limit", limit=300, slow=True)
def peer_limit(lab):
    """A guest gets no more than one guest may have; the rest of its blobs are trapped, and
    granted once it has less."""
    guest = lab.guest(driver=True, fresh=True)
    with module_parameters(peer_limit=2048, peer_small=256):
        first = Blob(guest, 8 * MIB, 130, name="first")
        lab.equal(granted_pages(guest), 2048, "granted pages")
        second = Blob(guest, 2 * MIB, 131, fill=False, name="second")
        second.ask("scatter 131 32")
        ring = Blob(guest, MIB, 132, name="ring")
        lab.equal(granted_pages(guest), 2048 + 256, "granted pages: and the ring")
        lab.equal(dom0.counters()["references"], 2048 + 256, "references")
        first.close()
        wait_granted(guest, 512 + 256, 40)
        stay_right(lab, second, 131)
        ring.check_both_ways(lab, 132)
    second.close()
    ring.close()


@case("deprived", limit=300, slow=True)
def deprived(lab):
    """A QEMU that gives up its privileges grants as before, also to a driver that comes
    again; but to no other domain."""
    guest = lab.guest(driver=True, fresh=True, more='device_model_user = "nobody"')
    lab.equal(os.stat(f"/proc/{guest.qemu_pid()}").st_uid, 65534, "QEMU's user")
    blob = Blob(guest, MIB, 133)
    lab.equal(granted_pages(guest), MIB // 4096, "granted pages")
    blob.check_both_ways(lab, 133)
    unload_driver(guest)
    lab.equal(granted_pages(guest), 0, "granted pages without the driver")
    load_driver(guest)
    wait_granted(guest, MIB // 4096, 20)
    lab.equal(blob.ask("sample 134 16")["mismatches"], 0, "words, granted again")
    blob.close()
    wait_no_grants()
    lab.drop_guest()


@case("no-descriptors", limit=400)
def no_descriptors(lab):
    """If QEMU runs out of file descriptors, a blob fails or is trapped; then it recovers."""
    guest = lab.guest(driver=True)
    Blob(guest, 64 * KIB, 85, name="first").close()
    for spare in range(1, 7):
        with few_descriptors(guest.qemu_pid(), spare):
            guest.run(f"spawn few{spare} blobtool hold {256 * KIB} 86 --no-fill")
            status, answer = guest.status(f"ask few{spare} 60", 70)
            if "no-descriptors" in reasons(guest):
                break
    lab.equal(status, 0, f"a blob with {spare} descriptors: {answer}")
    lab.require("no-descriptors" in reasons(guest), f"reasons: {reasons(guest)}")
    wait_granted(guest, 64, 40)
    guest.ask(f"few{spare}", "scatter 86 32")
    lab.equal(guest.ask(f"few{spare}", "sample 86 32")["mismatches"], 0, "words")
    guest.ask(f"few{spare}", "quit")


@case("maptrack-full", limit=300)
def maptrack_full(lab):
    """If the guest cannot map more grants, blobs are trapped and the log names the option."""
    guest = lab.guest(driver=True, more="max_maptrack_frames = 2")
    small = Blob(guest, 256 * KIB, 87, name="small")
    lab.equal(granted_pages(guest), 64, "granted pages")
    large = Blob(guest, 4 * MIB, 88, fill=False, name="large")
    lab.require("guest-no-memory" in reasons(guest), f"reasons: {reasons(guest)}")
    lab.require("max_maptrack_frames" in guest.qemu_log(), "the log does not name the option")
    large.ask("scatter 88 32")
    stay_right(lab, large, 88)
    large.close()
    small.check_both_ways(lab, 87)
    lab.equal(granted_pages(guest), 64, "granted pages at the end")


def of_ring(guest):
    """State and reason of the only blob of 1 MiB."""
    ring, = (b for b in window(guest)["blobs"] if b["size"] == MIB)
    return ring["state"], ring.get("reason")


@case("p2m-full", limit=700, slow=True)
def p2m_full(lab):
    """Without memory for the guest's p2m, blobs are trapped, the log names the option, and
    they are granted once there is some."""
    guest = lab.guest(driver=True, fresh=True, traces="",
                      gpu="virtio-gpu-gl-pci,blob=on,hostmem=8G,venus=on")
    lab.equal(guest.spawn("sparse", "rawgpu sparse 2000 2048", 240)["mapped"], 2001, "blobs")
    full = sum(b.get("reason") == "guest-p2m-full" for b in window(guest)["blobs"])
    lab.data["trapped"] = full
    lab.require(500 < full < 1900, f"blobs without a table: {full}")
    lab.equal(of_ring(guest), ("trapped", "guest-p2m-full"), "the ring, in a region of its own")
    lab.require("shadow_memory" in guest.qemu_log(), "QEMU's log does not name the option")
    lab.require("shadow_memory" in guest.run("dmesg | grep -i hostmem"),
                "the guest's log does not name the option")
    lab.data["pool"] = resize_p2m_pool(guest.domid, 16 * MIB)
    # QEMU tries again every 64 seconds, at last.
    dom0.wait_for("the ring is granted", lambda: of_ring(guest)[0] == "mapped", 150, 2)
    guest.run("echo >/tmp/spawn/sparse.in")
    wait_granted(guest, 0, 60)
    lab.drop_guest()


LIVE = "sed -n 's/.* live \\([0-9]*\\) .*/\\1/p' /sys/kernel/debug/xen-hostmem/*/mappings"
SPIN = "n=0; while [ ! -e /tmp/halt ]; do n=$((n+1)); done; echo $n"


def spin(guest, seconds):
    """How often three loops run in the guest meanwhile, beside what else runs there."""
    guest.run("rm -f /tmp/halt /tmp/spun*; for i in 1 2 3; do "
              f"(sh -c '{SPIN}' >/tmp/spun$i) </dev/null >/dev/null 2>&1 & done; "
              f"sleep {seconds}; touch /tmp/halt; sleep 1", seconds + 10)
    return sum(int(n) for n in guest.run("cat /tmp/spun*").split())


@case("stops", limit=500, slow=True)
def stops(lab):
    """However fast programs map and unmap more than the quota holds, the guest's four CPUs
    are stopped at a limited rate."""
    guest = lab.guest(driver=True, fresh=True, traces="", vcpus=4,
                      gpu=GPU + ",xen-hostmem-quota=8M")
    alone = spin(guest, 10)
    before = int(guest.run(LIVE))
    ms = 0
    for _round in range(4):             # a slow machine gets more time to reach the limit
        guest.run("spawn fight rawgpu fight 12 16 1024")
        beside = spin(guest, 10)
        result = guest.json("ask fight 60", 65)
        ms += result["ms"]
        live = int(guest.run(LIVE)) - before
        if live > 10:
            break
    lab.data.update(result, live=live, spins_alone=alone, spins_beside=beside)
    lab.require(live > 10, f"{live} LIVE maps: the case did not try")
    # Two seconds' worth for the start, each map is of 256 pages and so a stop.
    lab.require(live <= 16 * (ms / 1000 + 2), f"{live} LIVE maps in {ms} ms")
    wait_granted(guest, 0, 60)
    lab.drop_guest()


@case("provider-comes", limit=240)
def provider_comes(lab):
    """A blob in use becomes granted once the provider's module is loaded."""
    guest = lab.guest(driver=True, provider=False, fresh=True)
    blob = Blob(guest, 64 * KIB, 89, fill=False)
    blob.ask("scatter 89 32")
    dom0.load_module()
    wait_recovered(lab, guest, 16, "no-provider")
    stay_right(lab, blob, 89)
    lab.equal(window(guest)["provider"], "xen-dmabuf-grant", "provider")
    blob.close()
    lab.drop_guest()


@case("policy-granted", limit=240)
def policy_granted(lab):
    """xen-hostmem=granted: a map that would be trapped fails."""
    guest = lab.guest(driver=False, gpu=GPU + ",xen-hostmem=granted")
    status, output = guest.status(f"blobtool hold {64 * KIB} 90 </dev/null", 60)
    lab.require(status and "mapping a blob" in output, f"without a driver: {status} {output}")
    lab.require("the guest cannot map it" in guest.qemu_log(), "the log does not say why")
    load_driver(guest)
    blob = Blob(guest, 64 * KIB, 91)
    blob.check_both_ways(lab, 91)
    lab.equal(granted_pages(guest), 16, "granted pages")
    unload_driver(guest)
    blob.ask("scatter 92 16")
    lab.equal(blob.ask("sample 92 16")["mismatches"], 0, "words in use after the driver left")
    blob.close()
    lab.equal(window(guest)["policy"], "granted", "policy")


@case("policy-trapped", limit=240)
def policy_trapped(lab):
    """xen-hostmem=trapped: nothing is granted although it would be possible."""
    guest = lab.guest(driver=True, gpu=GPU + ",xen-hostmem=trapped")
    blob = Blob(guest, 12 * KIB, 93)        # QEMU has other buffers of 4 KiB
    blob.check_both_ways(lab, 93)
    lab.equal(granted_pages(guest), 0, "granted pages")
    now = window(guest)
    lab.equal((now["policy"], now["granted"], now["trapped"], now["connected"]),
              ("trapped", 0, 12 * KIB, True), "query-xen-hostmem")
    lab.require(now["trapped-writes"] >= 1536, f"trapped writes: {now['trapped-writes']}")
    text = dom0.sh(f"xl qemu-monitor-command {guest.name} 'info xen-hostmem'")
    lab.require("trapped: policy" in text, f"info xen-hostmem: {text}")
    blob.close()


@case("policy-off", limit=240)
def policy_off(lab):
    """xen-hostmem=off: QEMU has no backend and works as before."""
    guest = lab.guest(driver=False, gpu=GPU + ",xen-hostmem=off")
    lab.equal(guest.qmp("query-xen-hostmem"), [], "query-xen-hostmem")
    lab.equal(guest.run("ls /sys/bus/xen/devices | grep -c hostmem || true").strip(), "0",
              "hostmem devices in the guest")
    blob = Blob(guest, 16 * KIB, 94)
    lab.equal(blob.facts["mismatches"], 0, "words")
    blob.close()
    lab.drop_guest()


WRONG = (
    ("xen-hostmem-quota=512M", "larger than the window"),
    ("xen-hostmem-quota=5000", "not a multiple of 4096"),
    ("xen-hostmem=trapped,xen-hostmem-quota=1M", "remove xen-hostmem-quota"),
    ("xen-hostmem=trapped,xen-hostmem-hold-limit=9", "remove xen-hostmem-hold-limit"),
    ("xen-hostmem=maybe", "maybe"),
    ("xen-hostmem-provider=other", "other"),
    ("xen-hostmem=off,xen-hostmem-provider=module", "remove xen-hostmem-provider"),
    ("xen-hostmem=trapped,xen-hostmem-wc=on", "remove xen-hostmem-wc"),
    ("xen-hostmem-wc=maybe", "maybe"),
)


@case("wrong-options", limit=240)
def wrong_options(lab):
    """Invalid combinations of options are refused at start, with advice."""
    lab.drop_guest()
    for options, says in WRONG:
        guest = lab.unborn_guest(gpu=f"{GPU},{options}")
        lab.alive()
        guest.create_fails()
        lab.require(says in guest.qemu_log(), f"{options}: {guest.qemu_log()[-400:]}")
    # The same without Xen.
    output = dom0.sh(f"{dom0.RUN}/qemu-system-x86_64 -M q35 -accel tcg -nodefaults "
                     "-L /usr/share/qemu -L /usr/share/seabios "
                     "-display egl-headless,rendernode=/dev/dri/renderD128 "
                     f"-device {GPU},xen-hostmem=granted", check=False)
    lab.require("is for guests of Xen" in output, f"without Xen: {output[-400:]}")


@case("parallel", limit=400)
def parallel(lab):
    """Several processes map and unmap at once, more than the ring holds."""
    guest = lab.guest(driver=True, vcpus=2)
    for n in range(4):
        guest.run(f"(blobtool many 40 8192 >/tmp/many{n} 2>&1; echo done >>/tmp/many{n}) "
                  "</dev/null >/dev/null 2>&1 &")
    dom0.wait_for("four processes map and unmap",
                  lambda: guest.run("cat /tmp/many* | grep -c done || true").strip() == "4", 300, 2)
    lines = [t for t in guest.run("cat /tmp/many*").splitlines() if t != "done"]
    lab.equal(sum('"count": 40' in t and '"mismatches": 0' in t for t in lines), 4,
              f"processes with all words right: {lines}")
    # The last unmaps may still be in progress when the processes are gone.
    dom0.wait_for("every blob is unmapped",
                  lambda: window(guest)["maps"] == window(guest)["unmaps"], 20)
    wait_granted(guest, 0)
    lab.require(window(guest)["grants"] >= 160, f"counters: {window(guest)}")
