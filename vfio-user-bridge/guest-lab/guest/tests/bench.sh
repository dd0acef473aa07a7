# shellcheck shell=dash
# Measures each disk in turn, LAB_REPEATS times, each time starting with another one. LAB_DISKS are serial numbers, separated by commas.
disk_up
disks=$(echo "$LAB_DISKS" | tr , ' ')

# disk_of SERIAL: the device with this serial number.
disk_of() { grep -lx "$1" /sys/block/vd*/serial | cut -d/ -f4; }

# measure CASE SERIAL FIO-OPTION...: reports read IOPS and KiB/s (fields 8 and 7 of the terse format, version 3).
measure() {
  measure_case=$1
  measure_serial=$2
  shift 2
  fio --name=m --filename="/dev/$(disk_of "$measure_serial")" --direct=1 --ioengine=libaio --time_based --runtime="$LAB_SECONDS" --ramp_time=1 \
    --norandommap --randrepeat=1 --minimal "$@" >/tmp/fio || die "fio fails on $measure_serial"
  value "sample $measure_case $measure_serial $(tail -n 1 /tmp/fio | cut -d';' -f8,7 --output-delimiter=' ' 2>/dev/null || awk -F';' 'END { print $7, $8 }' /tmp/fio)"
}

is_there() { [ -n "$(disk_of "$1")" ]; }
for disk in $disks; do
  want "disk $disk is there" until_true "$PATIENCE" is_there "$disk"
  # Once over everything, so that no device pays for cold caches.
  dd if="/dev/$(disk_of "$disk")" of=/dev/null bs=1M iflag=direct 2>/dev/null
done
round=0
while [ "$round" -lt "$LAB_REPEATS" ]; do
  for disk in $disks; do measure rand4k-qd32 "$disk" --rw=randread --bs=4k --iodepth=32; done
  for disk in $disks; do measure rand4k-qd1 "$disk" --rw=randread --bs=4k --iodepth=1; done
  for disk in $disks; do measure seq128k-qd8 "$disk" --rw=read --bs=128k --iodepth=8; done
  # The next round starts with the next disk.
  disks="${disks#* } ${disks%% *}"
  round=$((round + 1))
  say "round $round"
done
