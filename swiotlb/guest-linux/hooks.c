// SPDX-License-Identifier: GPL-2.0-only
/* Puts the pool between the virtio core and the device. */
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>
#include "fast.h"

/* On the way of every mapping: no search where the device has operations of its own. */
static struct vrd_device *vrd_behind(struct device *parent)
{
#ifdef VRD_USE_VIRTIO_MAP
	return vrd_find(parent);
#else
	return container_of(parent->dma_ops, struct vrd_device, ops);
#endif
}

static dma_addr_t map_page(struct device *parent, struct page *page, unsigned long offset, size_t size,
			   enum dma_data_direction dir, unsigned long attrs)
{
	struct vrd_device *vrd = vrd_behind(parent);
	dma_addr_t addr;

	if (WARN_ON_ONCE(!vrd))
		return DMA_MAPPING_ERROR;
	addr = vrd_map(&vrd->pool, page_to_phys(page) + offset, size, dir, attrs);
	if (unlikely(addr == DMA_MAPPING_ERROR))
		vrd_tell_full(vrd, size);
	return addr;
}

static void unmap_page(struct device *parent, dma_addr_t addr, size_t size, enum dma_data_direction dir,
		       unsigned long attrs)
{
	struct vrd_device *vrd = vrd_behind(parent);

	if (!WARN_ON_ONCE(!vrd))
		vrd_unmap(&vrd->pool, addr, size, dir, attrs);
}

static void sync_for_cpu(struct device *parent, dma_addr_t addr, size_t size, enum dma_data_direction dir)
{
	struct vrd_device *vrd = vrd_behind(parent);

	if (!WARN_ON_ONCE(!vrd))
		vrd_pool_sync_for_cpu(&vrd->pool, addr, size, dir);
}

static void sync_for_device(struct device *parent, dma_addr_t addr, size_t size, enum dma_data_direction dir)
{
	struct vrd_device *vrd = vrd_behind(parent);

	if (!WARN_ON_ONCE(!vrd))
		vrd_pool_sync_for_device(&vrd->pool, addr, size, dir);
}

static void *alloc(struct device *parent, size_t size, dma_addr_t *addr)
{
	struct vrd_device *vrd = vrd_behind(parent);
	void *memory;

	if (WARN_ON_ONCE(!vrd))
		return NULL;
	memory = vrd_pool_alloc(&vrd->pool, size, addr);
	if (!memory)
		vrd_tell_full(vrd, size);
	return memory;
}

static void release(struct device *parent, dma_addr_t addr)
{
	struct vrd_device *vrd = vrd_behind(parent);

	if (!WARN_ON_ONCE(!vrd))
		vrd_pool_free(&vrd->pool, addr);
}

static size_t max_mapping(struct device *parent)
{
	struct vrd_device *vrd = vrd_behind(parent);

	return vrd ? vrd->pool.max_mapping : SIZE_MAX;
}

#ifdef VRD_USE_VIRTIO_MAP

static dma_addr_t virtio_map_page(union virtio_map map, struct page *page, unsigned long offset, size_t size,
				  enum dma_data_direction dir, unsigned long attrs)
{
	return map_page(map.dma_dev, page, offset, size, dir, attrs);
}

static void virtio_unmap_page(union virtio_map map, dma_addr_t addr, size_t size, enum dma_data_direction dir,
			      unsigned long attrs)
{
	unmap_page(map.dma_dev, addr, size, dir, attrs);
}

static void virtio_sync_for_cpu(union virtio_map map, dma_addr_t addr, size_t size, enum dma_data_direction dir)
{
	sync_for_cpu(map.dma_dev, addr, size, dir);
}

static void virtio_sync_for_device(union virtio_map map, dma_addr_t addr, size_t size, enum dma_data_direction dir)
{
	sync_for_device(map.dma_dev, addr, size, dir);
}

static void *virtio_alloc(union virtio_map map, size_t size, dma_addr_t *addr, gfp_t gfp)
{
	return alloc(map.dma_dev, size, addr);
}

static void virtio_free(union virtio_map map, size_t size, void *vaddr, dma_addr_t addr, unsigned long attrs)
{
	release(map.dma_dev, addr);
}

static bool virtio_need_sync(union virtio_map map, dma_addr_t addr)
{
	return true;
}

static int virtio_mapping_error(union virtio_map map, dma_addr_t addr)
{
	return addr == DMA_MAPPING_ERROR ? -ENOMEM : 0;
}

static size_t virtio_max_mapping_size(union virtio_map map)
{
	return max_mapping(map.dma_dev);
}

static const struct virtio_map_ops virtio_ops = {
	.map_page = virtio_map_page,
	.unmap_page = virtio_unmap_page,
	.sync_single_for_cpu = virtio_sync_for_cpu,
	.sync_single_for_device = virtio_sync_for_device,
	.alloc = virtio_alloc,
	.free = virtio_free,
	.need_sync = virtio_need_sync,
	.mapping_error = virtio_mapping_error,
	.max_mapping_size = virtio_max_mapping_size,
};

int vrd_hook(struct vrd_device *vrd)
{
	if (vrd->vdev->map)
		return -EBUSY;
	/* The rings of virtio-pci name the parent themselves; this is for max_mapping_size. */
	vrd->vdev->vmap.dma_dev = vrd->parent;
	vrd->vdev->map = &virtio_ops;
	return 0;
}

void vrd_unhook(struct vrd_device *vrd)
{
	vrd->vdev->map = NULL;
	vrd->vdev->vmap.dma_dev = NULL;
}

#else

static void dma_unmap_sg_ops(struct device *parent, struct scatterlist *sgl, int nents, enum dma_data_direction dir,
			     unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		unmap_page(parent, sg_dma_address(sg), sg_dma_len(sg), dir, attrs);
}

static int dma_map_sg_ops(struct device *parent, struct scatterlist *sgl, int nents, enum dma_data_direction dir,
			  unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		sg_dma_address(sg) = map_page(parent, sg_page(sg), sg->offset, sg->length, dir, attrs);
		if (sg_dma_address(sg) == DMA_MAPPING_ERROR) {
			dma_unmap_sg_ops(parent, sgl, i, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
			return -ENOMEM;
		}
		sg_dma_len(sg) = sg->length;
	}
	return nents;
}

static void dma_sync_sg_for_cpu_ops(struct device *parent, struct scatterlist *sgl, int nents,
				    enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		sync_for_cpu(parent, sg_dma_address(sg), sg_dma_len(sg), dir);
}

static void dma_sync_sg_for_device_ops(struct device *parent, struct scatterlist *sgl, int nents,
				       enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		sync_for_device(parent, sg_dma_address(sg), sg_dma_len(sg), dir);
}

static void *dma_alloc_ops(struct device *parent, size_t size, dma_addr_t *addr, gfp_t gfp, unsigned long attrs)
{
	return alloc(parent, size, addr);
}

static void dma_free_ops(struct device *parent, size_t size, void *vaddr, dma_addr_t addr, unsigned long attrs)
{
	release(parent, addr);
}

static const struct dma_map_ops parent_ops = {
	.alloc = dma_alloc_ops,
	.free = dma_free_ops,
	.map_page = map_page,
	.unmap_page = unmap_page,
	.map_sg = dma_map_sg_ops,
	.unmap_sg = dma_unmap_sg_ops,
	.sync_single_for_cpu = sync_for_cpu,
	.sync_single_for_device = sync_for_device,
	.sync_sg_for_cpu = dma_sync_sg_for_cpu_ops,
	.sync_sg_for_device = dma_sync_sg_for_device_ops,
	.max_mapping_size = max_mapping,
};

/* The core decides with the mask whether sync calls reach the operations at all. */
static int reconsider_sync(struct device *parent)
{
	return dma_set_mask(parent, dma_get_mask(parent));
}

static void restore(struct vrd_device *vrd)
{
	set_dma_ops(vrd->parent, vrd->parent_ops);
#ifdef CONFIG_IOMMU_DMA
	vrd->parent->dma_iommu = vrd->parent_iommu;
#endif
}

int vrd_hook(struct vrd_device *vrd)
{
	struct device *parent = vrd->parent;
	int ret;

	vrd->parent_ops = parent->dma_ops;
#ifdef CONFIG_IOMMU_DMA
	/* An IOMMU would be asked before any operations; what stays inside the device never meets it. */
	vrd->parent_iommu = parent->dma_iommu;
	parent->dma_iommu = false;
#endif
	vrd->ops = parent_ops;
	set_dma_ops(parent, &vrd->ops);
	ret = reconsider_sync(parent);
	if (ret)
		restore(vrd); /* the pool that the operations lead to is about to go */
	return ret;
}

void vrd_unhook(struct vrd_device *vrd)
{
	restore(vrd);
	reconsider_sync(vrd->parent);
}

#endif
