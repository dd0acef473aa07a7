// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restricted DMA for virtio-pci.
 *
 * A virtio device may bring memory of its own and ask, with VIRTIO_F_SWIOTLB or VIRTIO_F_DMB, that everything it is given lies in
 * there. This module makes unmodified drivers comply: just before a driver is bound to such a device its buffers are routed
 * through a pool in the device's region, and the feature is added to what the driver acknowledges.
 */
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include "vrd.h"

static char *mode = "auto";
module_param(mode, charp, 0444);
MODULE_PARM_DESC(mode, "auto (what the device offers, DMB first), dmb or swiotlb");

static bool rebind = true;
module_param(rebind, bool, 0444);
MODULE_PARM_DESC(rebind, "re-attach devices that were bound before this module was loaded and are not in use (default: yes)");

static enum vrd_preference preference;
static const struct bus_type *virtio_bus;

static int notify(struct notifier_block *block, unsigned long action, void *data)
{
	struct device *dev = data;

	switch (action) {
	case BUS_NOTIFY_BIND_DRIVER:
		vrd_attach(dev_to_virtio(dev), preference);
		break;
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
	case BUS_NOTIFY_UNBOUND_DRIVER:
		vrd_detach(dev_to_virtio(dev));
		break;
	case BUS_NOTIFY_REMOVED_DEVICE:
		vrd_removed(dev_to_virtio(dev));
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = notify,
};

static int child_in_use(struct device *child, void *data)
{
	if (!child->class)
		return 0;
	if (!strcmp(child->class->name, "block"))
		return disk_openers(dev_to_disk(child)) > 0;
	if (!strcmp(child->class->name, "net"))
		return !!(to_net_dev(child)->flags & IFF_UP);
	return 0;
}

/* Devices that were there before the module: bound to guest memory, or refused by a device that insists. */
static int catch_up(struct device *dev, void *data)
{
	if (!vrd_wanted(dev_to_virtio(dev), preference))
		return 0;
	if (dev->driver) {
		if (!rebind || device_for_each_child(dev, NULL, child_in_use)) {
			dev_warn(dev, "in use without restricted DMA; load virtio_restricted_dma earlier, or unbind and bind its driver\n");
			return 0;
		}
		device_release_driver(dev);
	}
	if (device_attach(dev) < 0)
		dev_warn(dev, "cannot be bound again\n");
	return 0;
}

/* An id that no device has: only the bus is wanted of it. */
static const struct virtio_device_id no_device[] = {
	{ .device = U32_MAX - 1, .vendor = 0 },
	{ }
};

static struct virtio_driver probe_driver = {
	.driver.name = KBUILD_MODNAME,
	.id_table = no_device,
};

static int __init vrd_init(void)
{
	int ret;

	ret = match_string((const char * const []){ "auto", "dmb", "swiotlb" }, 3, mode);
	if (ret < 0) {
		pr_err(KBUILD_MODNAME ": mode must be auto, dmb or swiotlb, not %s\n", mode);
		return ret;
	}
	preference = ret;
	ret = register_virtio_driver(&probe_driver);
	if (ret)
		return ret;
	virtio_bus = probe_driver.driver.bus;
	unregister_virtio_driver(&probe_driver);
	ret = bus_register_notifier(virtio_bus, &notifier);
	if (ret)
		return ret;
	bus_for_each_dev(virtio_bus, NULL, NULL, catch_up);
	return 0;
}

static void __exit vrd_exit(void)
{
	bus_unregister_notifier(virtio_bus, &notifier);
	vrd_forget_all();
}

module_init(vrd_init);
module_exit(vrd_exit);
MODULE_DESCRIPTION("Restricted DMA for virtio-pci: unmodified drivers work inside the device's own memory");
MODULE_AUTHOR("The virtio-backend project");
MODULE_LICENSE("GPL");
