// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: the window, a virtio shared memory region in a PCI BAR
 *
 * Grants are mapped at guest-physical addresses, where they would silently
 * replace memory of the guest. So what the backend says of the window is taken
 * as a claim, and verified against the PCI function itself (R6).
 */
#include <linux/pci.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>

#include "driver.h"

#define VIRTIO_PCI_VENDOR	0x1af4
#define VIRTIO_PCI_MODERN_ID(x)	(0x1040 + (x))

/* More capabilities than fit into configuration space: a loop in the list. */
#define MAX_CAPABILITIES	48

/* How long the BAR is believed to be where it was. */
#define GOOD_FOR	HZ

/* What the backend claims. */
struct claim {
	unsigned int domain, bus, slot, function;
	unsigned int shm_id;
	u64 size;
};

/* A shared memory capability. */
struct region {
	u8 bar;
	u64 offset;
	u64 size;
};

static int read_claim(struct xen_hostmem *hm, struct claim *claim)
{
	const char *otherend = hm->dev->otherend;
	char end;
	int n;

	n = xenbus_scanf(XBT_NIL, otherend, XEN_HOSTMEM_NODE_PCI_ADDRESS,
			 "%x:%x:%x.%x%c", &claim->domain, &claim->bus,
			 &claim->slot, &claim->function, &end);
	if (n != 4 || claim->domain > 0xffff || claim->bus > 0xff ||
	    claim->slot > 0x1f || claim->function > 7)
		goto bad_address;

	n = xenbus_scanf(XBT_NIL, otherend, XEN_HOSTMEM_NODE_SHM_ID, "%u%c",
			 &claim->shm_id, &end);
	if (n != 1 || claim->shm_id > 0xff)
		goto bad_id;

	n = xenbus_scanf(XBT_NIL, otherend, XEN_HOSTMEM_NODE_WINDOW_SIZE,
			 "%llu%c", &claim->size, &end);
	if (n != 1 || !claim->size ||
	    !IS_ALIGNED(claim->size, XEN_HOSTMEM_PAGE_SIZE))
		goto bad_size;
	return 0;

bad_address:
	xenbus_dev_fatal(hm->dev, -EINVAL, "%s/%s is not ssss:bb:dd.f",
			 otherend, XEN_HOSTMEM_NODE_PCI_ADDRESS);
	return -EINVAL;
bad_id:
	xenbus_dev_fatal(hm->dev, -EINVAL, "%s/%s is not a number below 256",
			 otherend, XEN_HOSTMEM_NODE_SHM_ID);
	return -EINVAL;
bad_size:
	xenbus_dev_fatal(hm->dev, -EINVAL, "%s/%s is not a multiple of %u",
			 otherend, XEN_HOSTMEM_NODE_WINDOW_SIZE,
			 XEN_HOSTMEM_PAGE_SIZE);
	return -EINVAL;
}

static u64 read_u64(struct pci_dev *pdev, int low, int high)
{
	u32 l, h;

	if (pci_read_config_dword(pdev, low, &l) ||
	    pci_read_config_dword(pdev, high, &h))
		return 0;
	return (u64)h << 32 | l;
}

static bool read_region(struct pci_dev *pdev, int pos, unsigned int shm_id,
			struct region *region)
{
	u8 len, type, id;

	if (pci_read_config_byte(pdev, pos + offsetof(struct virtio_pci_cap, cap_len), &len) ||
	    pci_read_config_byte(pdev, pos + offsetof(struct virtio_pci_cap, cfg_type), &type) ||
	    pci_read_config_byte(pdev, pos + offsetof(struct virtio_pci_cap, id), &id) ||
	    pci_read_config_byte(pdev, pos + offsetof(struct virtio_pci_cap, bar), &region->bar))
		return false;
	if (type != VIRTIO_PCI_CAP_SHARED_MEMORY_CFG || id != shm_id ||
	    len < sizeof(struct virtio_pci_cap64))
		return false;

	region->offset = read_u64(pdev,
				  pos + offsetof(struct virtio_pci_cap64, cap.offset),
				  pos + offsetof(struct virtio_pci_cap64, offset_hi));
	region->size = read_u64(pdev,
				pos + offsetof(struct virtio_pci_cap64, cap.length),
				pos + offsetof(struct virtio_pci_cap64, length_hi));
	return true;
}

static bool find_region(struct pci_dev *pdev, unsigned int shm_id,
			struct region *region)
{
	unsigned int n;
	int pos;

	pos = pci_find_capability(pdev, PCI_CAP_ID_VNDR);
	for (n = 0; pos && n < MAX_CAPABILITIES; n++) {
		if (read_region(pdev, pos, shm_id, region))
			return true;
		pos = pci_find_next_capability(pdev, pos, PCI_CAP_ID_VNDR);
	}
	return false;
}

/* The region lies within one memory BAR that has an address. */
static bool region_fits(struct pci_dev *pdev, const struct region *region)
{
	u64 len;

	if (region->bar >= PCI_STD_NUM_BARS)
		return false;
	len = pci_resource_len(pdev, region->bar);
	return (pci_resource_flags(pdev, region->bar) & IORESOURCE_MEM) &&
	       pci_resource_start(pdev, region->bar) &&
	       region->offset <= len && region->size <= len - region->offset &&
	       IS_ALIGNED(pci_resource_start(pdev, region->bar) + region->offset,
			  XEN_HOSTMEM_PAGE_SIZE);
}

static u64 bar_address(struct pci_dev *pdev, unsigned int bar)
{
	struct pci_bus_region region;

	pcibios_resource_to_bus(pdev->bus, &region, &pdev->resource[bar]);
	return region.start;
}

static int verify(struct xen_hostmem *hm, const struct claim *claim,
		  struct pci_dev *pdev)
{
	struct xen_hostmem_window *window = &hm->window;
	struct region region;

	if (pdev->vendor != VIRTIO_PCI_VENDOR ||
	    pdev->device != VIRTIO_PCI_MODERN_ID(VIRTIO_ID_GPU)) {
		xenbus_dev_fatal(hm->dev, -ENODEV,
				 "%s is no virtio GPU but %04x:%04x",
				 pci_name(pdev), pdev->vendor, pdev->device);
		return -ENODEV;
	}
	if (!find_region(pdev, claim->shm_id, &region)) {
		xenbus_dev_fatal(hm->dev, -ENODEV,
				 "%s has no shared memory region %u",
				 pci_name(pdev), claim->shm_id);
		return -ENODEV;
	}
	if (region.size != claim->size) {
		xenbus_dev_fatal(hm->dev, -ENODEV,
				 "shared memory of %s has %llu bytes, the backend says %llu",
				 pci_name(pdev), region.size, claim->size);
		return -ENODEV;
	}
	if (!region_fits(pdev, &region)) {
		xenbus_dev_fatal(hm->dev, -ENODEV,
				 "shared memory of %s (%llu bytes at %#llx) is not within BAR %u, or that has no address",
				 pci_name(pdev), region.size, region.offset,
				 region.bar);
		return -ENODEV;
	}

	mutex_lock(&hm->lock);
	window->pdev = pci_dev_get(pdev);
	window->bar = region.bar;
	window->bar_address = bar_address(pdev, region.bar);
	window->bar_offset = region.offset;
	window->gpa = pci_resource_start(pdev, region.bar) + region.offset;
	window->size = region.size;
	window->good_until = get_jiffies_64();
	mutex_unlock(&hm->lock);
	return 0;
}

int xen_hostmem_window_find(struct xen_hostmem *hm)
{
	struct pci_dev *pdev;
	struct claim claim;
	int err;

	err = read_claim(hm, &claim);
	if (err)
		return err;

	pdev = pci_get_domain_bus_and_slot(claim.domain, claim.bus,
					   PCI_DEVFN(claim.slot,
						     claim.function));
	if (!pdev) {
		xenbus_dev_fatal(hm->dev, -ENODEV,
				 "there is no PCI function %04x:%02x:%02x.%x",
				 claim.domain, claim.bus, claim.slot,
				 claim.function);
		return -ENODEV;
	}
	err = verify(hm, &claim, pdev);
	pci_dev_put(pdev);
	return err;
}

/* What the registers of the BAR hold now. */
static u64 read_bar(struct pci_dev *pdev, unsigned int bar)
{
	int reg = PCI_BASE_ADDRESS_0 + 4 * bar;
	u32 low, high = 0;

	if (pci_read_config_dword(pdev, reg, &low))
		return 0;
	if ((low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) ==
	    PCI_BASE_ADDRESS_MEM_TYPE_64 && bar + 1 < PCI_STD_NUM_BARS &&
	    pci_read_config_dword(pdev, reg + 4, &high))
		return 0;
	return (u64)high << 32 | (low & (u32)PCI_BASE_ADDRESS_MEM_MASK);
}

/*
 * Each access to a register is an exit to the device model, some of which take
 * longer than a map. So what they hold is believed for a while (R17); what the
 * kernel itself has done to the BAR is seen at once.
 */
int xen_hostmem_window_check(struct xen_hostmem_window *window)
{
	struct pci_dev *pdev = window->pdev;
	u64 now = get_jiffies_64();
	u16 command;

	if (!pdev || pci_resource_start(pdev, window->bar) +
	    window->bar_offset != window->gpa)
		return -ENODEV;
	if (time_before64(now, window->good_until))
		return 0;
	/* A function that is gone reads as all ones. */
	if (pci_read_config_word(pdev, PCI_COMMAND, &command) ||
	    command == 0xffff || !(command & PCI_COMMAND_MEMORY))
		return -ENODEV;
	if (read_bar(pdev, window->bar) != window->bar_address)
		return -ENODEV;
	window->good_until = now + GOOD_FOR;
	return 0;
}

void xen_hostmem_window_put(struct xen_hostmem_window *window)
{
	pci_dev_put(window->pdev);
	window->pdev = NULL;
}
