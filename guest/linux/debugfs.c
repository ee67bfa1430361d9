// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: /sys/kernel/debug/xen-hostmem/<device>/mappings
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "driver.h"

static struct dentry *hostmem_debugfs_root;

static int hostmem_mappings_show(struct seq_file *seq, void *unused)
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
DEFINE_SHOW_ATTRIBUTE(hostmem_mappings);

/**
 * xen_hostmem_debugfs_add() - create the device's files
 * @hm: the device
 */
void xen_hostmem_debugfs_add(struct xen_hostmem *hm)
{
	hm->debugfs = debugfs_create_dir(dev_name(&hm->dev->dev),
					 hostmem_debugfs_root);
	debugfs_create_file("mappings", 0400, hm->debugfs, hm,
			    &hostmem_mappings_fops);
}

/**
 * xen_hostmem_debugfs_remove() - remove the device's files
 * @hm: the device
 *
 * Context: Sleeps until nobody is reading the files any more.
 */
void xen_hostmem_debugfs_remove(struct xen_hostmem *hm)
{
	debugfs_remove_recursive(hm->debugfs);
}

/**
 * xen_hostmem_debugfs_init() - create the driver's directory
 */
void xen_hostmem_debugfs_init(void)
{
	hostmem_debugfs_root = debugfs_create_dir("xen-hostmem", NULL);
}

/**
 * xen_hostmem_debugfs_exit() - remove the driver's directory
 */
void xen_hostmem_debugfs_exit(void)
{
	debugfs_remove_recursive(hostmem_debugfs_root);
}
