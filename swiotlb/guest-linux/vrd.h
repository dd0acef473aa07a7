/* SPDX-License-Identifier: GPL-2.0-only */
/* Restricted DMA for virtio-pci: a device's driver works inside the device's own memory region. */
#ifndef VRD_H
#define VRD_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/dma-mapping.h>
#include <linux/pci.h>
#include <linux/rculist.h>
#include <linux/spinlock.h>
#include <linux/version.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "needs Linux 6.12 or newer"
#endif
#ifndef CONFIG_64BIT
#error "needs a 64-bit kernel: every page must have a kernel address"
#endif

/* Since 6.18 a virtio device can have mapping operations of its own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define VRD_USE_VIRTIO_MAP 1
#elif !defined(CONFIG_ARCH_HAS_DMA_OPS)
#error "needs a kernel with CONFIG_ARCH_HAS_DMA_OPS, or Linux 6.18 or newer"
#else
#include <linux/dma-map-ops.h>
#endif

/*
 * Numbers of the two proposals; none of them is ratified.
 *
 * SWIOTLB, RFC of March-April 2025. The bit is ANY_LAYOUT on transitional devices, which never show the capability.
 */
#define VIRTIO_F_SWIOTLB		27
#define VIRTIO_PCI_CAP_SWIOTLB		10
/* DMB, July-August 2026, virtio-spec issue 248. */
#define VIRTIO_F_DMB			44
#define VIRTIO_PCI_COMMON_DMB_SHM_ID	0x40

#define VRD_GRANULE_SHIFT	11
#define VRD_GRANULE		BIT(VRD_GRANULE_SHIFT)

enum vrd_mode {
	VRD_NONE,
	VRD_DMB,	/* addresses are offsets in the region */
	VRD_SWIOTLB,	/* addresses are bus addresses */
	VRD_HINT,	/* as VRD_SWIOTLB; the device shows the capability but does not offer the feature */
};

enum vrd_preference {
	VRD_PREFER_AUTO,
	VRD_PREFER_DMB,
	VRD_PREFER_SWIOTLB,
};

struct vrd_region {
	enum vrd_mode mode;
	phys_addr_t phys;	/* where the CPU sees it */
	dma_addr_t base;	/* what the device calls its first byte */
	size_t size;
};

/* Part of the region that one CPU prefers; granules first to end - 1. */
struct vrd_area {
	spinlock_t lock;	/* held by who looks for more than fits a word of the bitmap */
	unsigned int first;
	unsigned int end;
	unsigned int lowest;	/* word of the bitmap where a search begins: most below it are full */
	unsigned int usable;	/* free when nothing is in use */
	int least;		/* the fewest that were ever free */
	atomic_t free;
} ____cacheline_aligned_in_smp;

/* What is behind an allocation; valid for its first granule. */
struct vrd_slot {
	phys_addr_t orig;	/* the bounced buffer, VRD_COHERENT for memory that has no other side */
	u32 size;		/* bytes, 0: not allocated */
	u32 area;		/* that it was taken from */
};

#define VRD_COHERENT	((phys_addr_t)-1)

struct vrd_counters {
	u64 maps;
	u64 unmaps;
	u64 syncs;
	u64 bytes_in;	/* copied into the region */
	u64 bytes_out;	/* copied out of it */
	u64 failures;	/* mappings or allocations that found no room */
};

struct vrd_pool {
	u8 *vaddr;
	dma_addr_t base;
	unsigned int granules;
	unsigned int area_count;	/* a power of two */
	unsigned int device_limit;	/* granules in use beyond which buffers for the device to fill must wait */
	size_t max_mapping;
	bool zero_fill;			/* the device gets zeroes instead of the old content of what it is to fill */
	bool exact;			/* the driver looks at no byte of a buffer that the device has not said it has written */
	unsigned long *bitmap;		/* a bit for each granule in use, changed atomically */
	struct vrd_slot *slots;
	u32 *heads;			/* for each granule the first one of its allocation, itself when there is none */
	struct vrd_area *areas;
	struct vrd_counters __percpu *counters;
	atomic_t coherent;
};

/*
 * One virtio device with a region. It stays until the device itself goes, since somebody may still be reading sysfs through the
 * wrapped operations when a driver has just been unbound.
 */
struct vrd_device {
	struct hlist_node node;
	struct virtio_device *vdev;
	struct device *parent;
	/* The rest is valid while active: from before a driver's probe until after its remove. */
	bool active;
	struct vrd_region region;
	struct vrd_pool pool;
	struct resource *busy;
	const struct virtio_config_ops *config;	/* the transport's */
	struct virtio_config_ops wrapped;	/* what the driver sees */
	u32 max_segments;
	bool full_told;
	bool cached;	/* mapped write-back, as asked for */
#ifndef VRD_USE_VIRTIO_MAP
	const struct dma_map_ops *parent_ops;
	struct dma_map_ops ops;	/* the parent's while active */
	bool parent_iommu;
#endif
};

/* device.c */
struct vrd_device *vrd_find(struct device *parent);
void vrd_tell_full(struct vrd_device *vrd, size_t size);
void vrd_attach(struct virtio_device *vdev, enum vrd_preference preference);
void vrd_detach(struct virtio_device *vdev);
void vrd_removed(struct virtio_device *vdev);
void vrd_forget_all(void);
bool vrd_wanted(struct virtio_device *vdev, enum vrd_preference preference);

/* region.c */
int vrd_region_find(struct pci_dev *pdev, u64 offered, enum vrd_preference preference, struct vrd_region *region);
const char *vrd_mode_name(enum vrd_mode mode);

/* pool.c */
int vrd_pool_init(struct vrd_pool *pool, const struct vrd_region *region);
void vrd_pool_destroy(struct vrd_pool *pool);
dma_addr_t vrd_pool_map(struct vrd_pool *pool, phys_addr_t phys, size_t size, enum dma_data_direction dir,
			unsigned long attrs);
void vrd_pool_unmap(struct vrd_pool *pool, dma_addr_t addr, size_t size, enum dma_data_direction dir,
		    unsigned long attrs);
void vrd_pool_sync_for_cpu(struct vrd_pool *pool, dma_addr_t addr, size_t size, enum dma_data_direction dir);
void vrd_pool_sync_for_device(struct vrd_pool *pool, dma_addr_t addr, size_t size, enum dma_data_direction dir);
/* Granules in use now, and at most so far: of each area by itself, so it may be more than there ever was at once. */
unsigned int vrd_pool_used(const struct vrd_pool *pool);
unsigned int vrd_pool_high_water(const struct vrd_pool *pool);
void vrd_pool_forget_high_water(struct vrd_pool *pool);
void *vrd_pool_alloc(struct vrd_pool *pool, size_t size, dma_addr_t *addr);
void vrd_pool_free(struct vrd_pool *pool, dma_addr_t addr);
void vrd_pool_sum(struct vrd_pool *pool, struct vrd_counters *sum);

/* hooks.c */
int vrd_hook(struct vrd_device *vrd);
void vrd_unhook(struct vrd_device *vrd);

/* counters.c */
extern const struct attribute_group vrd_group;

#endif
