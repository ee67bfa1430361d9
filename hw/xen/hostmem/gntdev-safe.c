/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: which buffers may be given to gntdev
 *
 * gntdev's import has two faults that depend on how the exporter divides the
 * buffer into segments, which user space cannot see:
 *
 * - It walks the pages with for_each_sgtable_dma_page(), which runs past a
 *   segment whose offset is a page or more, and so past the array that it
 *   fills, in kernel memory.
 * - In a PV domain, swiotlb-xen replaces a segment of several pages that are
 *   not contiguous in machine memory by a bounce buffer, and gntdev grants
 *   that.
 *
 * So only segments of one page that begin at the start of a folio are safe.
 * Those are what udmabuf of Linux 6.11 to 6.18 makes of memory without large
 * folios; other versions merge neighbouring pages.  That there are no large
 * folios is certain only of a kernel that cannot have them, like that of a PV
 * domain: a process can have its memory collapsed into them, whatever the
 * settings (MADV_COLLAPSE).
 */

#include "qemu/osdep.h"
#include "gntdev-safe.h"

/* First and last versions, as major * 1000 + minor */
#define SINGLE_PAGES_FIRST      6011
#define SINGLE_PAGES_LAST       6018

/*
 * Only the first such line is the kernel's: a buffer's name, which anybody who
 * has it can set, comes later, and may contain line breaks.
 */
static bool exporter_is_udmabuf(const char *root, int fd)
{
    g_autofree char *path = g_strdup_printf("%s/proc/self/fdinfo/%d", root, fd);
    g_autofree char *text = NULL;
    const char *name;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return false;
    }
    name = strstr(text, "\nexp_name:");
    return name && g_str_has_prefix(name, "\nexp_name:\tudmabuf\n");
}

static bool exists(const char *root, const char *path)
{
    g_autofree char *full = g_strconcat(root, path, NULL);

    return access(full, F_OK) == 0 || errno != ENOENT;
}

static bool may_have_large_folios(const char *root)
{
    return !exists(root, "/sys/kernel/mm") ||
           exists(root, "/sys/kernel/mm/transparent_hugepage") ||
           exists(root, "/sys/kernel/mm/hugepages");
}

static bool makes_single_pages(const char *release)
{
    unsigned int major, minor;

    if (sscanf(release, "%u.%u", &major, &minor) != 2 || major > 999 ||
        minor > 999) {
        return false;
    }
    return major * 1000 + minor >= SINGLE_PAGES_FIRST &&
           major * 1000 + minor <= SINGLE_PAGES_LAST;
}

bool xen_hostmem_gntdev_is_safe(const char *root, const char *release, int fd)
{
    return makes_single_pages(release) && !may_have_large_folios(root) &&
           exporter_is_udmabuf(root, fd);
}
