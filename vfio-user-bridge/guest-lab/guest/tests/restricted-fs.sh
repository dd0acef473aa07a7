# shellcheck shell=dash
# LAB_MODE: the module's mode; LAB_DATA_MIB of data, LAB_SECONDS of fio.
# shellcheck source=../fs.sh
. /lab/fs.sh
# shellcheck source=../restricted.sh
. /lab/restricted.sh
# virtiofs is built in: until the module is there a device that insists refuses it, and the kernel says so.
expected_complaints="$expected_complaints|probe with driver virtiofs failed|virtiofs: probe of|device uses modern interface but does not have VIRTIO_F|Failed to enable 64-bit|virtio: device refuses features"
want "without the module the device refuses the driver" test ! -e /sys/bus/virtio/devices/virtio0/driver
module_up mode="$LAB_MODE"
want "with it the driver is bound" until_true "$PATIENCE" test -e /sys/bus/virtio/devices/virtio0/driver
equal "the module's mode" "$LAB_MODE" "$(counter mode)"
case $LAB_MODE in dmb) bits=01 ;; *) bits=10 ;; esac
equal "feature bits 27 and 44 as negotiated" $bits "$(feature 27)$(feature 44)"
share_up
sum=$(head -c "${LAB_DATA_MIB}m" /dev/urandom | tee $SHARE/data | sha256sum | cut -d' ' -f1)
value "written $sum"
forget
equal "a file of $LAB_DATA_MIB MiB read back from the host" "$sum" "$(sha256sum <$SHARE/data | cut -d' ' -f1)"
# shellcheck disable=SC2086 # several options
fio --name=mixed --filename=$SHARE/fio --size=16m --rw=randrw --bsrange=4k-256k --blockalign=4k --ioengine=libaio --iodepth=16 --direct=1 $FIO_VERIFY \
  --time_based --runtime="$LAB_SECONDS" --minimal >/tmp/fio || { cat /tmp/fio; die "fio reports an error"; }
passed "fio --verify=crc32c: no error, $(tail -n 1 /tmp/fio | cut -d';' -f6) KiB read, $(tail -n 1 /tmp/fio | cut -d';' -f47) KiB written"
"$TOOL" tree $SHARE/tree 300
forget
"$TOOL" manifest -c $SHARE/tree >/tmp/view
cp /tmp/view $SHARE/tree.guest
sync
report_counters
say "compare"
hear compared
umount $SHARE
passed "unmounted"
want "nothing but the rings is left in the region" test "$(counter used_bytes)" = "$(counter coherent_bytes)"
want "every mapping was given back ($(counter maps))" test "$(counter maps)" = "$(counter unmaps)"
