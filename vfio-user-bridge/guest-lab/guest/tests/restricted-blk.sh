# shellcheck shell=dash
# LAB_PART: what to do; LAB_MODE: the module's parameter; LAB_WANT: the mode it shall end up in; LAB_DATA_MIB, LAB_SECONDS as for blk-ext4.
# shellcheck source=../restricted.sh
. /lab/restricted.sh

check_mode() {
  equal "the module's mode" "$1" "$(counter mode)"
  case $1 in
  dmb) bits=01 ;;
  swiotlb) bits=10 ;;
  hint) bits=00 ;;
  esac
  equal "feature bits 27 and 44 as negotiated" "$bits" "$(feature 27)$(feature 44)"
  equal "the driver is the kernel's own virtio_blk" virtio_blk "$(basename "$(readlink /sys/bus/virtio/devices/virtio0/driver)")"
}

# ext4 with data over a remount.
file_system() {
  mkfs.ext4 -q -F "$DISK" "$((LAB_DATA_MIB + 64))m"
  mount -t ext4 "$DISK" /mnt
  sum=$(head -c "${LAB_DATA_MIB}m" /dev/urandom | tee /mnt/data | sha256sum | cut -d' ' -f1)
  value "written $sum"
  umount /mnt
  mount -t ext4 "$DISK" /mnt
  equal "a file of $LAB_DATA_MIB MiB over a remount" "$sum" "$(sha256sum </mnt/data | cut -d' ' -f1)"
  umount /mnt
}

# mixed JOBS: verified I/O of all sizes behind the file system.
mixed() {
  start=$(((LAB_DATA_MIB + 64) * 1048576))
  part=$((($(cat /sys/block/vda/size) * 512 - start) / $1))
  # shellcheck disable=SC2086 # several options
  fio --name=mixed --filename="$DISK" --offset="$start" --offset_increment="$part" --size="$part" --numjobs="$1" --group_reporting \
    --rw=randrw --bsrange=512-1m --ioengine=libaio --iodepth=32 --direct=1 $FIO_VERIFY \
    --time_based --runtime="$LAB_SECONDS" --minimal >/tmp/fio || { cat /tmp/fio; die "fio reports an error"; }
  # As in blk-ext4; field 19 is the longest completion latency of a read in us, 60 that of a write.
  value "fio $(tail -n 1 /tmp/fio | cut -d';' -f5,6,47)"
}

# Both sides count while the device is still there.
compare() {
  sync
  report_counters
  say "compare"
  hear compared
}

part_work() {
  module_up mode="$LAB_MODE"
  disk_up
  check_mode "$LAB_WANT"
  file_system
  mixed 2
  compare
  want "the module cannot be unloaded under a driver" sh -c "! rmmod $MODULE 2>/dev/null"
  want "nothing but the rings is left in the region" test "$(counter used_bytes)" = "$(counter coherent_bytes)"
  driver unbind
  driver bind
  want "the disk is there again after unbind and bind" until_true "$PATIENCE" test -b "$DISK"
  mount -t ext4 "$DISK" /mnt
  equal "the file after unbind and bind" "$sum" "$(sha256sum </mnt/data | cut -d' ' -f1)"
  umount /mnt
  driver unbind
  want "the module is unloaded when no driver is bound" rmmod "$MODULE"
}

part_full() {
  module_up
  disk_up
  file_system
  mixed 4
  want "mappings found no room" test "$(counter failures)" -gt 0
  want "the kernel was told once" test "$(dmesg | grep -c 'restricted DMA region is full')" = 1
  want "nothing but the rings is left in the region" test "$(counter used_bytes)" = "$(counter coherent_bytes)"
  compare
}

part_late() {
  disk_up
  equal "bits 27 and 44 before the module is there" 00 "$(feature 27)$(feature 44)"
  file_system
  mount -t ext4 "$DISK" /mnt
  say "outside"
  hear go
  expected_complaints="$expected_complaints|in use without restricted DMA"
  module_up
  want "a disk in use is left alone" test ! -e "$COUNTERS"
  equal "its file" "$sum" "$(sha256sum </mnt/data | cut -d' ' -f1)"
  umount /mnt
  rmmod "$MODULE"
  module_up
  want "a disk that is not in use is attached again" until_true "$PATIENCE" test -b "$DISK"
  check_mode "$LAB_WANT"
  mixed 2
  mount -t ext4 "$DISK" /mnt
  equal "the file written from guest memory" "$sum" "$(sha256sum </mnt/data | cut -d' ' -f1)"
  umount /mnt
  compare
}

part_reboot() {
  module_up mode="$LAB_MODE"
  disk_up
  check_mode "$LAB_WANT"
  if mount -t ext4 "$DISK" /mnt 2>/dev/null; then
    equal "the file written before the reboot" "$(cat /mnt/sum)" "$(sha256sum </mnt/data | cut -d' ' -f1)"
    umount /mnt
    mixed 2
    compare
  else
    file_system
    mount -t ext4 "$DISK" /mnt
    echo "$sum" >/mnt/sum
    umount /mnt
    say "rebooting"
    reboot -f
    sleep 60
  fi
}

"part_$LAB_PART"
