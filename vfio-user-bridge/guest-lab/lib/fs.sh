# A shared directory: who serves it, the programs that look at it from both sides.
# shellcheck shell=bash
FS_TOOL=$LAB_CACHE/fstool/fstool
FS_TAG=share
# What virtiofsd does without being told, or with the options that it gets here.
FS_JAVA_OPTIONS=(--xattr --allow-device-nodes)
# auto, always or never, for both implementations.
FS_CACHE=${LAB_FS_CACHE:-auto}

case $LAB_DEVICE in
java | virtiofsd) ;;
*) skip "QEMU has no virtio-fs device of its own; the other implementation is LAB_DEVICE=virtiofsd" ;;
esac

# One static program for guest and host; built with the compiler of the module build environment.
fs_tool() {
  local source=$LAB_DIR/tools stamp log=$LAB_RUN/fstool.log work=$LAB_KBUILD/tmp/fstool.$$
  GUEST_OVERLAY+=("$FS_TOOL")
  kbuild_ready
  stamp=$({ kbuild_stamp; cat "$source"/*.[ch]; declare -f fs_tool; } | sha256sum | cut -c1-16)
  stamped "${FS_TOOL%/*}" "$stamp" && return
  rm -rf -- "$work"
  mkdir -p "$work"
  cp "$source"/*.[ch] "$work/"
  in_chroot "$LAB_KBUILD" sh -c "cd /tmp/fstool.$$ && gcc -std=gnu17 -static -O2 -s -Wall -Wextra -Wno-missing-field-initializers -Werror -o fstool ./*.c" >"$log" 2>&1 ||
    fail "the file-system tool does not build: $(grep -m 3 error "$log")"
  mkdir -p "${FS_TOOL%/*}"
  mv -f -- "$work/fstool" "$FS_TOOL.$$"
  mv -f -- "$FS_TOOL.$$" "$FS_TOOL"
  rm -rf -- "$work"
  printf '%s\n' "$stamp" >"${FS_TOOL%/*}/.lab-stamp"
}

# fs_start ID DIRECTORY [TAG [OPTION...]]: serves DIRECTORY and adds the device to DEVICE_ARGS; both know --cache=auto|always|never.
fs_start() {
  local id=$1 directory=$2 tag=${3:-$FS_TAG}
  (($# <= 3)) && set -- "$id" "$directory" "$tag" "--cache=$FS_CACHE"
  "fs_start_$LAB_DEVICE" "$id" "$directory" "$tag" "${@:4}"
}

fs_start_java() {
  local id=$1 socket=$LAB_RUN/$1.sock
  fs_as_user "$2"
  backend_spawn "$id" "$socket" fs "--socket-path=$socket" "--shared-dir=$2" "--tag=$3" "${FS_JAVA_OPTIONS[@]}" \
    "--stats-file=$LAB_RUN/$id.stats.json" "${@:4}" "${BACKEND_EXTRA[@]}"
  backend_attach "$id" "$socket"
}

# fs_as_user DIRECTORY: with LAB_USER the directory is that user's, who serves it with no privilege. The lab has to be where that user can reach it.
fs_as_user() {
  [[ -n ${LAB_USER:-} ]] || return 0
  chown "$LAB_USER" "$LAB_RUN" "$1"
  BACKEND_RUNNER=(setpriv --reuid "$LAB_USER" --regid "$(id -g "$LAB_USER")" --clear-groups --no-new-privs --)
  "${BACKEND_RUNNER[@]}" test -w "$1" || cannot "user $LAB_USER cannot reach $1 (VIRTIO_BACKEND_LAB names another place)"
}

# It lives in the chroot as QEMU does, with /proc, and goes on into the shared directory as its own root.
fs_start_virtiofsd() {
  local id=$1 directory=$2 tag=$3 socket=$LAB_RUN/$1.sock err=$LAB_RUN/$1.backend-err
  # shellcheck disable=SC2016 # expanded by the inner shell
  spawn "$LAB_RUN/$id.backend-out" "$err" unshare --mount bash -c 'mount -t proc proc "$1/proc" && exec chroot "$1" /usr/libexec/virtiofsd "${@:2}"' bash \
    "$LAB_CHROOT" "--socket-path=$(inside "$socket")" "--shared-dir=$(inside "$directory")" --sandbox=chroot --rlimit-nofile=0 --xattr --announce-submounts "${@:4}"
  wait_line "$err" 'Waiting for vhost-user socket' 20 "$SPAWNED" || fail "virtiofsd does not listen: $(tail -n 3 "$err")"
  BACKEND_PID=$SPAWNED
  BACKEND_PIDS["$id"]=$BACKEND_PID
  DEVICE_ARGS+=(
    -chardev "socket,id=$id-chr,path=$(inside "$socket")"
    -device "vhost-user-fs-pci,id=$id,chardev=$id-chr,tag=$tag,queue-size=1024"
  )
}

# fs_view DIRECTORY [-c]: everything about a tree as the host sees it.
fs_view() { "$FS_TOOL" manifest "${@:2}" "$1"; }

# fs_same TEXT EXPECTED ACTUAL: two listings agree, or their first differences are shown.
fs_same() {
  local lines
  lines=$(diff "$2" "$3" | head -n 6) || true
  [[ -z $lines ]] || fail "$1: $lines"
  ok "$1 ($(wc -l <"$2") lines)"
}

# fs_mount DIRECTORY ARGUMENT...: mounts something there; false when this machine cannot.
fs_mount() {
  mkdir -p "$1"
  mount "${@:2}" "$1" 2>"$LAB_RUN/mount.log" || return
  LAB_MOUNTS+=("$1")
}
