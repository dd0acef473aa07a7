# shellcheck shell=dash
# LAB_DISKS disks whose serial numbers say what to expect of them, see scenarios/blk-rings. LAB_BINDS times unbind and bind.
modprobe virtio_blk
all_there() { [ "$(find /sys/block -name 'vd*' | wc -l)" -eq "$LAB_DISKS" ]; }
until_true "$PATIENCE" all_there || die "$(find /sys/block -name 'vd*' | wc -l) of $LAB_DISKS disks"

# disk_of SERIAL: its name in /sys/block.
disk_of() {
  for candidate in /sys/block/vd*; do
    read -r serial_found <"$candidate/serial"
    [ "$serial_found" != "$1" ] || { echo "${candidate##*/}"; return; }
  done
  die "no disk $1"
}

# bit FILE N: the file shows bit 0 first.
bit() { cut -c$(($2 + 1)) "$1"; }

# expected FEATURE: 0 when the disk lacks it.
expected() { [ "$lacks" = none ] || [ "$lacks" = "$1" ] && echo 0 || echo 1; }

check_ring_features() {
  layout=${serial%%-*}
  lacks=${serial#*-}
  features=/sys/block/$disk/device/features
  agreed="$([ "$layout" = packed ] && echo 1 || echo 0) $(expected indirect) $(expected event_idx) $(expected ring_reset) $(expected notify_data)"
  equal "$serial: packed, indirect, event_idx, ring_reset, notify_data" "$agreed" \
    "$(bit "$features" 34) $(bit "$features" 28) $(bit "$features" 29) $(bit "$features" 40) $(bit "$features" 38)"
  # Not every kernel knows this one.
  if [ "$(expected in_order)" = 1 ]; then value "in_order $(bit "$features" 35)"; else equal "$serial: no in_order" 0 "$(bit "$features" 35)"; fi
}

check_vectors() {
  name=$(basename "$(readlink -f "/sys/block/$disk/device")")
  case $serial in
  vectors-shared) want "$serial: all queues share a vector" sh -c "grep -q ' $name-virtqueues\$' /proc/interrupts" ;;
  vectors-intx) want "$serial: a device with one vector is driven by INTx" sh -c "grep -E 'IO-APIC' /proc/interrupts | grep -qE '[ ,]$name(\$|,)'" ;;
  esac
}

# sums: checksums of the part that fio wrote, by serial.
sums() {
  for path in /sys/block/vd*; do
    read -r serial_found <"$path/serial"
    echo "$serial_found $(dd if="/dev/${path##*/}" bs=1M count=2 iflag=direct 2>/dev/null | cksum)"
  done | sort
}

marker=/dev/$(disk_of split-all)
# What the boot before left at the end of a disk: its sums.
stored() { dd if="$marker" bs=64k skip=255 count=1 iflag=direct 2>/dev/null | tr -d '\000'; }

fio_jobs() {
  for path in /sys/block/vd*; do
    read -r serial_found <"$path/serial"
    printf -- '--name=%s --filename=/dev/%s ' "$serial_found" "${path##*/}"
  done
}

busy() { cat /sys/block/vd*/inflight | grep -q '[1-9]'; }

if [ "$LAB_REBOOT" = 1 ] && stored | grep -q '^split-all '; then
  equal "after the reboot every disk has what was written before" "$(stored)" "$(sums)"
  # shellcheck disable=SC2046,SC2086 # options
  fio --size=4m --offset=8m --rw=randrw --bs=4k --number_ios=64 --ioengine=libaio --iodepth=8 --direct=1 $FIO_VERIFY --minimal $(fio_jobs) >/tmp/fio ||
    { cat /tmp/fio; die "fio reports an error after the reboot"; }
  passed "and works"
  return 0
fi

for path in /sys/block/vd*; do
  disk=${path##*/}
  serial=$(cat "$path/serial")
  case $serial in
  split-* | packed-*) check_ring_features ;;
  esac
done

# Everything at once: the layouts compete for the same workers.
# shellcheck disable=SC2046,SC2086 # options
fio --size=2m --rw=randrw --bsrange=512-64k --ioengine=libaio --iodepth=16 --direct=1 --randseed="${LAB_SEED:-1}" \
  $FIO_VERIFY --minimal $(fio_jobs) >/tmp/fio || { cat /tmp/fio; die "fio reports an error"; }
passed "verified random I/O on $LAB_DISKS disks at once"
for path in /sys/block/vd*; do
  disk=${path##*/}
  serial=$(cat "$path/serial")
  check_vectors
done
before=$(sums)

# device_of SERIAL: its name on the virtio bus, which it keeps.
device_of() { basename "$(readlink -f "/sys/block/$(disk_of "$1")/device")"; }
split=$(device_of split-all)
packed=$(device_of packed-all)
n=0
while [ "$n" -lt "$LAB_BINDS" ]; do
  if [ $((n % 2)) -eq 0 ]; then device=$split; else device=$packed; fi
  echo "$device" >/sys/bus/virtio/drivers/virtio_blk/unbind
  echo "$device" >/sys/bus/virtio/drivers/virtio_blk/bind
  for block in "/sys/bus/virtio/devices/$device/block"/vd*; do
    dd if="/dev/${block##*/}" of=/dev/null bs=64k count=4 iflag=direct 2>/dev/null || die "bind $n: $device does not read"
  done
  n=$((n + 1))
done
equal "after $LAB_BINDS times unbind and bind everything is there" "$before" "$(sums)"

rmmod virtio_blk
modprobe virtio_blk
until_true "$PATIENCE" all_there || die "after the module was loaded again: $(find /sys/block -name 'vd*' | wc -l) of $LAB_DISKS disks"
equal "after the module was loaded again everything is there" "$before" "$(sums)"

if [ "$LAB_REBOOT" = 1 ]; then
  marker=/dev/$(disk_of split-all)
  echo "$before" | dd of="$marker" bs=64k seek=255 count=1 conv=sync,fsync 2>/dev/null
  report_complaints
  # shellcheck disable=SC2046 # options
  fio --size=4m --offset=8m --rw=randrw --bs=4k --ioengine=libaio --iodepth=16 --direct=1 --time_based --runtime=3600 --minimal \
    $(fio_jobs) >/dev/null 2>&1 &
  until_true "$PATIENCE" busy || die "no I/O under way"
  say "rebooting"
  reboot -f
  sleep 60
fi
