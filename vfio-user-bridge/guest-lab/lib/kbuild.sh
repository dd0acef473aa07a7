# Out-of-tree kernel modules for the guest: a second chroot with compiler and headers of both guest kernels.
# shellcheck shell=bash
LAB_KBUILD=$LAB_CACHE/kbuild

build_kbuild() {
  local dir=$1 log=$2 flavour packages=()
  # A copy, so that the chroot with QEMU stays as it was prepared.
  tar -C "$LAB_CHROOT" --exclude=./lab --exclude=./.lab-stamp -cf - . | tar -C "$dir" -xf -
  for flavour in stable backports; do
    packages+=("linux-headers-$(<"$(boot_dir "$flavour")/version")")
  done
  logged "$log" "apt-get update in the build chroot" in_chroot "$dir" apt-get update
  # With backports enabled apt refuses the headers unless libdw1t64 comes from there too.
  logged "$log" "installing kernel headers" in_chroot "$dir" apt-get install -y --no-install-recommends "${packages[@]}" gcc libc6-dev make libdw1t64/trixie-backports
  in_chroot "$dir" apt-get clean
}

# False when the archive has moved on from the kernel that was prepared some time ago.
headers_there() {
  in_chroot "$LAB_CHROOT" apt-cache policy "linux-headers-$(<"$(boot_dir "$1")/version")" | grep 'Candidate: [0-9]' >/dev/null
}

kbuild_current() {
  stamped "$(boot_dir backports)" "$(boot_stamp backports)" && stamped "$LAB_KBUILD" "$(kbuild_stamp)"
}

kbuild_ready() {
  local log=$LAB_CACHE/prepare.log
  kbuild_current && return
  flock -x -w 600 9 || cannot "another run has held the cache for 10 minutes: $LAB_CACHE"
  # Another run may have done it meanwhile.
  if ! kbuild_current; then
    # The archive keeps only the last few kernels: their lists must be fresh before versions are chosen.
    logged "$log" "apt-get update in the chroot" in_chroot "$LAB_CHROOT" apt-get update
    if [[ -f $(boot_dir stable)/version ]] && ! headers_there stable; then rm -f "$(boot_dir stable)/.lab-stamp"; fi
    stage_kernel stable "$log"
    stage_kernel backports "$log"
    stage "$LAB_KBUILD" "$(kbuild_stamp)" "kernel module build environment" build_kbuild "$log"
  fi
  flock -s 9
}

# build_guest_module DIR [OUT]: builds the module sources in DIR for both guest kernels; OUT/VERSION/*.ko
build_guest_module() {
  local source=$1 out=${2:-$LAB_CACHE/modules/$(basename "$1")} flavour version work
  kbuild_ready
  for flavour in stable backports; do
    version=$(<"$(boot_dir "$flavour")/version")
    work=$LAB_KBUILD/tmp/module.$$
    rm -rf -- "$work"
    mkdir -p "$work"
    # Built on a copy: the source tree stays clean.
    cp -a "$source/." "$work/"
    # objtool looks into /proc.
    if ! in_chroot_with_proc "$LAB_KBUILD" make -C "/lib/modules/$version/build" M="/tmp/module.$$" modules; then
      rm -rf -- "$work"
      return 1
    fi
    rm -rf -- "${out:?}/$version"
    mkdir -p "$out/$version"
    find "$work" -name '*.ko' -exec cp -t "$out/$version" -- {} +
    rm -rf -- "$work"
  done
}
