# shellcheck shell=dash
# Writes numbered blocks, each followed by a flush, and tells the host each number once it is flushed; other I/O goes on beside it.
# LAB_TAG marks the blocks, LAB_BASE is the first block's place, LAB_CHECK=TAG:BASE:COUNT are blocks of an earlier life.
disk_up
size=$(($(cat /sys/block/vda/size) * 512))

# check_blocks TAG BASE COUNT: every block is one line, its tag and number and blanks.
check_blocks() {
  dd if="$DISK" bs=4096 skip="$2" count="$3" iflag=direct 2>/dev/null |
    awk -v t="$1" -v c="$3" '$1 != t || $2 != NR - 1 { bad = 1 } END { exit bad || NR != c }'
}

load() {
  fio --name=load --filename="$DISK" --offset=$((size / 2)) --size=$((size / 2)) --rw=randrw --bsrange=4k-256k --ioengine=libaio \
    --iodepth=16 --direct=1 --time_based --runtime=3600 --minimal >/dev/null 2>&1 &
}

# write_blocks TAG BASE COUNT
write_blocks() {
  n=0
  while [ "$n" -lt "$3" ]; do
    printf '%-4095s\n' "$1 $n" | dd of="$DISK" bs=4096 seek=$(($2 + n)) oflag=direct conv=fsync,notrunc iflag=fullblock 2>/dev/null || die "write $n fails"
    say "flushed $1 $n"
    n=$((n + 1))
  done
}

old_ifs=$IFS
IFS=:
# shellcheck disable=SC2086 # split at the colons
set -- ${LAB_CHECK:-}
IFS=$old_ifs
if [ $# -eq 3 ]; then
  check_blocks "$1" "$2" "$3" || die "flushed blocks of $1 are lost"
  passed "$3 blocks flushed in an earlier life are on the disk"
fi

if [ "$LAB_PART" = reboot ] && check_blocks "$LAB_TAG" "$LAB_BASE" 20; then
  passed "20 flushed blocks are there after the reboot"
  write_blocks again "$((LAB_BASE + 100))" 20
  check_blocks again "$((LAB_BASE + 100))" 20 || die "blocks written after the reboot do not read back"
  passed "the disk works after the reboot"
elif [ "$LAB_PART" = reboot ]; then
  load
  write_blocks "$LAB_TAG" "$LAB_BASE" 20
  say "rebooting"
  reboot -f
  sleep 60
else
  load
  write_blocks "$LAB_TAG" "$LAB_BASE" 8000
fi
