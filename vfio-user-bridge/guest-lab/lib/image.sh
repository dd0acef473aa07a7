# Images on the host: made, looked into and compared without loop mounts.
# shellcheck shell=bash

# image_file_sum IMAGE PATH: checksum of a file inside an ext4 image.
image_file_sum() {
  in_chroot "$LAB_CHROOT" debugfs -R "cat $2" "$(inside "$1")" 2>/dev/null | sha256sum | cut -d' ' -f1
}

image_sum() { sha256sum <"$1" | cut -d' ' -f1; }

# The host's own check of a file system in an image.
image_fsck() { in_chroot "$LAB_CHROOT" e2fsck -f -n "$(inside "$1")" >"$LAB_RUN/fsck.log" 2>&1; }

# KiB the host really stores for an image.
image_allocated() { du -k "$1" | cut -f1; }
