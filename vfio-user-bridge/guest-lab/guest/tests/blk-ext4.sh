# shellcheck shell=dash
# LAB_FS_MIB of file system at the start of the disk, the rest for fio; LAB_DATA_MIB of random data; LAB_SECONDS of fio.
disk_up
size=$(($(cat /sys/block/vda/size) * 512))

mkfs.ext4 -q -F "$DISK" "${LAB_FS_MIB}m"
mount -t ext4 "$DISK" /mnt
# The checksum is taken before the data gets anywhere near the disk.
sum=$(head -c "${LAB_DATA_MIB}m" /dev/urandom | tee /mnt/data | sha256sum | cut -d' ' -f1)
value "written $sum"
umount /mnt
mount -t ext4 "$DISK" /mnt
again=$(sha256sum </mnt/data | cut -d' ' -f1)
[ "$again" = "$sum" ] || die "data changed over a remount: $sum became $again"
umount /mnt
say "ext4 verified"

# Four jobs, each on its own part of the disk; backlog: what was written is read back and checked all along.
start=$((LAB_FS_MIB * 1048576))
part=$(((size - start) / 4))
# shellcheck disable=SC2086 # several options
fio --name=mixed --filename="$DISK" --offset="$start" --offset_increment="$part" --size="$part" --numjobs=4 --group_reporting \
  --rw=randrw --bsrange=512-1m --ioengine=libaio --iodepth=32 --direct=1 $FIO_VERIFY \
  --time_based --runtime="$LAB_SECONDS" --randseed="${LAB_SEED:-1}" --minimal >/tmp/fio || { cat /tmp/fio; die "fio reports an error"; }
# Fields of version 3 of the terse format: 5 error, 6 KiB read, 8 read IOPS, 47 KiB written, 49 write IOPS.
value "fio $(tail -n 1 /tmp/fio | cut -d';' -f5,6,47)"
sync
# What the guest has on its disk, read around its cache.
value "disk $(dd if="$DISK" bs=1M iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"
