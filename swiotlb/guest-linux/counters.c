// SPDX-License-Identifier: GPL-2.0-only
/* /sys/bus/virtio/devices/virtioN/restricted_dma/: one number a file, there while the device's driver is bound. */
#include <linux/sysfs.h>
#include "vrd.h"

/* The group exists only while the driver sees the wrapped operations. */
static struct vrd_device *vrd_of(struct device *dev)
{
	return container_of(dev_to_virtio(dev)->config, struct vrd_device, wrapped);
}

static ssize_t show_granules(char *buf, unsigned int granules)
{
	return sysfs_emit(buf, "%llu\n", (u64)granules << VRD_GRANULE_SHIFT);
}

static ssize_t mode_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", vrd_mode_name(vrd_of(dev)->region.mode));
}
static DEVICE_ATTR_RO(mode);

static ssize_t caching_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", vrd_of(dev)->cached ? "write-back" : "uncached");
}
static DEVICE_ATTR_RO(caching);

static ssize_t region_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%zu\n", vrd_of(dev)->region.size);
}
static DEVICE_ATTR_RO(region_bytes);

static ssize_t max_mapping_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%zu\n", vrd_of(dev)->pool.max_mapping);
}
static DEVICE_ATTR_RO(max_mapping_bytes);

static ssize_t used_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return show_granules(buf, vrd_pool_used(&vrd_of(dev)->pool));
}
static DEVICE_ATTR_RO(used_bytes);

/* Writing anything starts the mark again from what is in use. */
static ssize_t high_water_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return show_granules(buf, vrd_pool_high_water(&vrd_of(dev)->pool));
}

static ssize_t high_water_bytes_store(struct device *dev, struct device_attribute *attr, const char *buf, size_t count)
{
	vrd_pool_forget_high_water(&vrd_of(dev)->pool);
	return count;
}
static DEVICE_ATTR_RW(high_water_bytes);

static ssize_t coherent_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return show_granules(buf, atomic_read(&vrd_of(dev)->pool.coherent));
}
static DEVICE_ATTR_RO(coherent_bytes);

#define VRD_COUNTER(name)									\
static ssize_t name##_show(struct device *dev, struct device_attribute *attr, char *buf)	\
{												\
	struct vrd_counters sum;								\
												\
	vrd_pool_sum(&vrd_of(dev)->pool, &sum);							\
	return sysfs_emit(buf, "%llu\n", sum.name);						\
}												\
static DEVICE_ATTR_RO(name)

VRD_COUNTER(maps);
VRD_COUNTER(unmaps);
VRD_COUNTER(syncs);
VRD_COUNTER(bytes_in);
VRD_COUNTER(bytes_out);
VRD_COUNTER(failures);

static struct attribute *vrd_attributes[] = {
	&dev_attr_mode.attr,
	&dev_attr_caching.attr,
	&dev_attr_region_bytes.attr,
	&dev_attr_max_mapping_bytes.attr,
	&dev_attr_used_bytes.attr,
	&dev_attr_high_water_bytes.attr,
	&dev_attr_coherent_bytes.attr,
	&dev_attr_maps.attr,
	&dev_attr_unmaps.attr,
	&dev_attr_syncs.attr,
	&dev_attr_bytes_in.attr,
	&dev_attr_bytes_out.attr,
	&dev_attr_failures.attr,
	NULL
};

const struct attribute_group vrd_group = {
	.name = "restricted_dma",
	.attrs = vrd_attributes,
};
