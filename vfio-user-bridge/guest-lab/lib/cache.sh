# The cache: a trixie chroot with QEMU, a guest kernel with its initramfs, and (on demand) a kernel module build environment.
# shellcheck shell=bash

# Nothing here names a package host: debootstrap and apt use what this machine is configured with.
CHROOT_PACKAGES=(fio e2fsprogs kmod pciutils busybox-static cpio fdisk mtools syslinux syslinux-common util-linux xz-utils)
CHROOT_QEMU_PACKAGES=(qemu-system-x86 qemu-utils seabios)
# virtio-fs: its yardstick and what works on a share.
CHROOT_PACKAGES+=(virtiofsd stress-ng btrfs-progs)
HOST_PACKAGES=(debootstrap)
GUEST_PROGRAMS=(/usr/bin/fio /usr/sbin/mkfs.ext4 /usr/sbin/e2fsck /usr/bin/lspci /usr/sbin/blkdiscard /usr/bin/fallocate)
GUEST_PROGRAMS+=(/usr/bin/tar /usr/bin/cp /usr/bin/diff /usr/bin/find)
GUEST_MODULES=(virtio_blk virtio_net net_failover failover ext4)

# virtio-net: servers of the network the guest is in, and what looks at it from inside.
CHROOT_PACKAGES+=(iproute2 ethtool iperf3 dnsmasq-base passt)
CHROOT_QEMU_PACKAGES+=(ipxe-qemu)
GUEST_PROGRAMS+=(/usr/bin/iperf3 /usr/sbin/ethtool /usr/bin/ip)
GUEST_MODULES+=(8021q pktgen)

# A stage is as new as the functions and lists that build it.
chroot_stamp() {
  { declare -f build_chroot in_chroot host_mirror bootstrap; printf '%s\n' "${CHROOT_PACKAGES[@]}" "${CHROOT_QEMU_PACKAGES[@]}"; } | sha256sum | cut -c1-16
}

boot_stamp() {
  { chroot_stamp; declare -f build_boot newest_kernel pack_initramfs; printf '%s\n' "$1" "${GUEST_PROGRAMS[@]}" "${GUEST_MODULES[@]}"; } | sha256sum | cut -c1-16
}

kbuild_stamp() {
  { boot_stamp stable; boot_stamp backports; declare -f build_kbuild; } | sha256sum | cut -c1-16
}

stamped() { [[ -f $1/.lab-stamp && $(<"$1/.lab-stamp") == "$2" ]]; }

in_chroot() {
  chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "${@:2}"
}

# As in_chroot, with /proc there; the mount goes with its namespace.
in_chroot_with_proc() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount bash -c 'mount -t proc proc "$1/proc" && exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 "${@:2}"' bash "$@"
}

say_prepare() { printf 'guest-lab: %s\n' "$*" >&2; }

# logged LOG MESSAGE COMMAND...: quiet unless it fails, then one line and where to read more.
logged() {
  local log=$1 message=$2
  shift 2
  "$@" >>"$log" 2>&1 || cannot "$message failed (no network, or a package is gone?): see $log"
}

# The archive this machine's apt takes its own release from; empty when that cannot be told.
host_mirror() {
  local codename
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  # shellcheck disable=SC2016 # apt expands these itself
  apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
    awk -v r="$codename" '$2 == r && !seen { print $1; seen = 1 }'
}

bootstrap() {
  local mirror
  debootstrap --variant=minbase trixie "$1" && return
  # A machine that reaches only its own mirror: take the one apt uses.
  mirror=$(host_mirror)
  [[ -n $mirror ]] || return 1
  rm -rf -- "$1"
  debootstrap --variant=minbase trixie "$1" "$mirror"
}

host_tools() {
  local missing=() package
  ((EUID == 0)) || cannot "preparing and running the lab needs root (debootstrap and chroot)"
  [[ $(uname -m) == x86_64 ]] || cannot "the lab is made for x86_64 hosts"
  for package in "${HOST_PACKAGES[@]}"; do
    command -v "$package" >/dev/null || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  command -v apt-get >/dev/null || cannot "${missing[*]} is missing and there is no apt-get to install it"
  say_prepare "installing ${missing[*]}"
  logged "$1" "apt-get update" apt-get update
  logged "$1" "installing ${missing[*]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

build_chroot() {
  local dir=$1 log=$2
  logged "$log" "debootstrap" bootstrap "$dir"
  # No service may start in here, and nothing in here needs to survive a power cut.
  printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
  chmod 755 "$dir/usr/sbin/policy-rc.d"
  printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/man/*' 'path-exclude=/usr/share/locale/*' \
    >"$dir/etc/dpkg/dpkg.cfg.d/guest-lab"
  # The host's way to the outside holds inside too.
  apt-config dump | grep -i '^Acquire::.*proxy' >"$dir/etc/apt/apt.conf.d/90guest-lab" || true
  # QEMU with vfio-user-pci (10.1 or newer) is in backports only; the line debootstrap wrote knows the host.
  sed -i 'p;s/ trixie / trixie-backports /' "$dir/etc/apt/sources.list"
  logged "$log" "apt-get update in the chroot" in_chroot "$dir" apt-get update
  logged "$log" "installing QEMU" in_chroot "$dir" apt-get install -y --no-install-recommends -t trixie-backports "${CHROOT_QEMU_PACKAGES[@]}"
  logged "$log" "installing guest tools" in_chroot "$dir" apt-get install -y --no-install-recommends "${CHROOT_PACKAGES[@]}"
  in_chroot "$dir" apt-get clean
  in_chroot "$dir" qemu-system-x86_64 -device vfio-user-pci,help >/dev/null 2>&1 || cannot "the QEMU of trixie-backports has no vfio-user-pci"
}

# newest_kernel CHROOT stable|backports: the version of the newest signed cloud kernel whose headers are there as well.
newest_kernel() {
  local dir=$1 pattern='6[.]12[.]' version
  [[ $2 == stable ]] || pattern='[0-9]+[.][0-9]+[.]'
  in_chroot "$dir" apt-cache pkgnames | sed -nE "s/^linux-(image|headers)-(${pattern}[0-9]+[+]deb13-cloud-amd64)\$/\\2/p" |
    sort -V | uniq -d | while read -r version; do
      if in_chroot "$dir" apt-cache policy "linux-image-$version" | grep 'Candidate: [0-9]' >/dev/null; then printf '%s\n' "$version"; fi
    done | tail -n 1
}

# pack_initramfs CHROOT VERSION TREE: fills TREE with the guest's user space and modules.
pack_initramfs() {
  local dir=$1 version=$2 tree=$3 program library module
  mkdir -p "$tree"/{bin,sbin,dev,proc,sys,run,tmp,mnt,lab,etc,usr,lib,lib64}
  ln -s ../bin "$tree/usr/bin"
  ln -s ../sbin "$tree/usr/sbin"
  ln -s ../lib "$tree/usr/lib"
  ln -s /proc/mounts "$tree/etc/mtab"
  cp "$dir/usr/bin/busybox" "$tree/bin/"
  in_chroot "$dir" busybox --list | while read -r program; do
    [[ $program == busybox ]] || ln -s busybox "$tree/bin/$program"
  done
  for program in "${GUEST_PROGRAMS[@]}"; do
    rm -f "$tree/bin/${program##*/}"
    cp -L "$dir$program" "$tree/bin/"
  done
  # Every library the programs are linked with, where the loader looks for it.
  in_chroot "$dir" ldd "${GUEST_PROGRAMS[@]}" | grep -oE '/lib[^ ]+' | sort -u | while read -r library; do
    mkdir -p "$tree/$(dirname "$library")"
    cp -L "$dir$library" "$tree$library"
  done
  mkdir -p "$tree/lib/modules/$version"
  cp "$dir/lab/kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$tree/lib/modules/$version/"
  for module in "${GUEST_MODULES[@]}"; do
    in_chroot "$dir" modprobe -d /lab/kernel -S "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
  done | sort -u | while read -r module; do
    program=$tree/lib/modules/$version/${module#*/modules/"$version"/}
    program=${program%.xz}
    mkdir -p "$(dirname "$program")"
    # Unpacked here, so that busybox's modprobe needs no decompressor.
    if [[ $module == *.xz ]]; then in_chroot "$dir" xz -dc "$module" >"$program"; else cp "$dir$module" "$program"; fi
  done
  depmod_in=${tree#"$dir"}
  in_chroot "$dir" depmod -b "$depmod_in" "$version"
}

# build_boot CHROOT DIR stable|backports LOG: kernel, initramfs and version in DIR (which lies in the chroot).
build_boot() {
  local chroot=$1 dir=$2 flavour=$3 log=$4 version deb packages
  version=$(newest_kernel "$chroot" "$flavour")
  [[ -n $version ]] || cannot "no cloud kernel ($flavour) found in the archive"
  mkdir -p "$dir/download"
  rm -rf "$chroot/lab/kernel"
  # Newer kernels come as several packages.
  packages=$(in_chroot "$chroot" apt-cache depends --important "linux-image-$version" | sed -nE "s/^ *Depends: (linux-(binary|modules|base)-.*)$/\\1/p" | grep -F -- "-$version" || true)
  logged "$log" "downloading linux-image-$version" in_chroot "$chroot" sh -c "cd '${dir#"$chroot"}/download' && apt-get -o APT::Sandbox::User=root download linux-image-$version $(tr '\n' ' ' <<<"$packages")"
  mkdir -p "$chroot/lab/kernel"
  for deb in "$dir"/download/*.deb; do
    # Unpacked only: its installation scripts would want a boot loader.
    in_chroot "$chroot" dpkg -x "${deb#"$chroot"}" /lab/kernel
  done
  # A merged-usr kernel package: modprobe looks below /lib.
  [[ -e $chroot/lab/kernel/lib ]] || ln -s usr/lib "$chroot/lab/kernel/lib"
  in_chroot "$chroot" depmod -b /lab/kernel "$version"
  # Debian moved it from /boot to the modules.
  cp "$chroot/lab/kernel/boot/vmlinuz-$version" "$dir/vmlinuz" 2>/dev/null ||
    cp "$chroot/lab/kernel/lib/modules/$version/vmlinuz" "$dir/vmlinuz"
  pack_initramfs "$chroot" "$version" "$dir/tree"
  in_chroot "$chroot" sh -c "cd '${dir#"$chroot"}/tree' && find . | cpio --quiet -o -H newc -R 0:0 >../initramfs.cpio"
  printf '%s\n' "$version" >"$dir/version"
  rm -rf "$chroot/lab/kernel" "$dir/download" "$dir/tree"
}

boot_dir() { printf '%s/lab/boot-%s' "$LAB_CHROOT" "$1"; }

# stage DIR STAMP TITLE COMMAND...: runs COMMAND on DIR.new and renames it into place once it is whole.
stage() {
  local dir=$1 stamp=$2 title=$3 start
  shift 3
  stamped "$dir" "$stamp" && return
  start=$(now)
  say_prepare "preparing $title"
  rm -rf -- "$dir.new"
  mkdir -p "$dir.new"
  "$1" "$dir.new" "${@:2}"
  printf '%s\n' "$stamp" >"$dir.new/.lab-stamp"
  rm -rf -- "$dir.old"
  [[ ! -e $dir ]] || mv -- "$dir" "$dir.old"
  mv -- "$dir.new" "$dir"
  rm -rf -- "$dir.old"
  say_prepare "$title ready after $(elapsed "$start") s"
}

stage_chroot() { build_chroot "$1" "$2"; mkdir -p "$1/lab"; }
stage_boot() { build_boot "$LAB_CHROOT" "$1" "$2" "$3"; }

# Which of the two prepared guest kernels a run boots.
LAB_KERNEL=${LAB_KERNEL:-stable}
case $LAB_KERNEL in
stable | backports) ;;
*) cannot "LAB_KERNEL must be stable or backports, not $LAB_KERNEL" ;;
esac

cache_current() {
  stamped "$LAB_CHROOT" "$(chroot_stamp)" && stamped "$(boot_dir "$LAB_KERNEL")" "$(boot_stamp "$LAB_KERNEL")"
}

stage_kernel() {
  stage "$(boot_dir "$1")" "$(boot_stamp "$1")" "guest kernel ($1) and initramfs" stage_boot "$1" "$2"
}

cache_lock() {
  mkdir -p "$LAB_CACHE" 2>/dev/null || cannot "cannot write to $LAB_CACHE: set VIRTIO_BACKEND_LAB"
  exec 9>"$LAB_CACHE/lock"
}

# Prepares what is missing; from then on this process holds the cache so that nobody rebuilds it below a running guest.
cache_ready() {
  local log=$LAB_CACHE/prepare.log
  ((EUID == 0)) || cannot "preparing and running the lab needs root (debootstrap and chroot)"
  cache_lock
  flock -s -w 600 9 || cannot "another preparation has held the cache for 10 minutes: $LAB_CACHE"
  cache_current && return
  flock -u 9
  flock -x -w 600 9 || cannot "another run has held the cache for 10 minutes: $LAB_CACHE"
  : >"$log"
  host_tools "$log"
  stage "$LAB_CHROOT" "$(chroot_stamp)" "Debian chroot with QEMU" stage_chroot "$log"
  stage_kernel "$LAB_KERNEL" "$log"
  # Down to a shared hold.
  flock -s 9
}
