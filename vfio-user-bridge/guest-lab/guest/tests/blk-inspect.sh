# shellcheck shell=dash
# What the PCI core and lspci see of the device, before and with its driver.
slot=$(lspci -Dn -d 1af4:1042 | cut -d' ' -f1)
[ -n "$slot" ] || { lspci -nn; die "no device 1af4:1042 on the bus"; }
equal "exactly one device 1af4:1042" 1 "$(lspci -Dn -d 1af4:1042 | wc -l)"
pci=/sys/bus/pci/devices/$slot
disk_up
lspci -s "$slot" -vvv -nn -xxxx >/tmp/lspci
cat /tmp/lspci
while read -r line; do say "lspci $line"; done </tmp/lspci

has() { grep -qE "$1" /tmp/lspci; }
want "revision 1 or newer, as a device without legacy interface must have" test "$(($(cat "$pci/revision")))" -ge 1
equal "subsystem vendor" 0x1af4 "$(cat "$pci/subsystem_vendor")"
want "class: a storage controller" grep -qE '^0x01[0-9a-f]{4}$' "$pci/class"
want "memory decode and bus mastering are on" has 'Control: I/O[-+] Mem[+] BusMaster[+]'
want "no error bit in the status register" has 'Status: Cap[+] .*>TAbort- <TAbort- <MAbort- >SERR- <PERR- '
# LAB_EXPRESS=0: QEMU's own device is a conventional one on the root bus.
if [ "$LAB_EXPRESS" = 1 ]; then
  want "PCI Express capability" has 'Capabilities: \[[0-9a-f]+\] Express '
  equal "config space is a PCI Express one" 4096 "$(stat -c %s "$pci/config")"
fi
want "MSI-X is enabled and not masked" has 'MSI-X: Enable[+] Count=[0-9]+ Masked-'
for kind in CommonCfg Notify ISR DeviceCfg; do
  want "virtio capability $kind" has "Vendor Specific Information: VirtIO: $kind"
done
want "lspci could read everything" sh -c '! grep -qiE "unknown header|rev ff|<access denied>|!!!|<chain looped>|<chain broken>|unimplemented" /tmp/lspci'

# resource: one line per BAR, start end flags; flags bit 8 I/O space, bit 9 memory, bit 13 prefetchable, bit 20 64 bit.
bar=0
io=0
while read -r start end flags && [ "$bar" -lt 6 ]; do
  if [ $((flags)) -ne 0 ]; then
    [ $((flags & 0x100)) -eq 0 ] || io=$((io + 1))
    size=$((end - start + 1))
    [ $((size & (size - 1))) -eq 0 ] || die "BAR $bar has the size $size"
    [ $((start & (size - 1))) -eq 0 ] || die "BAR $bar of size $size lies at $start"
    [ $((start)) -ne 0 ] || die "BAR $bar was never placed"
    value "bar $bar $start $size $flags"
  fi
  bar=$((bar + 1))
done <"$pci/resource"
passed "every BAR is a power of two, aligned and placed"
equal "no I/O-space BAR" 0 "$io"

virtio=$(echo "$pci"/virtio*)
equal "virtio device id of the block device" 0x0002 "$(cat "$virtio/device")"
equal "bound to the stock driver" virtio_blk "$(basename "$(readlink "$virtio/driver")")"
# DRIVER_OK | FEATURES_OK | DRIVER | ACKNOWLEDGE
equal "device status" 0x0000000f "$(cat "$virtio/status")"
# The file shows bit 0 first.
bits=$(cat "$virtio/features")
value "features $bits"
equal "VERSION_1 is negotiated" 1 "$(echo "$bits" | cut -c33)"
passes() { awk -v d="$1" '$NF ~ d { for (i = 2; i < NF; i++) if ($i ~ /^[0-9]+$/) n += $i } END { print n + 0 }' /proc/interrupts; }
before=$(passes "^${virtio##*/}-req")
dd if="$DISK" of=/dev/null bs=4096 count=64 iflag=direct 2>/dev/null
after=$(passes "^${virtio##*/}-req")
want "interrupts of the queue's own vector arrive" test "$after" -gt "$before"
value "interrupts $before $after"

# A function level reset by the PCI core and a second life after it.
echo "${virtio##*/}" >/sys/bus/virtio/drivers/virtio_blk/unbind
want "the disk is gone after unbinding" until_true "$PATIENCE" test ! -e "$DISK"
if [ "$LAB_EXPRESS" = 1 ]; then
  want "function level reset is offered" grep -qw flr "$pci/reset_method"
  echo flr >"$pci/reset_method"
  want "function level reset" sh -c "echo 1 >$pci/reset"
fi
echo "$slot" >/sys/bus/pci/drivers/virtio-pci/unbind
echo "$slot" >/sys/bus/pci/drivers/virtio-pci/bind
disk_up
want "the disk works after unbind, reset and bind" dd if="$DISK" of=/dev/null bs=4096 count=64 iflag=direct
