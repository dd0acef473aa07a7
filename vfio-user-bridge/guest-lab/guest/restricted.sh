# shellcheck shell=dash
# What tests with the kernel module use.
MODULE=virtio_restricted_dma
# The driver in question.
RESTRICTED_DRIVER=virtio_blk
COUNTERS=/sys/bus/virtio/devices/virtio0/restricted_dma

# The kernel's word on every module that it was not built with, and the module's own when the region is full.
expected_complaints="$expected_complaints|restricted DMA region is full"

# module_up PARAMETER...: before the driver, as it is meant to be.
module_up() { insmod /lab/$MODULE.ko "$@"; }

counter() { cat "$COUNTERS/$1"; }

report_counters() {
  for file in "$COUNTERS"/*; do value "module-${file##*/} $(cat "$file")"; done
}

# feature BIT: 1 or 0, as negotiated.
feature() { cut -c$(($1 + 1)) /sys/bus/virtio/devices/virtio0/features; }

driver() { echo virtio0 >"/sys/bus/virtio/drivers/$RESTRICTED_DRIVER/$1"; }
