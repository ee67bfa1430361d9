/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host memory of the guest's blobs
 */

#include "qemu/osdep.h"
#include "qemu/report-limit.h"
#include "hw/virtio/virtio-gpu-blob-quota.h"
#include "standard-headers/linux/virtio_gpu.h"

#define PAGE    4096
#define MIB     (1024 * 1024ull)

static unsigned lines;

void warn_report_limited(ReportLimit *limit, const char *fmt, ...)
{
    lines++;
}

/* RESOURCE_CREATE_BLOB; returns the blob's size, or 0 if it is refused */
static uint64_t create(VirtIOGPUBlobQuota *quota, uint32_t id, uint64_t size,
                       uint32_t mem)
{
    struct virtio_gpu_resource_create_blob blob = {
        .resource_id = id,
        .blob_mem = mem,
        .size = size,
    };

    if (!virtio_gpu_blob_quota_admit(quota, &blob)) {
        return 0;
    }
    virtio_gpu_blob_quota_add(quota, &blob);
    return blob.size;
}

static uint64_t create_host(VirtIOGPUBlobQuota *quota, uint32_t id,
                            uint64_t size)
{
    return create(quota, id, size, VIRTIO_GPU_BLOB_MEM_HOST3D);
}

static void test_default(void)
{
    static const struct {
        uint64_t set, hostmem, limit;
    } cases[] = {
        { 0, 256 * MIB, 512 * MIB },
        { 0, 8192 * MIB, 16384 * MIB },
        { 0, 0, 512 * MIB },
        { 0, 16 * MIB, 512 * MIB },
        { 64 * MIB, 256 * MIB, 64 * MIB },
        { UINT64_MAX, 256 * MIB, INT64_MAX },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        VirtIOGPUBlobQuota quota = { .limit = cases[i].set };

        virtio_gpu_blob_quota_init(&quota, cases[i].hostmem);
        g_assert_cmpuint(quota.limit, ==, cases[i].limit);
    }
}

/* Created, mapped once, unmapped and kept: it counts until it is destroyed. */
static void test_hoard(void)
{
    VirtIOGPUBlobQuota quota = { .limit = 512 * MIB };
    unsigned n = 0;

    lines = 0;
    while (n < 25 && create_host(&quota, n + 1, 64 * MIB)) {
        n++;
    }
    g_assert_cmpuint(n, ==, 8);
    g_assert_cmpuint(quota.used, ==, 512 * MIB);
    g_assert_cmpuint(quota.refused, ==, 1);
    g_assert_cmpuint(lines, ==, 1);
    g_assert_cmpuint(create_host(&quota, 100, 1), ==, 0);

    virtio_gpu_blob_quota_remove(&quota, 3);
    g_assert_cmpuint(quota.used, ==, 448 * MIB);
    virtio_gpu_blob_quota_remove(&quota, 3);    /* is not there any more */
    virtio_gpu_blob_quota_remove(&quota, 1000); /* not a blob */
    g_assert_cmpuint(quota.used, ==, 448 * MIB);
    g_assert_cmpuint(create_host(&quota, 3, 64 * MIB), ==, 64 * MIB);

    virtio_gpu_blob_quota_clear(&quota);
    g_assert_cmpuint(quota.used, ==, 0);
    virtio_gpu_blob_quota_remove(&quota, 3);    /* destroyed by the reset */
    g_assert_cmpuint(create_host(&quota, 1, 512 * MIB), ==, 512 * MIB);
    virtio_gpu_blob_quota_clear(&quota);
}

/* A guest can only map whole pages. */
static void test_sizes(void)
{
    static const struct {
        uint64_t asked, size;
    } cases[] = {
        { 1, PAGE }, { PAGE - 1, PAGE }, { PAGE, PAGE },
        { PAGE + 1, 2 * PAGE }, { 131268, 33 * PAGE },
    };
    VirtIOGPUBlobQuota quota = { .limit = MIB };
    uint64_t sum = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpuint(create_host(&quota, i + 1, cases[i].asked), ==,
                         cases[i].size);
        sum += cases[i].size;
        g_assert_cmpuint(quota.used, ==, sum);
    }
    virtio_gpu_blob_quota_clear(&quota);
}

/* Rounding never exceeds the limit, and no sum overflows. */
static void test_limits(void)
{
    VirtIOGPUBlobQuota quota = { .limit = 2 * PAGE };
    VirtIOGPUBlobQuota most = { .limit = UINT64_MAX };

    g_assert_cmpuint(create_host(&quota, 1, 1), ==, PAGE);
    g_assert_cmpuint(create_host(&quota, 2, PAGE + 1), ==, 0);
    g_assert_cmpuint(create_host(&quota, 2, UINT64_MAX), ==, 0);
    g_assert_cmpuint(create_host(&quota, 2, UINT64_MAX - PAGE), ==, 0);
    g_assert_cmpuint(quota.refused, ==, 3);     /* not of size 0 */
    g_assert_cmpuint(create_host(&quota, 2, 1), ==, PAGE);
    g_assert_cmpuint(create_host(&quota, 3, 1), ==, 0);
    virtio_gpu_blob_quota_clear(&quota);

    virtio_gpu_blob_quota_init(&most, 0);
    g_assert_cmpuint(create_host(&most, 1, UINT64_MAX), ==, 0);
    g_assert_cmpuint(create_host(&most, 1, INT64_MAX - 2 * PAGE), >, 0);
    g_assert_cmpuint(create_host(&most, 2, INT64_MAX - 2 * PAGE), ==, 0);
    virtio_gpu_blob_quota_clear(&most);
}

/* Memory of the guest is its own, and its size is that of the pages it names */
static void test_guest_memory(void)
{
    VirtIOGPUBlobQuota quota = { .limit = PAGE };

    g_assert_cmpuint(create(&quota, 1, 131268, VIRTIO_GPU_BLOB_MEM_GUEST), ==,
                     131268);
    g_assert_cmpuint(quota.used, ==, 0);
    virtio_gpu_blob_quota_remove(&quota, 1);
    g_assert_cmpuint(create(&quota, 2, 1000, VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST),
                     ==, 1000);
    g_assert_cmpuint(quota.used, ==, 1000);
    virtio_gpu_blob_quota_clear(&quota);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/blob-quota/default", test_default);
    g_test_add_func("/blob-quota/hoard", test_hoard);
    g_test_add_func("/blob-quota/sizes", test_sizes);
    g_test_add_func("/blob-quota/limits", test_limits);
    g_test_add_func("/blob-quota/guest-memory", test_guest_memory);
    return g_test_run();
}
