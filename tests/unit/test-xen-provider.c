/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The providers of grants: which one is used, and which buffers gntdev is given
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qemu/error-report.h"
#include "hw/xen/xen-dmabuf-grant.h"
#include "hw/xen/hostmem/gntdev-safe.h"
#include "hw/xen/hostmem/provider.h"

#define DOMID   7

/* A kernel */

struct XenDmabufGranter {
    XenDmabufProvider provider;
    uint64_t next;
    unsigned live;
};

static int open_error[2];       /* by provider: 0, or what open() returns */
static unsigned opened[2], closed[2];
static char warning[1000];
static unsigned warnings;

void warn_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_vsnprintf(warning, sizeof(warning), fmt, ap);
    va_end(ap);
    warnings++;
}

static int kernel_open(XenDmabufProvider provider, uint32_t domid,
                       XenDmabufGranter **granter)
{
    g_assert_cmpuint(domid, ==, DOMID);
    if (open_error[provider]) {
        return open_error[provider];
    }
    opened[provider]++;
    *granter = g_new0(XenDmabufGranter, 1);
    (*granter)->provider = provider;
    return 0;
}

static void kernel_close(XenDmabufGranter *g)
{
    closed[g->provider]++;
    g_free(g);
}

static int kernel_import(XenDmabufGranter *g, int fd, uint32_t nr_pages,
                         uint32_t *refs, uint64_t *handle)
{
    *handle = ++g->next;
    g->live++;
    refs[0] = g->provider;
    return 0;
}

static int kernel_release(XenDmabufGranter *g, uint64_t handle, bool confirmed)
{
    g_assert_cmpuint(handle, >=, 1);
    g_assert_cmpuint(handle, <=, g->next);
    g->live--;
    return 0;
}

static const struct gnttab_dmabuf_ops kernel = {
    .open = kernel_open,
    .close = kernel_close,
    .import = kernel_import,
    .release = kernel_release,
};
static struct gnttab_backend_ops backend = { .dmabuf = &kernel };
struct gnttab_backend_ops *xen_gnttab_ops = &backend;

static XenHostmemProviders start(XenHostmemProvider choice, int module,
                                 int gntdev)
{
    open_error[XEN_DMABUF_PROVIDER_MODULE] = module;
    open_error[XEN_DMABUF_PROVIDER_GNTDEV] = gntdev;
    memset(opened, 0, sizeof(opened));
    memset(closed, 0, sizeof(closed));
    warnings = 0;
    warning[0] = 0;
    return (XenHostmemProviders) { .choice = choice, .domid = DOMID };
}

static void stop(XenHostmemProviders *p)
{
    xen_hostmem_providers_close(p);
    for (int i = 0; i < 2; i++) {
        g_assert_cmpuint(opened[i], ==, closed[i]);
    }
}

static uint64_t import_from(XenHostmemProviders *p, XenDmabufProvider provider)
{
    uint64_t handle;
    uint32_t ref;

    g_assert_cmpint(xen_hostmem_providers_import(p, -1, 1, &ref, &handle), ==,
                    0);
    g_assert_cmpuint(ref, ==, provider);
    return handle;
}

static void expect_error(XenHostmemProviders *p, int error)
{
    uint64_t handle;
    uint32_t ref;

    g_assert_cmpint(xen_hostmem_providers_import(p, -1, 1, &ref, &handle), ==,
                    error);
}

/* gntdev is not used unless it is asked for. */
static void test_module_only(void)
{
    const XenHostmemProvider choices[] = { XEN_HOSTMEM_PROVIDER_AUTO,
                                           XEN_HOSTMEM_PROVIDER_MODULE };

    for (unsigned i = 0; i < G_N_ELEMENTS(choices); i++) {
        XenHostmemProviders p = start(choices[i], -ENOENT, 0);

        expect_error(&p, -ENOSYS);
        expect_error(&p, -ENOSYS);
        g_assert_null(xen_hostmem_providers_name(&p));
        g_assert_cmpuint(warnings, ==, 1);
        g_assert_nonnull(strstr(warning, "xen-hostmem-provider=gntdev"));
        g_assert_nonnull(strstr(warning, "module xen-dmabuf-grant"));
        /* It is loaded later. */
        open_error[XEN_DMABUF_PROVIDER_MODULE] = 0;
        import_from(&p, XEN_DMABUF_PROVIDER_MODULE);
        g_assert_cmpstr(xen_hostmem_providers_name(&p), ==, "xen-dmabuf-grant");
        g_assert_cmpuint(warnings, ==, 1);
        stop(&p);
        g_assert_cmpuint(opened[XEN_DMABUF_PROVIDER_GNTDEV], ==, 0);
    }
}

static void test_gntdev(void)
{
    XenHostmemProviders p = start(XEN_HOSTMEM_PROVIDER_GNTDEV, -ENOENT, 0);
    uint64_t early, late;

    early = import_from(&p, XEN_DMABUF_PROVIDER_GNTDEV);
    import_from(&p, XEN_DMABUF_PROVIDER_GNTDEV);
    g_assert_cmpstr(xen_hostmem_providers_name(&p), ==, "gntdev");
    g_assert_cmpuint(warnings, ==, 1);
    g_assert_nonnull(strstr(warning, "cannot prove"));
    /* A better one appears: it is used for what comes. */
    open_error[XEN_DMABUF_PROVIDER_MODULE] = 0;
    late = import_from(&p, XEN_DMABUF_PROVIDER_MODULE);
    g_assert_cmpstr(xen_hostmem_providers_name(&p), ==, "xen-dmabuf-grant");
    g_assert_cmpuint(early, !=, late);
    xen_hostmem_providers_release(&p, early, true);
    g_assert_cmpuint(p.gntdev->live, ==, 1);
    g_assert_cmpuint(p.module->live, ==, 1);
    xen_hostmem_providers_release(&p, late, true);
    g_assert_cmpuint(p.gntdev->live, ==, 1);
    g_assert_cmpuint(p.module->live, ==, 0);
    stop(&p);
}

/* An error other than "not there" makes nothing else an alternative. */
static void test_only_absence(void)
{
    const int errors[] = { -EMFILE, -ENFILE, -ENOMEM, -EACCES, -EPERM, -EIO };

    for (unsigned i = 0; i < G_N_ELEMENTS(errors); i++) {
        XenHostmemProviders p = start(XEN_HOSTMEM_PROVIDER_GNTDEV, errors[i],
                                      0);
        bool denied = errors[i] == -EACCES || errors[i] == -EPERM;

        expect_error(&p, denied ? -ENOSYS : errors[i]);
        expect_error(&p, denied ? -ENOSYS : errors[i]);
        g_assert_cmpuint(warnings, ==, 1);
        g_assert_true(!strstr(warning, "before the guest is started") ==
                      !denied);
        open_error[XEN_DMABUF_PROVIDER_MODULE] = 0;
        import_from(&p, XEN_DMABUF_PROVIDER_MODULE);
        stop(&p);
        g_assert_cmpuint(opened[XEN_DMABUF_PROVIDER_GNTDEV], ==, 0);
    }
}

static void test_absence(void)
{
    const int errors[] = { -ENOENT, -ENXIO, -ENODEV };

    for (unsigned i = 0; i < G_N_ELEMENTS(errors); i++) {
        XenHostmemProviders p = start(XEN_HOSTMEM_PROVIDER_GNTDEV, errors[i],
                                      -ENODEV);

        expect_error(&p, -ENOSYS);
        g_assert_nonnull(strstr(warning, "CONFIG_XEN_GNTDEV_DMABUF"));
        open_error[XEN_DMABUF_PROVIDER_GNTDEV] = -EMFILE;
        expect_error(&p, -EMFILE);
        open_error[XEN_DMABUF_PROVIDER_GNTDEV] = 0;
        import_from(&p, XEN_DMABUF_PROVIDER_GNTDEV);
        stop(&p);
    }
}

/* What gntdev is given */

#define FD          5
#define RELEASE     "6.12.118+deb13-amd64"
#define FDINFO      "pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t7\nsize:\t4096\n" \
                    "count:\t1\n"

static char *new_root(const char *fdinfo)
{
    g_autofree char *root = g_dir_make_tmp("hostmem-XXXXXX", NULL);
    g_autofree char *proc = g_strdup_printf("%s/proc/self/fdinfo", root);
    g_autofree char *sys = g_strdup_printf("%s/sys/kernel/mm", root);
    g_autofree char *file = g_strdup_printf("%s/%d", proc, FD);

    g_assert_cmpint(g_mkdir_with_parents(proc, 0700), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(sys, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file, fdinfo, -1, NULL));
    return g_steal_pointer(&root);
}

static void remove_root(const char *root)
{
    const char *const paths[] = {
        "proc/self/fdinfo/5", "proc/self/fdinfo", "proc/self", "proc",
        "sys/kernel/mm/transparent_hugepage", "sys/kernel/mm/hugepages",
        "sys/kernel/mm", "sys/kernel", "sys", "",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", root, paths[i]);

        g_remove(path);
    }
    g_assert_cmpint(access(root, F_OK), ==, -1);
}

static bool is_safe(const char *fdinfo, const char *release, const char *folder)
{
    g_autofree char *root = new_root(fdinfo);
    bool safe;

    if (folder) {
        g_autofree char *path = g_strdup_printf("%s/sys/kernel/mm/%s", root,
                                                folder);

        g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
    }
    safe = xen_hostmem_gntdev_is_safe(root, release, FD);
    remove_root(root);
    return safe;
}

static void test_safe(void)
{
    const char *udmabuf = FDINFO "exp_name:\tudmabuf\n";
    const char *const merging[] = { "6.1.0", "6.10.2", "6.19.0", "7.3.4", "6",
                                    "", "x" };

    g_assert_true(is_safe(udmabuf, RELEASE, NULL));
    g_assert_true(is_safe(udmabuf, "6.11.0", NULL));
    g_assert_true(is_safe(udmabuf, "6.18.1", NULL));
    /* Memory that may be in large folios */
    g_assert_false(is_safe(udmabuf, RELEASE, "transparent_hugepage"));
    g_assert_false(is_safe(udmabuf, RELEASE, "hugepages"));
    /* Versions that merge neighbouring pages */
    for (unsigned i = 0; i < G_N_ELEMENTS(merging); i++) {
        g_assert_false(is_safe(udmabuf, merging[i], NULL));
    }
}

static void test_other_exporters(void)
{
    const char *const others[] = {
        "", "exp_name:\tamdgpu\n", "exp_name:\tudmabufs\n",
        "exp_name:\tsystem\n", "exp_name:\tudmabuf", "name:\tudmabuf\n",
        /* The buffer's name is whatever its creator likes. */
        "exp_name:\tsystem\nname:\tx\nexp_name:\tudmabuf\n",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autofree char *fdinfo = g_strconcat(FDINFO, others[i], NULL);

        g_assert_false(is_safe(fdinfo, RELEASE, NULL));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/provider/module-only", test_module_only);
    g_test_add_func("/provider/gntdev", test_gntdev);
    g_test_add_func("/provider/only-absence", test_only_absence);
    g_test_add_func("/provider/absence", test_absence);
    g_test_add_func("/provider/safe", test_safe);
    g_test_add_func("/provider/other-exporters", test_other_exporters);
    return g_test_run();
}
