# shellcheck shell=dash
# Started from the disk by the BIOS: the disk must be the one it came from.
say "booted from disk"
disk_up
value "kernel $(uname -r)"
value "disk $(dd if="$DISK" bs=1M iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"
