// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: the window, a virtio shared memory region in a PCI BAR
 */
#include <linux/pci.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>

#include "driver.h"

/**
 * DOC: Trust in the backend
 *
 * Grants are mapped at guest-physical addresses, where they would silently
 * replace the guest's own memory. Therefore what the backend says about the
 * window is only a claim, which is verified against the PCI function (R6).
 */

#define HOSTMEM_VIRTIO_PCI_ID(x)	(0x1040 + (x))

/* More capabilities than configuration space can hold: the list has a loop. */
#define HOSTMEM_MAX_CAPABILITIES	48

/* How long to trust that the BAR is still where it was last seen. */
#define HOSTMEM_GOOD_FOR		HZ

/* What the backend claims. */
struct hostmem_claim {
	unsigned int domain, bus, slot, function;
	unsigned int shm_id;
	u64 size;
};

/* A shared memory capability. */
struct hostmem_region {
	u8 bar;
	u64 offset;
	u64 size;
};

static int hostmem_read_claim(struct xen_hostmem *hm,
			      struct hostmem_claim *claim)
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
	xenbus_dev_fatal(hm->dev, -EINVAL, "%s/%s does not have the form ssss:bb:dd.f",
			 otherend, XEN_HOSTMEM_NODE_PCI_ADDRESS);
	return -EINVAL;
bad_id:
	xenbus_dev_fatal(hm->dev, -EINVAL, "%s/%s is not a number from 0 to 255",
			 otherend, XEN_HOSTMEM_NODE_SHM_ID);
	return -EINVAL;
bad_size:
	xenbus_dev_fatal(hm->dev, -EINVAL, "%s/%s is not a positive multiple of %u",
			 otherend, XEN_HOSTMEM_NODE_WINDOW_SIZE,
			 XEN_HOSTMEM_PAGE_SIZE);
	return -EINVAL;
}

static u64 hostmem_read_u64(struct pci_dev *pdev, int low, int high)
{
	u32 l, h;

	if (pci_read_config_dword(pdev, low, &l) ||
	    pci_read_config_dword(pdev, high, &h))
		return 0;
	return (u64)h << 32 | l;
}

static bool hostmem_read_region(struct pci_dev *pdev, int pos,
				unsigned int shm_id,
				struct hostmem_region *region)
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

	region->offset = hostmem_read_u64(pdev,
					  pos + offsetof(struct virtio_pci_cap64, cap.offset),
					  pos + offsetof(struct virtio_pci_cap64, offset_hi));
	region->size = hostmem_read_u64(pdev,
					pos + offsetof(struct virtio_pci_cap64, cap.length),
					pos + offsetof(struct virtio_pci_cap64, length_hi));
	return true;
}

static bool hostmem_find_region(struct pci_dev *pdev, unsigned int shm_id,
				struct hostmem_region *region)
{
	unsigned int n;
	int pos;

	pos = pci_find_capability(pdev, PCI_CAP_ID_VNDR);
	for (n = 0; pos && n < HOSTMEM_MAX_CAPABILITIES; n++) {
		if (hostmem_read_region(pdev, pos, shm_id, region))
			return true;
		pos = pci_find_next_capability(pdev, pos, PCI_CAP_ID_VNDR);
	}
	return false;
}

/* Whether the region lies within one memory BAR that has an address. */
static bool hostmem_region_fits(struct pci_dev *pdev,
				const struct hostmem_region *region)
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

static u64 hostmem_bar_address(struct pci_dev *pdev, unsigned int bar)
{
	struct pci_bus_region region;

	pcibios_resource_to_bus(pdev->bus, &region, &pdev->resource[bar]);
	return region.start;
}

static void hostmem_set_window(struct xen_hostmem *hm, struct pci_dev *pdev,
			       const struct hostmem_region *region)
{
	struct xen_hostmem_window *window = &hm->window;

	mutex_lock(&hm->lock);
	window->pdev = pci_dev_get(pdev);
	window->bar = region->bar;
	window->bar_address = hostmem_bar_address(pdev, region->bar);
	window->bar_offset = region->offset;
	window->gpa = pci_resource_start(pdev, region->bar) + region->offset;
	window->size = region->size;
	window->good_until = get_jiffies_64();
	mutex_unlock(&hm->lock);
}

static int hostmem_verify(struct xen_hostmem *hm,
			  const struct hostmem_claim *claim,
			  struct pci_dev *pdev)
{
	struct hostmem_region region;

	if (pdev->vendor != PCI_VENDOR_ID_REDHAT_QUMRANET ||
	    pdev->device != HOSTMEM_VIRTIO_PCI_ID(VIRTIO_ID_GPU)) {
		xenbus_dev_fatal(hm->dev, -ENODEV,
				 "%s is not a virtio GPU but %04x:%04x",
				 pci_name(pdev), pdev->vendor, pdev->device);
		return -ENODEV;
	}
	if (!hostmem_find_region(pdev, claim->shm_id, &region)) {
		xenbus_dev_fatal(hm->dev, -ENODEV,
				 "%s has no shared memory region %u",
				 pci_name(pdev), claim->shm_id);
		return -ENODEV;
	}
	if (region.size != claim->size) {
		xenbus_dev_fatal(hm->dev, -ENODEV,
				 "the shared memory region of %s has %llu bytes, but the backend says %llu",
				 pci_name(pdev), region.size, claim->size);
		return -ENODEV;
	}
	if (!hostmem_region_fits(pdev, &region)) {
		xenbus_dev_fatal(hm->dev, -ENODEV,
				 "the shared memory region of %s (%llu bytes at %#llx) does not fit BAR %u, or the BAR has no address",
				 pci_name(pdev), region.size, region.offset,
				 region.bar);
		return -ENODEV;
	}

	hostmem_set_window(hm, pdev, &region);
	return 0;
}

/**
 * xen_hostmem_window_find() - find and verify the window the backend names
 * @hm: the device; its backend is Connected
 *
 * On success &xen_hostmem.window is set and holds a reference on the PCI
 * function. An error has been reported to xenstore and the log.
 *
 * Context: The device's workqueue. Takes &xen_hostmem.lock, sleeps.
 * Return: 0 or a negative error code.
 */
int xen_hostmem_window_find(struct xen_hostmem *hm)
{
	struct pci_dev *pdev;
	struct hostmem_claim claim;
	int err;

	err = hostmem_read_claim(hm, &claim);
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
	err = hostmem_verify(hm, &claim, pdev);
	pci_dev_put(pdev);
	return err;
}

/* Returns the address that the BAR's registers hold now. */
static u64 hostmem_read_bar(struct pci_dev *pdev, unsigned int bar)
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

/**
 * xen_hostmem_window_check() - check that the window is still where it was
 * @window: the window, or an empty one
 *
 * Each access to a register is an exit to the device model, and some of these
 * take longer than a map. Therefore the registers are only read again after a
 * while (R17). A change that this kernel makes to the BAR is seen at once.
 *
 * Context: The device's workqueue.
 * Return: 0, or -ENODEV if there is no window, if it has moved, or if the
 * function does not decode memory.
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
	if (hostmem_read_bar(pdev, window->bar) != window->bar_address)
		return -ENODEV;
	window->good_until = now + HOSTMEM_GOOD_FOR;
	return 0;
}

/**
 * xen_hostmem_window_put() - drop the window and its reference, if there is one
 * @window: the window
 *
 * Context: With &xen_hostmem.lock held, unless the device is being freed.
 */
void xen_hostmem_window_put(struct xen_hostmem_window *window)
{
	pci_dev_put(window->pdev);
	window->pdev = NULL;
}
