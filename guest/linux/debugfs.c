// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: /sys/kernel/debug/xen-hostmem/<device>/mappings
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "driver.h"

static struct dentry *xen_hostmem_debugfs_root;

static int mappings_show(struct seq_file *seq, void *unused)
{
	struct xen_hostmem *hm = seq->private;
	const struct xen_hostmem_stats *stats = &hm->stats;

	mutex_lock(&hm->lock);
	seq_printf(seq, "state %s\n", xenbus_strstate(hm->dev->state));
	if (hm->window.pdev)
		seq_printf(seq, "window %#llx size %llu\n",
			   hm->window.gpa, hm->window.size);
	seq_printf(seq, "maps %llu live %llu unmaps %llu failures %llu unexpected %llu\n",
		   stats->maps, stats->live_maps, stats->unmaps,
		   stats->failures, stats->unexpected);
	xen_hostmem_show_mappings(hm, seq);
	mutex_unlock(&hm->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mappings);

void xen_hostmem_debugfs_add(struct xen_hostmem *hm)
{
	hm->debugfs = debugfs_create_dir(dev_name(&hm->dev->dev),
					 xen_hostmem_debugfs_root);
	debugfs_create_file("mappings", 0400, hm->debugfs, hm, &mappings_fops);
}

/* Returns only when nobody is reading any more. */
void xen_hostmem_debugfs_remove(struct xen_hostmem *hm)
{
	debugfs_remove_recursive(hm->debugfs);
}

void xen_hostmem_debugfs_init(void)
{
	xen_hostmem_debugfs_root = debugfs_create_dir("xen-hostmem", NULL);
}

void xen_hostmem_debugfs_exit(void)
{
	debugfs_remove_recursive(xen_hostmem_debugfs_root);
}
