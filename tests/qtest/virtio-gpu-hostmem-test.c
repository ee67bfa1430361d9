/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the hostmem BAR without Xen, and errors for wrong options
 *
 * A qtest cannot run on Xen. These tests check that nothing changes without it,
 * and that the user cannot create the backend.
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "libqos/pci-pc.h"
#include "hw/pci/pci_regs.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/virtio_pci.h"

#define GPU_SLOT        5
#define GPU_DEVFN       QPCI_DEVFN(GPU_SLOT, 0)
#define WINDOW_BAR      4
#define WINDOW_SIZE     (256 * 1024 * 1024ull)
#define WINDOW_ADDRESS  (32ull * 1024 * 1024 * 1024)
#define WINDOW_SHM_ID   1       /* VIRTIO_GPU_SHM_ID_HOST_VISIBLE */

static uint64_t read_cap64(QPCIDevice *dev, uint8_t lo, uint8_t hi)
{
    return qpci_config_readl(dev, lo) |
           (uint64_t)qpci_config_readl(dev, hi) << 32;
}

/* The offset of the capability for shared memory region @id, or 0. */
static uint8_t find_shm_cap(QPCIDevice *dev, uint8_t id)
{
    uint8_t at = 0;

    while ((at = qpci_find_capability(dev, PCI_CAP_ID_VNDR, at))) {
        if (qpci_config_readb(dev, at + VIRTIO_PCI_CAP_CFG_TYPE) ==
            VIRTIO_PCI_CAP_SHARED_MEMORY_CFG &&
            qpci_config_readb(dev, at + VIRTIO_PCI_CAP_BAR + 1) == id) {
            return at;
        }
    }
    return 0;
}

static QTestState *start_gpu(void)
{
    return qtest_initf("-M q35 -nodefaults -display none -device "
                       "virtio-gpu-pci,addr=%d,hostmem=256M", GPU_SLOT);
}

/* The window as the guest's driver looks for it (R6). */
static void test_window_shape(void)
{
    QTestState *qts = start_gpu();
    QPCIBus *bus = qpci_new_pc(qts, NULL);
    QPCIDevice *dev = qpci_device_find(bus, GPU_DEVFN);
    uint8_t bar = PCI_BASE_ADDRESS_0 + 4 * WINDOW_BAR;
    uint8_t cap;
    uint32_t flags;

    g_assert_nonnull(dev);
    flags = qpci_config_readl(dev, bar);
    g_assert_cmphex(flags & 0xf, ==, PCI_BASE_ADDRESS_MEM_TYPE_64 |
                                     PCI_BASE_ADDRESS_MEM_PREFETCH);
    qpci_config_writel(dev, bar, UINT32_MAX);
    qpci_config_writel(dev, bar + 4, UINT32_MAX);
    g_assert_cmphex(read_cap64(dev, bar, bar + 4) & ~0xfull, ==,
                    -WINDOW_SIZE);

    cap = find_shm_cap(dev, WINDOW_SHM_ID);
    g_assert_cmphex(cap, !=, 0);
    g_assert_cmpint(qpci_config_readb(dev, cap + VIRTIO_PCI_CAP_BAR), ==,
                    WINDOW_BAR);
    g_assert_cmphex(read_cap64(dev, cap + VIRTIO_PCI_CAP_OFFSET,
                               cap + sizeof(struct virtio_pci_cap)), ==, 0);
    g_assert_cmphex(read_cap64(dev, cap + VIRTIO_PCI_CAP_LENGTH,
                               cap + sizeof(struct virtio_pci_cap) + 4), ==,
                    WINDOW_SIZE);
    g_free(dev);
    qpci_free_pc(bus);
    qtest_quit(qts);
}

/* Without Xen the BAR is an empty container, as before: no I/O region. */
static void test_no_trap_region(void)
{
    QTestState *qts = start_gpu();
    QPCIBus *bus = qpci_new_pc(qts, NULL);
    QPCIDevice *dev = qpci_device_find(bus, GPU_DEVFN);
    g_autofree char *mtree = NULL;

    g_assert_nonnull(dev);
    qpci_config_writel(dev, PCI_BASE_ADDRESS_0 + 4 * WINDOW_BAR, 0);
    qpci_config_writel(dev, PCI_BASE_ADDRESS_0 + 4 * WINDOW_BAR + 4,
                       WINDOW_ADDRESS >> 32);
    qpci_config_writew(dev, PCI_COMMAND, PCI_COMMAND_MEMORY);
    mtree = qtest_hmp(qts, "info mtree");
    g_assert_nonnull(strstr(mtree, "virtio-gpu-hostmem"));
    g_assert_null(strstr(mtree, "xen-hostmem-window"));
    g_free(dev);
    qpci_free_pc(bus);
    qtest_quit(qts);
}

/* Returns the errors of a QEMU that fails to start with @device. */
static char *start_and_fail(const char *device)
{
    const char *argv[] = {
        g_getenv("QTEST_QEMU_BINARY"), "-M", "q35", "-nodefaults", "-display",
        "none", "-accel", "qtest", "-device", device, NULL,
    };
    char *errors = NULL;
    int status;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT,
                               NULL, NULL, NULL, &errors, &status, NULL));
    g_assert_true(WIFEXITED(status));       /* not by a signal */
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    return errors;
}

static void test_errors(void)
{
    static const struct {
        const char *device, *says;
    } cases[] = {
        { "xen-hostmem", "pluggable device type" },
        { "virtio-gpu-gl-pci,blob=on,hostmem=256M", "OpenGL support" },
        { "virtio-gpu-pci,hostmem=256K,nonesuch=1", "nonesuch" },
        { "virtio-gpu-pci,hostmem=lots", "hostmem" },
        { "virtio-gpu-gl-pci,blob-quota=lots", "blob-quota" },
        { "virtio-gpu-pci,hostmem=300M", "use 256 MiB or 512 MiB" },
        { "virtio-vga,hostmem=300M", "use 256 MiB or 512 MiB" },
        { "virtio-gpu-pci,hostmem=2048", "as in hostmem=256M" },
        { "virtio-gpu-pci,hostmem=4097", "use 4 KiB or 8 KiB" },
        { "virtio-gpu-pci,hostmem=1T", "use at most 512 GiB" },
        { "virtio-gpu-pci,hostmem=8E", "use at most 512 GiB" },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *errors = start_and_fail(cases[i].device);

        if (!strstr(errors, cases[i].says)) {
            g_test_message("%s: %s", cases[i].device, errors);
            g_test_fail();
        }
    }
}

/* Without Xen the monitor commands succeed and return nothing. */
static void test_monitor(void)
{
    QTestState *qts = start_gpu();
    QDict *answer = qtest_qmp(qts, "{ 'execute': 'query-xen-hostmem' }");
    g_autofree char *text = qtest_hmp(qts, "info xen-hostmem");

    g_assert_true(qlist_empty(qdict_get_qlist(answer, "return")));
    g_assert_nonnull(strstr(text, "no virtio GPU has a hostmem window on Xen"));
    qobject_unref(answer);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/virtio-gpu-hostmem/window-shape", test_window_shape);
    qtest_add_func("/virtio-gpu-hostmem/no-trap-region", test_no_trap_region);
    qtest_add_func("/virtio-gpu-hostmem/errors", test_errors);
    qtest_add_func("/virtio-gpu-hostmem/monitor", test_monitor);
    return g_test_run();
}
