# The workload that blk-ext4 and blk-private-ram share.
# shellcheck shell=bash

ext4_and_fio() {
  local image=$LAB_RUN/disk.img fs_mib=$((LAB_DATA_MIB + LAB_DATA_MIB / 4 + 32))
  truncate -s "$((fs_mib + ${LAB_FIO_MIB:=256}))M" "$image"
  backend_start disk "$image"
  guest_start guest blk-ext4 "LAB_FS_MIB=$fs_mib" "LAB_DATA_MIB=$LAB_DATA_MIB" "LAB_SECONDS=$LAB_SECONDS"
  guest_expect '^up ' "$BOOT_SECONDS"
  ok "guest is up after $(elapsed "$GUEST_START") s"
  guest_expect '^ext4 verified' "${LAB_WAIT:-600}"
  ok "mkfs, mount, $LAB_DATA_MIB MiB, unmount, mount again: same checksum"
  guest_expect '^value fio ' "$((LAB_SECONDS + 300))"
  IFS=';' read -r _ read_kib write_kib <<<"$(guest_value fio)"
  ok "fio --verify=crc32c, 512 B to 1 MiB, 4 jobs at depth 32: no error, $((read_kib / 1024)) MiB read, $((write_kib / 1024)) MiB written"
  guest_finish 600
  same "the host's image equals the whole disk as the guest reads it" "$(guest_value disk)" "$(image_sum "$image")"
  same "the file in the host's image has the checksum the guest took before writing" "$(guest_value written)" "$(image_file_sum "$image" /data)"
  check "the host's e2fsck finds the file system sound" image_fsck "$image"
  guest_clean
}
