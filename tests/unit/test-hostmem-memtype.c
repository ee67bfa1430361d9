/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which memory types are granted, by CPU, paging and the administrator (R26)
 */

#include "qemu/osdep.h"
#include "hw/xen/hostmem/memtype.h"
#include "hw/xen/hostmem/reason.h"

#define AMD         "AuthenticAMD"
#define HYGON       "HygonGenuine"
#define INTEL       "GenuineIntel"
#define NOBODYS     "NobodysChips"

#define AUTO        ON_OFF_AUTO_AUTO
#define ON          ON_OFF_AUTO_ON
#define OFF         ON_OFF_AUTO_OFF

#define UNKNOWN     XEN_HOSTMEM_PAGING_UNKNOWN
#define HAP         XEN_HOSTMEM_PAGING_HAP
#define SHADOW      XEN_HOSTMEM_PAGING_SHADOW

#define GRANTED     XEN_HOSTMEM_REASON_NONE
#define NOT_CACHED  XEN_HOSTMEM_REASON_NOT_CACHED
#define FORCED      XEN_HOSTMEM_REASON_CPU_FORCES_CACHED
#define SHADOWED    XEN_HOSTMEM_REASON_SHADOW_PAGING
#define NOT_KNOWN   XEN_HOSTMEM_REASON_UNKNOWN_CPU

/* For blobs that are not cached */
static const struct {
    const char *name;
    const char *cpu;
    XenHostmemPaging paging;
    OnOffAuto wc;
    XenHostmemReason reason;
} rows[] = {
    { "amd/hap/auto",           AMD,     HAP,     AUTO, GRANTED },
    { "amd/hap/on",             AMD,     HAP,     ON,   GRANTED },
    { "amd/hap/off",            AMD,     HAP,     OFF,  NOT_CACHED },
    { "amd/shadow/auto",        AMD,     SHADOW,  AUTO, SHADOWED },
    { "amd/shadow/on",          AMD,     SHADOW,  ON,   GRANTED },
    { "amd/shadow/off",         AMD,     SHADOW,  OFF,  NOT_CACHED },
    { "amd/unknown/auto",       AMD,     UNKNOWN, AUTO, NOT_KNOWN },
    { "amd/unknown/on",         AMD,     UNKNOWN, ON,   GRANTED },
    { "hygon/hap/auto",         HYGON,   HAP,     AUTO, GRANTED },
    { "hygon/shadow/auto",      HYGON,   SHADOW,  AUTO, SHADOWED },
    { "hygon/hap/off",          HYGON,   HAP,     OFF,  NOT_CACHED },
    { "intel/hap/auto",         INTEL,   HAP,     AUTO, FORCED },
    { "intel/hap/on",           INTEL,   HAP,     ON,   GRANTED },
    { "intel/hap/off",          INTEL,   HAP,     OFF,  NOT_CACHED },
    { "intel/shadow/auto",      INTEL,   SHADOW,  AUTO, SHADOWED },
    { "intel/shadow/on",        INTEL,   SHADOW,  ON,   GRANTED },
    { "intel/unknown/auto",     INTEL,   UNKNOWN, AUTO, NOT_KNOWN },
    { "nobody/hap/auto",        NOBODYS, HAP,     AUTO, NOT_KNOWN },
    { "nobody/hap/on",          NOBODYS, HAP,     ON,   GRANTED },
    { "nobody/hap/off",         NOBODYS, HAP,     OFF,  NOT_CACHED },
    { "nobody/shadow/auto",     NOBODYS, SHADOW,  AUTO, SHADOWED },
    { "no-vendor/hap/auto",     "",      HAP,     AUTO, NOT_KNOWN },
    { "no-vendor/unknown/auto", "",      UNKNOWN, AUTO, NOT_KNOWN },
    { "part-of-name/hap/auto",  "Auth",  HAP,     AUTO, NOT_KNOWN },
};

static XenHostmemHost host_of(size_t row)
{
    XenHostmemHost host = { .paging = rows[row].paging };

    g_strlcpy(host.cpu, rows[row].cpu, sizeof(host.cpu));
    return host;
}

static XenHostmemReason decide(size_t row, XenHostmemMemoryType type)
{
    XenHostmemHost host = host_of(row);

    return xen_hostmem_memtype_reason(&host, rows[row].wc, type);
}

/* There is a warning of hosts that are not known, and it names them. */
static void check_warning(size_t row)
{
    XenHostmemHost host = host_of(row);
    g_autofree char *warning = xen_hostmem_memtype_warning(&host,
                                                           rows[row].wc);
    g_autofree char *names = g_strdup_printf("CPU '%s', paging '%s'",
                                             *host.cpu ? host.cpu : "unknown",
                                             XenHostmemPaging_str(host.paging));

    if (rows[row].reason == NOT_KNOWN) {
        g_assert_nonnull(warning);
        g_assert_nonnull(strstr(warning, names));
        g_assert_nonnull(strstr(warning, "xen-hostmem-wc"));
    } else {
        g_assert_null(warning);
    }
}

static void test_row(const void *data)
{
    size_t row = GPOINTER_TO_SIZE(data);

    g_assert_cmpint(decide(row, XEN_HOSTMEM_MEMORY_TYPE_WRITE_COMBINED), ==,
                    rows[row].reason);
    g_assert_cmpint(decide(row, XEN_HOSTMEM_MEMORY_TYPE_UNCACHED), ==,
                    rows[row].reason);
    /* Cached memory is granted everywhere, that of no known type nowhere. */
    g_assert_cmpint(decide(row, XEN_HOSTMEM_MEMORY_TYPE_CACHED), ==, GRANTED);
    g_assert_cmpint(decide(row, XEN_HOSTMEM_MEMORY_TYPE_UNSPECIFIED), ==,
                    XEN_HOSTMEM_REASON_NO_MAP_INFO);
    g_assert_cmpint(decide(row, XEN_HOSTMEM_MEMORY_TYPE__MAX), ==,
                    XEN_HOSTMEM_REASON_NO_MAP_INFO);
    check_warning(row);
}

/* It does not help to try again: the host stays the same. */
static void test_permanent(void)
{
    static const XenHostmemReason reasons[] = {
        NOT_CACHED, FORCED, SHADOWED, NOT_KNOWN, XEN_HOSTMEM_REASON_NO_MAP_INFO,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
        g_assert_false(xen_hostmem_reason_may_pass(reasons[i]));
        g_assert_nonnull(xen_hostmem_reason_text(reasons[i]));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/memtype/", rows[i].name, NULL);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_row);
    }
    g_test_add_func("/memtype/permanent", test_permanent);
    return g_test_run();
}
