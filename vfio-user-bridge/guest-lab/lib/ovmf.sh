# UEFI firmware for a guest and iPXE as a UEFI program, unpacked next to the guest kernels.
# shellcheck shell=bash
OVMF_DIR=$LAB_CHROOT/lab/ovmf

build_ovmf() {
  local dir=$1 log=$2 deb
  logged "$log" "downloading ovmf and ipxe" in_chroot "$LAB_CHROOT" sh -c "cd '$(inside "$dir")' && apt-get -o APT::Sandbox::User=root download ovmf ipxe"
  for deb in "$dir"/*.deb; do in_chroot "$LAB_CHROOT" dpkg -x "$(inside "$deb")" "$(inside "$dir")"; done
  rm -f "$dir"/*.deb
  cp "$dir/usr/share/OVMF/OVMF_CODE_4M.fd" "$dir/code.fd"
  cp "$dir/usr/share/OVMF/OVMF_VARS_4M.fd" "$dir/variables.fd"
  cp "$dir/usr/lib/ipxe/snponly.efi" "$dir/snponly.efi"
  rm -rf -- "$dir/usr" "$dir/boot" "$dir/etc"
}

ovmf_stamp() { { chroot_stamp; declare -f build_ovmf; } | sha256sum | cut -c1-16; }

ovmf_ready() {
  local log=$LAB_CACHE/prepare.log
  stamped "$OVMF_DIR" "$(ovmf_stamp)" && return
  flock -x -w 600 9 || cannot "another run has held the cache for 10 minutes: $LAB_CACHE"
  # Another run may have done it meanwhile.
  if ! stamped "$OVMF_DIR" "$(ovmf_stamp)"; then
    logged "$log" "apt-get update in the chroot" in_chroot "$LAB_CHROOT" apt-get update
    stage "$OVMF_DIR" "$(ovmf_stamp)" "UEFI firmware" build_ovmf "$log"
  fi
  flock -s 9
}

# ovmf_args: QEMU's options for the firmware, with variables of its own, in OVMF_ARGS.
ovmf_args() {
  cp "$OVMF_DIR/variables.fd" "$LAB_RUN/variables.fd"
  OVMF_ARGS=(
    -drive "if=pflash,unit=0,format=raw,readonly=on,file=$(inside "$OVMF_DIR")/code.fd"
    -drive "if=pflash,unit=1,format=raw,file=$(inside "$LAB_RUN")/variables.fd"
  )
}
