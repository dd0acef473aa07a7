# shellcheck shell=dash
# The host grows the image while this runs; nothing here asks the device to look again.
disk_up
sectors() { cat /sys/block/vda/size; }
value "before $(sectors)"
dd if=/dev/urandom of="$DISK" bs=1M count=4 oflag=direct 2>/dev/null
before=$(dd if="$DISK" bs=1M count=4 iflag=direct 2>/dev/null | sha256sum)
say "grow now"
grown() { [ "$(sectors)" = "$LAB_SECTORS" ]; }
until_true "$PATIENCE" grown || die "the disk still has $(sectors) sectors, not $LAB_SECTORS"
passed "/sys/block/vda/size shows $LAB_SECTORS sectors"
want "the kernel announces the new capacity" until_true "$PATIENCE" sh -c "dmesg | grep -q 'new size: $LAB_SECTORS 512-byte logical blocks'"
# The last 4 MiB did not exist before.
dd if=/dev/urandom bs=1M count=4 2>/dev/null | tee /tmp/new | dd of="$DISK" bs=1M seek=$((LAB_SECTORS / 2048 - 4)) oflag=direct iflag=fullblock conv=fsync 2>/dev/null
value "tail $(sha256sum </tmp/new | cut -d' ' -f1)"
equal "what was there before is unchanged" "$before" "$(dd if="$DISK" bs=1M count=4 iflag=direct 2>/dev/null | sha256sum)"
# A write behind the new end must fail here and now.
want "a write beyond the new end is refused" sh -c "! dd if=/tmp/new of=$DISK bs=512 count=1 seek=$LAB_SECTORS 2>/dev/null"
