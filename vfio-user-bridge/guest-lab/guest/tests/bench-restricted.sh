# shellcheck shell=dash
# Measures each disk in turn, LAB_REPEATS times, each time starting with another one. LAB_DISKS are serial numbers, separated by commas.
# shellcheck source=../restricted.sh
. /lab/restricted.sh
module_up mode=auto
disk_up
disks=$(echo "$LAB_DISKS" | tr , ' ')

disk_of() { grep -lx "$1" /sys/block/vd*/serial | cut -d/ -f4; }

# measure CASE SERIAL FIELDS FIO-OPTION...: reports KiB/s and IOPS, terse fields 7,8 for reads and 48,49 for writes.
measure() {
  measure_case=$1
  measure_serial=$2
  fields=$3
  shift 3
  fio --name=m --filename="/dev/$(disk_of "$measure_serial")" --direct=1 --ioengine=libaio --time_based --runtime="$LAB_SECONDS" --ramp_time=1 \
    --norandommap --randrepeat=1 --minimal "$@" >/tmp/fio || die "fio fails on $measure_serial"
  value "sample $measure_case $measure_serial $(awk -F';' -v f="$fields" 'END { split(f, at, ","); print $at[1], $at[2] }' /tmp/fio)"
}

is_there() { [ -n "$(disk_of "$1")" ]; }
for disk in $disks; do
  want "disk $disk is there" until_true "$PATIENCE" is_there "$disk"
  dd if="/dev/$(disk_of "$disk")" of=/dev/null bs=1M iflag=direct 2>/dev/null
done
round=0
while [ "$round" -lt "$LAB_REPEATS" ]; do
  for disk in $disks; do measure randread4k "$disk" 7,8 --rw=randread --bs=4k --iodepth=32; done
  for disk in $disks; do measure randwrite4k "$disk" 48,49 --rw=randwrite --bs=4k --iodepth=32; done
  for disk in $disks; do measure seqread128k "$disk" 7,8 --rw=read --bs=128k --iodepth=8; done
  for disk in $disks; do measure seqwrite128k "$disk" 48,49 --rw=write --bs=128k --iodepth=8; done
  # The next round starts with the next disk.
  disks="${disks#* } ${disks%% *}"
  round=$((round + 1))
  say "round $round"
done
