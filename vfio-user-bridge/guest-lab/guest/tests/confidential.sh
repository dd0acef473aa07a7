# shellcheck shell=dash
# A secret is planted in the guest's memory and held there while the disk is worked on. LAB_MODULE=1: with the kernel module.
# shellcheck source=../restricted.sh
. /lab/restricted.sh

# Only ever in memory: in a process, and a MiB of it in a file of the memory file system.
plant() {
  secret=$(head -c 64 /dev/urandom | sha256sum | cut -c1-64)
  # shellcheck disable=SC2016 # for the holder itself
  sh -c 'held=$1; while sleep 1000; do :; done; echo "$held"' holder "$secret" &
  yes "$secret" | head -c 1m >/tmp/secret
  copies=$(grep -c "$secret" /tmp/secret)
  value "secret $secret"
}

part_work() {
  plant
  [ "$LAB_MODULE" = 0 ] || module_up zero_fill="${LAB_ZERO_FILL:-0}"
  disk_up
  mkfs.ext4 -q -F "$DISK" "$((LAB_DATA_MIB + 64))m"
  mount -t ext4 "$DISK" /mnt
  sum=$(head -c "${LAB_DATA_MIB}m" /dev/urandom | tee /mnt/data | sha256sum | cut -d' ' -f1)
  value "written $sum"
  umount /mnt
  mount -t ext4 "$DISK" /mnt
  equal "a file of $LAB_DATA_MIB MiB over a remount" "$sum" "$(sha256sum </mnt/data | cut -d' ' -f1)"
  say "working"
  # shellcheck disable=SC2086 # several options
  fio --name=mixed --directory=/mnt --size=16m --numjobs=2 --group_reporting --rw=randrw --bsrange=512-256k --ioengine=libaio --iodepth=32 \
    --direct=1 $FIO_VERIFY --time_based --runtime="$LAB_SECONDS" --minimal >/tmp/fio ||
    { cat /tmp/fio; die "fio reports an error"; }
  value "fio $(tail -n 1 /tmp/fio | cut -d';' -f5,6,47)"
  sync
  equal "the secret is still in the guest's memory" "$copies" "$(grep -c "$secret" /tmp/secret)"
  value "features $(feature 27)$(feature 44)"
  [ "$LAB_MODULE" = 0 ] || report_counters
  say "compare"
  hear compared
  umount /mnt
}

outcome() { [ -b "$DISK" ] || dmesg | grep -q 'device refuses features'; }

# The same guest without the module: either it gets its disk or it does not.
part_plain() {
  plant
  modprobe virtio_blk
  until_true "$PATIENCE" outcome || die "neither a disk nor a word about refused features"
  if [ -b "$DISK" ]; then
    value "outcome served"
    dd if=/dev/urandom of="$DISK" bs=64k count=64 oflag=direct 2>/dev/null
    want "4 MiB are read back" test "$(dd if="$DISK" bs=64k count=64 iflag=direct 2>/dev/null | wc -c)" = 4194304
  else
    expected_complaints="$expected_complaints|device refuses features"
    value "outcome refused"
  fi
  value "features $(feature 27)$(feature 44)"
  say "compare"
  hear compared
}

"part_$LAB_PART"
