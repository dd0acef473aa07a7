// SPDX-License-Identifier: GPL-2.0-only
/* Finds the region that a virtio-pci device offers. The device is not trusted: what it says is checked. */
#include <linux/bits.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <uapi/linux/virtio_pci.h>
#include "vrd.h"

/* Room for rings and a few requests; anything less would only fail later. */
#define VRD_MIN_REGION	(64 * 1024)

struct vrd_cap {
	u8 bar;
	u64 offset;
	u64 length;
};

static void read_cap(struct pci_dev *pdev, int pos, struct vrd_cap *cap)
{
	u32 offset, length, high;
	u8 size;

	pci_read_config_byte(pdev, pos + offsetof(struct virtio_pci_cap, cap_len), &size);
	pci_read_config_byte(pdev, pos + offsetof(struct virtio_pci_cap, bar), &cap->bar);
	pci_read_config_dword(pdev, pos + offsetof(struct virtio_pci_cap, offset), &offset);
	pci_read_config_dword(pdev, pos + offsetof(struct virtio_pci_cap, length), &length);
	cap->offset = offset;
	cap->length = length;
	if (size < sizeof(struct virtio_pci_cap64))
		return;
	pci_read_config_dword(pdev, pos + offsetof(struct virtio_pci_cap64, offset_hi), &high);
	cap->offset |= (u64)high << 32;
	pci_read_config_dword(pdev, pos + offsetof(struct virtio_pci_cap64, length_hi), &high);
	cap->length |= (u64)high << 32;
}

/* The first capability of this type, and with this id unless it is negative. */
static bool find_cap(struct pci_dev *pdev, u8 type, int id, struct vrd_cap *cap)
{
	u8 found_type, found_id;
	int pos;

	for (pos = pci_find_capability(pdev, PCI_CAP_ID_VNDR); pos > 0;
	     pos = pci_find_next_capability(pdev, pos, PCI_CAP_ID_VNDR)) {
		pci_read_config_byte(pdev, pos + offsetof(struct virtio_pci_cap, cfg_type), &found_type);
		pci_read_config_byte(pdev, pos + offsetof(struct virtio_pci_cap, id), &found_id);
		if (found_type == type && (id < 0 || found_id == id)) {
			read_cap(pdev, pos, cap);
			return true;
		}
	}
	return false;
}

static bool inside_bar(struct pci_dev *pdev, const struct vrd_cap *cap)
{
	u64 size;

	if (cap->bar >= PCI_STD_NUM_BARS || !(pci_resource_flags(pdev, cap->bar) & IORESOURCE_MEM) ||
	    !pci_resource_start(pdev, cap->bar))
		return false;
	size = pci_resource_len(pdev, cap->bar);
	return cap->offset <= size && cap->length <= size - cap->offset;
}

static int place(struct pci_dev *pdev, const struct vrd_cap *cap, enum vrd_mode mode, struct vrd_region *region)
{
	phys_addr_t phys;

	if (!inside_bar(pdev, cap) || cap->length < VRD_MIN_REGION || cap->length >> VRD_GRANULE_SHIFT > INT_MAX) {
		pci_warn(pdev, "virtio_restricted_dma: unusable region: BAR %u, offset 0x%llx, length 0x%llx\n",
			 cap->bar, cap->offset, cap->length);
		return -EINVAL;
	}
	phys = pci_resource_start(pdev, cap->bar) + cap->offset;
	if (!PAGE_ALIGNED(phys)) {
		pci_warn(pdev, "virtio_restricted_dma: the region does not start on a page\n");
		return -EINVAL;
	}
	region->mode = mode;
	region->phys = phys;
	region->size = cap->length;
	region->base = mode == VRD_DMB ? 0 : pci_bus_address(pdev, cap->bar) + cap->offset;
	return 0;
}

/* The register exists only when the structure is long enough for it. */
static int read_dmb_shm_id(struct pci_dev *pdev)
{
	struct vrd_cap cap;
	void __iomem *reg;
	u16 id;

	if (!find_cap(pdev, VIRTIO_PCI_CAP_COMMON_CFG, -1, &cap) || !inside_bar(pdev, &cap) ||
	    cap.length < VIRTIO_PCI_COMMON_DMB_SHM_ID + sizeof(id))
		return -ENOENT;
	reg = pci_iomap_range(pdev, cap.bar, cap.offset + VIRTIO_PCI_COMMON_DMB_SHM_ID, sizeof(id));
	if (!reg)
		return -ENOMEM;
	id = ioread16(reg);
	pci_iounmap(pdev, reg);
	return id <= U8_MAX ? id : -EINVAL;
}

static int find_dmb(struct pci_dev *pdev, u64 offered, struct vrd_region *region)
{
	struct vrd_cap cap;
	int id;

	if (!(offered & BIT_ULL(VIRTIO_F_DMB)))
		return -ENOENT;
	id = read_dmb_shm_id(pdev);
	if (id < 0 || !find_cap(pdev, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG, id, &cap)) {
		pci_warn(pdev, "virtio_restricted_dma: DMB offered but there is no region to it\n");
		return -EINVAL;
	}
	return place(pdev, &cap, VRD_DMB, region);
}

static int find_swiotlb(struct pci_dev *pdev, u64 offered, struct vrd_region *region)
{
	bool feature = offered & BIT_ULL(VIRTIO_F_SWIOTLB);
	struct vrd_cap cap;

	if (!find_cap(pdev, VIRTIO_PCI_CAP_SWIOTLB, -1, &cap))
		return -ENOENT;
	return place(pdev, &cap, feature ? VRD_SWIOTLB : VRD_HINT, region);
}

/* Returns -ENOENT when the device has none that the preference allows, or another error when it has a bad one. */
int vrd_region_find(struct pci_dev *pdev, u64 offered, enum vrd_preference preference, struct vrd_region *region)
{
	int ret = -ENOENT;

	if (!(offered & BIT_ULL(VIRTIO_F_VERSION_1)))
		return -ENOENT;
	if (preference != VRD_PREFER_SWIOTLB)
		ret = find_dmb(pdev, offered, region);
	if (ret && preference != VRD_PREFER_DMB)
		ret = find_swiotlb(pdev, offered, region);
	return ret;
}

const char *vrd_mode_name(enum vrd_mode mode)
{
	switch (mode) {
	case VRD_DMB:
		return "dmb";
	case VRD_SWIOTLB:
		return "swiotlb";
	case VRD_HINT:
		return "hint";
	default:
		return "none";
	}
}
