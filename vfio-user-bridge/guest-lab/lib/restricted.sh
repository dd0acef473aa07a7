# The kernel module that keeps stock drivers inside the device's region, and what both sides count.
# shellcheck shell=bash
RESTRICTED_SOURCE=$PROJECT_DIR/swiotlb/guest-linux
RESTRICTED_OUT=$LAB_CACHE/modules/guest-linux

# Builds the module for both guest kernels unless nothing has changed.
restricted_build() {
  local stamp lock log=$LAB_RUN/module-build.log
  kbuild_ready
  stamp=$({ kbuild_stamp; cat "$RESTRICTED_SOURCE"/*.[ch] "$RESTRICTED_SOURCE/Kbuild" "$RESTRICTED_SOURCE/Makefile"; } | sha256sum | cut -c1-16)
  stamped "$RESTRICTED_OUT" "$stamp" && return
  # Not below the hands of another run that boots a guest with it.
  exec {lock}>"$LAB_CACHE/modules.lock"
  flock -x -w 300 "$lock" || cannot "another run has built the module for 5 minutes"
  if ! stamped "$RESTRICTED_OUT" "$stamp"; then
    build_guest_module "$RESTRICTED_SOURCE" "$RESTRICTED_OUT" >"$log" 2>&1 || fail "the module does not build: $(grep -m 3 -E 'error|Error' "$log")"
    ! grep -iE 'warning:' "$log" || fail "the module builds with warnings"
    printf '%s\n' "$stamp" >"$RESTRICTED_OUT/.lab-stamp"
  fi
  exec {lock}>&-
  ok "the module builds without a warning for $(printf '%s ' "$RESTRICTED_OUT"/*/ | sed 's|[^ ]*/\([^/ ]*\)/|\1|g')"
}

# restricted_kernel stable|backports: the next guest boots this kernel and has its module in /lab.
restricted_kernel() {
  LAB_KERNEL=$1
  rm -f "$LAB_RUN/initrd.cpio"
  GUEST_OVERLAY=("$RESTRICTED_OUT/$(<"$(boot_dir "$1")/version")/virtio_restricted_dma.ko")
}

# restricted_backend ID IMAGE OPTION...: a fresh device with these options for the Java backend.
restricted_backend() {
  local id=$1 image=$2
  shift 2
  DEVICE_ARGS=()
  read -r -a BACKEND_EXTRA <<<"${LAB_BACKEND_ARGS:-}"
  BACKEND_EXTRA+=("$@")
  backend_start "$id" "$image"
}

# The backend's counters are written once a second: waits for those of a moment that has not been yet.
restricted_stats() {
  local file=$LAB_RUN/$1.stats.json i asked
  asked=$(date +%s%3N)
  for ((i = 0; i < 100; i++)); do
    if (($(stat_of "$1" timeMillis) > asked)); then return; fi
    sleep 0.1
  done
  fail "the backend does not write $file"
}

# stat_of ID KEY: the largest number of that name in the backend's counters.
stat_of() {
  local largest
  largest=$(sed -n "s/.*\"$2\" : \([0-9]*\).*/\1/p" "$LAB_RUN/$1.stats.json" 2>/dev/null | sort -n | tail -n 1)
  printf '%s' "${largest:-0}"
}

# What the backend has to count as 0.
RESTRICTED_ZERO=(guestRamMappedBytes guestRamMappedBytesMax messagesSent errors)

# Nothing of the guest's memory: neither now nor at any time since the backend was started.
restricted_untouched() {
  local id=$1 key
  restricted_stats "$id"
  for key in "${RESTRICTED_ZERO[@]}"; do
    same "the backend counts 0 for $key" 0 "$(stat_of "$id" "$key")"
  done
  same "no mapping of guest memory in the backend's address space" 0 "$(backend_guest_maps "${BACKEND_PIDS[$id]}")"
  same "no descriptor of guest memory held by the backend" 0 "$(backend_guest_fds "${BACKEND_PIDS[$id]}")"
}

backend_guest_fds() { find "/proc/$1/fd" -lname '*memory-backend*' 2>/dev/null | wc -l; }

# module_value NAME: a counter of the module, as the guest reported it last.
module_value() { guest_value "module-$1"; }
