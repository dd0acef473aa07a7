// SPDX-License-Identifier: GPL-2.0-only
/* What happens to one device: before its driver is bound, and after it is gone. */
#include <linux/hashtable.h>
#include <linux/ioport.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <uapi/linux/virtio_blk.h>
#include <uapi/linux/virtio_ids.h>
#include "vrd.h"

static bool packed;
module_param(packed, bool, 0644);
MODULE_PARM_DESC(packed, "let drivers use packed rings; Linux fails requests on those when the region is full (default: no)");

static bool zero_fill;
module_param(zero_fill, bool, 0644);
MODULE_PARM_DESC(zero_fill, "hand out zeroes instead of the old content of buffers that a device is to fill (default: no)");

/* By parent device; readers are in the middle of a mapping, so the entry cannot go away under them. */
static DEFINE_HASHTABLE(devices, 5);
static DEFINE_MUTEX(devices_lock);

struct vrd_device *vrd_find(struct device *parent)
{
	struct vrd_device *vrd, *found = NULL;

	rcu_read_lock();
	hash_for_each_possible_rcu(devices, vrd, node, (unsigned long)parent) {
		if (vrd->parent == parent) {
			found = vrd;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

static u64 offered_features(struct virtio_device *vdev, const struct virtio_config_ops *config)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	u64 features[VIRTIO_FEATURES_U64S];

	if (config->get_extended_features) {
		config->get_extended_features(vdev, features);
		return features[0];
	}
#endif
	return config->get_features(vdev);
}

/* Once per binding: exhaustion must be seen, but it comes back thousands of times a second. */
void vrd_tell_full(struct vrd_device *vrd, size_t size)
{
	if (READ_ONCE(vrd->full_told) || xchg(&vrd->full_told, true))
		return;
	dev_warn(&vrd->vdev->dev, "restricted DMA region is full: no room for %zu bytes, %llu of %zu in use; requests have to wait\n",
		 size, (u64)vrd_pool_used(&vrd->pool) << VRD_GRANULE_SHIFT, vrd->region.size);
}

static struct vrd_device *vrd_of(struct virtio_device *vdev)
{
	return container_of(vdev->config, struct vrd_device, wrapped);
}

/* May be called several times for one probe. */
static int finalize_features(struct virtio_device *vdev)
{
	struct vrd_device *vrd = vrd_of(vdev);
	u64 offered = offered_features(vdev, vrd->config);
	int ret;

	if (vrd->region.mode == VRD_DMB)
		__virtio_set_bit(vdev, VIRTIO_F_DMB);
	if (vrd->region.mode == VRD_SWIOTLB)
		__virtio_set_bit(vdev, VIRTIO_F_SWIOTLB);
	/* virtio_ring makes -EIO of a failed mapping there, which drivers take for a broken disk. */
	if (!packed)
		__virtio_clear_bit(vdev, VIRTIO_F_RING_PACKED);
	if (!(offered & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)))
		__virtio_clear_bit(vdev, VIRTIO_F_ACCESS_PLATFORM);
	ret = vrd->config->finalize_features(vdev);
	/* virtio_ring uses the DMA API only with this one; a device that does not offer it never hears of it. */
	__virtio_set_bit(vdev, VIRTIO_F_ACCESS_PLATFORM);
	return ret;
}

/* A disk request of max_segments pieces must fit into half of the region, or it could wait for ever. */
static void get_config(struct virtio_device *vdev, unsigned int offset, void *buf, unsigned int len)
{
	struct vrd_device *vrd = vrd_of(vdev);
	__le32 *segments = buf;

	vrd->config->get(vdev, offset, buf, len);
	if (vdev->id.device == VIRTIO_ID_BLOCK && len == sizeof(*segments) &&
	    offset == offsetof(struct virtio_blk_config, seg_max))
		*segments = cpu_to_le32(min(le32_to_cpu(*segments), vrd->max_segments));
}

static void wrap_config(struct vrd_device *vrd)
{
	vrd->config = vrd->vdev->config;
	vrd->wrapped = *vrd->config;
	vrd->wrapped.finalize_features = finalize_features;
	vrd->wrapped.get = get_config;
	vrd->vdev->config = &vrd->wrapped;
}

static void unwrap_config(struct vrd_device *vrd)
{
	vrd->vdev->config = vrd->config;
}

static struct vrd_device *find_or_add(struct virtio_device *vdev)
{
	struct vrd_device *vrd;

	mutex_lock(&devices_lock);
	vrd = vrd_find(vdev->dev.parent);
	if (!vrd) {
		vrd = kzalloc(sizeof(*vrd), GFP_KERNEL);
		if (vrd) {
			vrd->vdev = vdev;
			vrd->parent = vdev->dev.parent;
			hash_add_rcu(devices, &vrd->node, (unsigned long)vrd->parent);
		}
	}
	mutex_unlock(&devices_lock);
	return vrd;
}

static void forget(struct vrd_device *vrd)
{
	mutex_lock(&devices_lock);
	hash_del_rcu(&vrd->node);
	mutex_unlock(&devices_lock);
	synchronize_rcu();
	kfree(vrd);
}

/*
 * The PAT code silently takes write-back away where an MTRR says uncached, as firmware's do for BARs below 4 GiB. Emulators and
 * most of KVM do not care; where the processor does, copying is slow.
 */
static bool is_cached(void *vaddr)
{
#ifdef CONFIG_X86
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)vaddr, &level);

	return pte && !(pte_flags(*pte) & (_PAGE_PWT | _PAGE_PCD));
#else
	return true;
#endif
}

static int setup(struct vrd_device *vrd)
{
	int ret;

	ret = vrd_pool_init(&vrd->pool, &vrd->region);
	if (ret)
		return ret;
	vrd->pool.zero_fill = zero_fill;
	if (vrd->vdev->id.device == VIRTIO_ID_NET) {
		/* Buffers that wait for packets to come must not take the room of those that go out. */
		vrd->pool.device_limit = vrd->pool.granules / 8 * 7;
		/* A packet has the length that the device says. What else is in the region has been seen by the device anyway. */
		vrd->pool.exact = true;
	}
	vrd->max_segments = max_t(size_t, vrd->region.size / 2 / vrd->pool.max_mapping, 1);
	vrd->cached = is_cached(vrd->pool.vaddr);
	vrd->full_told = false;
	/* The BAR may already be somebody's as a whole, when registers share it with the region. */
	vrd->busy = request_mem_region(vrd->region.phys, vrd->region.size, KBUILD_MODNAME);
	ret = vrd_hook(vrd);
	if (ret)
		goto release;
	wrap_config(vrd);
	ret = sysfs_create_group(&vrd->vdev->dev.kobj, &vrd_group);
	if (ret)
		goto unhook;
	return 0;

unhook:
	unwrap_config(vrd);
	vrd_unhook(vrd);
release:
	if (vrd->busy)
		release_mem_region(vrd->region.phys, vrd->region.size);
	vrd_pool_destroy(&vrd->pool);
	return ret;
}

/* A probe that failed, as it does when the device insists on its region and this module is not there yet, leaves the device failed until it is reset. */
static void revive(struct virtio_device *vdev)
{
	if (!(vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_FAILED))
		return;
	virtio_reset_device(vdev);
	virtio_add_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
}

/* A driver is about to probe the device; the device lock is held. */
void vrd_attach(struct virtio_device *vdev, enum vrd_preference preference)
{
	struct vrd_region region = { };
	struct vrd_device *vrd;
	int ret = -ENOMEM;

	if (!vdev->dev.parent || !dev_is_pci(vdev->dev.parent))
		return;
	if (vrd_region_find(to_pci_dev(vdev->dev.parent), offered_features(vdev, vdev->config), preference, &region))
		return;
	revive(vdev);
	/* Nobody unloads this module while a driver works through it. */
	if (!try_module_get(THIS_MODULE))
		return;
	vrd = find_or_add(vdev);
	if (vrd) {
		vrd->region = region;
		ret = setup(vrd);
	}
	if (ret) {
		module_put(THIS_MODULE);
		dev_err(&vdev->dev, "restricted DMA cannot be set up: %d\n", ret);
		return;
	}
	vrd->active = true;
	dev_info(&vdev->dev, "restricted DMA (%s): %zu KiB at %pa%s\n", vrd_mode_name(region.mode), region.size / SZ_1K,
		 &region.phys, vrd->cached ? "" : ", uncached");
}

/* The driver is gone, or its probe failed; it has given everything back. */
void vrd_detach(struct virtio_device *vdev)
{
	struct vrd_device *vrd = vdev->dev.parent ? vrd_find(vdev->dev.parent) : NULL;

	if (!vrd || !vrd->active)
		return;
	vrd->active = false;
	sysfs_remove_group(&vdev->dev.kobj, &vrd_group);
	unwrap_config(vrd);
	vrd_unhook(vrd);
	if (vrd_pool_used(&vrd->pool))
		dev_warn(&vdev->dev, "the driver left %llu bytes of the restricted DMA region allocated\n",
			 (u64)vrd_pool_used(&vrd->pool) << VRD_GRANULE_SHIFT);
	if (vrd->busy)
		release_mem_region(vrd->region.phys, vrd->region.size);
	vrd_pool_destroy(&vrd->pool);
	module_put(THIS_MODULE);
}

/* The device itself is gone. */
void vrd_removed(struct virtio_device *vdev)
{
	struct vrd_device *vrd = vdev->dev.parent ? vrd_find(vdev->dev.parent) : NULL;

	if (vrd && vrd->vdev == vdev)
		forget(vrd);
}

void vrd_forget_all(void)
{
	struct vrd_device *vrd;
	struct hlist_node *next;
	int bucket;

	hash_for_each_safe(devices, bucket, next, vrd, node)
		forget(vrd);
}

/* Whether it would be worth binding a driver (again): there is a region, and no driver works in it yet. */
bool vrd_wanted(struct virtio_device *vdev, enum vrd_preference preference)
{
	struct vrd_region region;
	struct vrd_device *vrd;

	if (!vdev->dev.parent || !dev_is_pci(vdev->dev.parent))
		return false;
	vrd = vrd_find(vdev->dev.parent);
	if (vrd && vrd->active)
		return false;
	return !vrd_region_find(to_pci_dev(vdev->dev.parent), offered_features(vdev, vdev->config), preference, &region);
}
