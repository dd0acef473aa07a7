# shellcheck shell=dash
# One part per device: LAB_PART says which.
disk_up
block=/sys/block/vda

part_trim() {
  equal "serial number" "$LAB_SERIAL" "$(cat $block/serial)"
  want "discard is offered" test "$(cat $block/queue/discard_max_bytes)" -gt 0
  want "write zeroes is offered" test "$(cat $block/queue/write_zeroes_max_bytes)" -gt 0

  # 64 MiB of data, then holes in it.
  head -c 64m /dev/urandom | dd of="$DISK" bs=1M iflag=fullblock oflag=direct conv=fsync 2>/dev/null
  say "filled"
  hear measured
  want "blkdiscard of 16 MiB at 16 MiB" blkdiscard -o 16m -l 16m "$DISK"
  want "write zeroes of 16 MiB at 32 MiB" blkdiscard -z -o 32m -l 16m "$DISK"
  equal "write zeroes reads back as zeroes" "$(head -c 16m /dev/zero | sha256sum)" \
    "$(dd if="$DISK" bs=1M skip=32 count=16 iflag=direct 2>/dev/null | sha256sum)"
  # This one lets the device give the space back (the unmap bit), the one before does not.
  want "write zeroes with unmap of 8 MiB at 48 MiB" fallocate -p -o 48m -l 8m "$DISK"
  equal "write zeroes with unmap reads back as zeroes" "$(head -c 8m /dev/zero | sha256sum)" \
    "$(dd if="$DISK" bs=1M skip=48 count=8 iflag=direct 2>/dev/null | sha256sum)"
  # An odd number of sectors at an odd place, in the middle of blocks of the host's file system.
  want "write zeroes of 3 sectors at sector 131" blkdiscard -z -o 67072 -l 1536 "$DISK"
  value "trimmed $(dd if="$DISK" bs=1M count=64 iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"
  say "trimmed"
  hear compared

  mkfs.ext4 -q -F -E nodiscard "$DISK"
  mount -t ext4 "$DISK" /mnt
  head -c 48m /dev/urandom >/mnt/big
  sync
  rm /mnt/big
  sync
  want "fstrim" fstrim -v /mnt
  umount /mnt
}

part_readonly() {
  equal "the disk is read-only" 1 "$(cat $block/ro)"
  before=$(dd if="$DISK" bs=1M iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)
  want "a write is refused" sh -c "! dd if=/dev/urandom of=$DISK bs=4096 count=1 oflag=direct 2>/dev/null"
  want "the kernel cannot be talked into writing" sh -c "! blockdev --setrw $DISK || ! dd if=/dev/urandom of=$DISK bs=4096 count=1 oflag=direct conv=fsync 2>/dev/null"
  value "content $before"
}

part_queues() {
  equal "as many queues as asked for" "$LAB_QUEUES" "$(find $block/mq -mindepth 1 -maxdepth 1 -type d | wc -l)"
  fio --name=each --filename="$DISK" --size=32m --offset_increment=32m --rw=randwrite --bs=4k --ioengine=libaio --iodepth=16 --direct=1 \
    --numjobs="$LAB_QUEUES" --cpus_allowed=0-$((LAB_QUEUES - 1)) --cpus_allowed_policy=split --verify=crc32c --verify_fatal=1 \
    --number_ios=500 --minimal >/tmp/fio || { cat /tmp/fio; die "fio reports an error"; }
  passed "verified I/O from every CPU at once"
  cat /proc/interrupts
  queue=0
  while [ "$queue" -lt "$LAB_QUEUES" ]; do
    count=$(awk -v d="-req[.]$queue\$" '$NF ~ d { for (i = 2; i < NF; i++) if ($i ~ /^[0-9]+$/) n += $i } END { print n + 0 }' /proc/interrupts)
    want "queue $queue has a vector of its own and used it" test "$count" -gt 0
    queue=$((queue + 1))
  done

  # LAB_WCE=0: the device says of itself that it has no write cache.
  [ "$LAB_WCE" = 1 ] || return 0
  equal "the write cache is on" "write back" "$(cat $block/cache_type)"
  echo "write through" >$block/cache_type
  equal "the device takes: write through" "write through" "$(cat $block/cache_type)"
  equal "the block layer knows" "write through" "$(cat $block/queue/write_cache)"
  head -c 1m /dev/urandom | dd of="$DISK" bs=64k iflag=fullblock oflag=direct 2>/dev/null
  passed "writes go through"
  echo "write back" >$block/cache_type
  equal "and back" "write back" "$(cat $block/cache_type)"
  equal "the block layer knows that too" "write back" "$(cat $block/queue/write_cache)"
}

"part_$LAB_PART"
