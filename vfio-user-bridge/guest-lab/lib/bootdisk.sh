# A disk that a PC BIOS boots: a FAT file system with syslinux, kernel and initramfs, in a partition or without.
# shellcheck shell=bash
BOOT_DISK_SECTORS=262144

# make_boot_disk IMAGE START APPEND: START is the partition's first sector, 0 for a file system on the whole disk.
make_boot_disk() {
  local image=$1 start=$2 log=$LAB_RUN/bootdisk.log part kernel
  guest_initrd "$(boot_dir "$LAB_KERNEL")/initramfs.cpio"
  kernel=$(inside "$(boot_dir "$LAB_KERNEL")/vmlinuz")
  truncate -s $((BOOT_DISK_SECTORS * 512)) "$image"
  part=$(inside "$image")@@$((start * 512))
  printf 'DEFAULT lab\nPROMPT 0\nSERIAL 0 115200\nLABEL lab\n  KERNEL vmlinuz\n  INITRD initrd\n  APPEND %s\n' "$3" >"$LAB_RUN/syslinux.cfg"
  if ! fill_boot_disk "$image" "$start" "$part" "$kernel" >"$log" 2>&1; then
    cannot "making a bootable disk failed: $(tail -n 2 "$log")"
  fi
}

# Every tool here works on a file: no loop device is needed. syslinux hands its open image to mtools by its name in /proc.
fill_boot_disk() {
  local image=$1 start=$2 part=$3 kernel=$4
  if ((start > 0)); then
    printf 'label: dos\nstart=%s, type=c, bootable\n' "$start" | in_chroot "$LAB_CHROOT" sfdisk -q "$(inside "$image")" || return
    dd if="$LAB_CHROOT/usr/lib/syslinux/mbr/mbr.bin" of="$image" conv=notrunc status=none
  fi
  in_chroot "$LAB_CHROOT" mformat -i "$part" -F -T $((BOOT_DISK_SECTORS - start)) -h 255 -s 63 -H "$start" :: &&
    in_chroot "$LAB_CHROOT" mcopy -i "$part" "$kernel" ::vmlinuz &&
    in_chroot "$LAB_CHROOT" mcopy -i "$part" "$(inside "$LAB_RUN/initrd.cpio")" ::initrd &&
    in_chroot "$LAB_CHROOT" mcopy -i "$part" "$(inside "$LAB_RUN/syslinux.cfg")" ::syslinux.cfg &&
    in_chroot_with_proc "$LAB_CHROOT" syslinux --install --offset $((start * 512)) "$(inside "$image")"
}
