# Who serves the disk: the Java backend, or in its place QEMU's own device or qemu-storage-daemon as a differential oracle.
# shellcheck shell=bash
LAB_DEVICE=${LAB_DEVICE:-java}
BACKEND_LAUNCHER=${LAB_BACKEND:-$PROJECT_DIR/virtio-backend}
# More options for the Java backend, e.g. LAB_BACKEND_ARGS="--packed --workers=2".
read -r -a BACKEND_EXTRA <<<"${LAB_BACKEND_ARGS:-}"
DEVICE_ARGS=()
BOOTINDEX=
# An option ROM that QEMU puts before the BIOS.
BOOT_ROM=
# on: the device sits behind a PCI Express root port instead of on the root bus.
ROOT_PORT=off
BACKEND_RUNNER=()
BACKEND_PID=
declare -A BACKEND_PIDS=()

backend_present() {
  case $LAB_DEVICE in
  java) [[ -x $BACKEND_LAUNCHER ]] || cannot "there is no backend to test at $BACKEND_LAUNCHER (LAB_BACKEND names another, LAB_DEVICE=qemu does without)" ;;
  qemu | qsd | virtiofsd) ;;
  *) cannot "LAB_DEVICE must be java, qemu, qsd or virtiofsd, not $LAB_DEVICE" ;;
  esac
}

# True when a process of its own serves the disk.
backend_is_process() { [[ $LAB_DEVICE != qemu ]]; }

# backend_start ID IMAGE [--read-only] [--serial=S] [--queues=N]: serves IMAGE and adds its device to DEVICE_ARGS.
backend_start() {
  local id=$1 image=$2 option read_only=off serial='' queues=1 java_options=()
  shift 2
  for option in "$@"; do
    case $option in
    --read-only) read_only=on ;;
    --serial=*) serial=${option#*=} ;;
    --queues=*) queues=${option#*=} ;;
    *) cannot "backend_start does not know $option" ;;
    esac
    java_options+=("$option")
  done
  if [[ $ROOT_PORT == on ]]; then
    DEVICE_ARGS+=(-device "pcie-root-port,id=port-$id,chassis=$((${#DEVICE_ARGS[@]} + 1))")
  fi
  "backend_start_$LAB_DEVICE" "$id" "$image"
}

# Further device properties; $1 is the driver's syntax: json or plain.
device_properties() {
  if [[ $ROOT_PORT == on ]]; then
    if [[ $1 == json ]]; then printf ',"bus":"port-%s"' "$2"; else printf ',bus=port-%s' "$2"; fi
  fi
  if [[ -n $BOOTINDEX ]]; then
    if [[ $1 == json ]]; then printf ',"bootindex":%s' "$BOOTINDEX"; else printf ',bootindex=%s' "$BOOTINDEX"; fi
  fi
  [[ -n $BOOT_ROM ]] || return 0
  if [[ $1 == json ]]; then printf ',"romfile":"%s"' "$BOOT_ROM"; else printf ',romfile=%s' "$BOOT_ROM"; fi
}

# Sees the options parsed by backend_start.
backend_start_java() {
  local id=$1 image=$2
  [[ ${LAB_LOCKING:-auto} != off ]] || java_options+=(--locking=off)
  backend_launch "$id" blk "--image=$image" --image-format=raw "${java_options[@]}"
}

# backend_launch ID KIND OPTION...: the Java backend with a device of this kind; its device goes to DEVICE_ARGS.
backend_launch() {
  local id=$1 socket=$LAB_RUN/$1.sock
  backend_spawn "$id" "$socket" "$2" "--socket-path=$socket" "--stats-file=$LAB_RUN/$id.stats.json" "${@:3}" "${BACKEND_EXTRA[@]}"
  backend_attach "$id" "$socket"
}

# backend_spawn ID SOCKET ARGUMENT...: starts the Java backend and waits until it listens there. BACKEND_RUNNER goes before its command line.
backend_spawn() {
  local id=$1 socket=$2 err=$LAB_RUN/$1.backend-err
  # Under nohup the signal would be ignored by everything below, and a JVM keeps to that.
  spawn "$LAB_RUN/$id.backend-out" "$err" "${BACKEND_RUNNER[@]}" env --default-signal=HUP "$BACKEND_LAUNCHER" "${@:3}"
  # The launcher may build the jar first.
  wait_line "$err" "^listening on .*${socket##*/}" "${LAB_BACKEND_START_SECONDS:-300}" "$SPAWNED" || fail "the backend does not listen: $(tail -n 3 "$err")"
  BACKEND_PID=$(java_process "$SPAWNED")
  BACKEND_PIDS[$id]=$BACKEND_PID
}

# backend_attach ID SOCKET: adds the device at that socket to DEVICE_ARGS.
backend_attach() {
  DEVICE_ARGS+=(-device "{\"driver\":\"vfio-user-pci\",\"id\":\"$1\",\"socket\":{\"path\":\"$(inside "$2")\",\"type\":\"unix\"}$(device_properties json "$1")}")
}

# The JVM itself, in case the launcher did not replace itself by it.
java_process() {
  local pid=$1 child
  while [[ $(<"/proc/$pid/comm") != java ]] && child=$(pgrep -n -P "$pid"); do
    pid=$child
    LAB_PIDS+=("$pid")
  done
  printf '%s' "$pid"
}

backend_start_qemu() {
  local id=$1 image=$2
  DEVICE_ARGS+=(
    -blockdev "driver=raw,node-name=$id-raw,discard=unmap,read-only=$read_only,file.driver=file,file.locking=${LAB_LOCKING:-auto},file.aio=${LAB_AIO:-threads},file.filename=$(inside "$image")"
    -device "virtio-blk-pci,id=$id,drive=$id-raw,disable-legacy=on,num-queues=$queues${serial:+,serial=$serial}$(device_properties plain "$id")"
  )
}

backend_start_qsd() {
  local id=$1 image=$2 socket=$LAB_RUN/$1.sock writable=on
  [[ $read_only == off ]] || writable=off
  mkfifo "$LAB_RUN/$id.qsd-qmp.in" "$LAB_RUN/$id.qsd-qmp.out"
  spawn "$LAB_RUN/$id.backend-out" "$LAB_RUN/$id.backend-err" chroot "$LAB_CHROOT" qemu-storage-daemon \
    --chardev "pipe,id=qmp,path=$(inside "$LAB_RUN")/$id.qsd-qmp" --monitor qmp \
    --blockdev "driver=raw,node-name=$id-raw,discard=unmap,read-only=$read_only,file.driver=file,file.locking=${LAB_LOCKING:-auto},file.aio=${LAB_AIO:-threads},file.filename=$(inside "$image")" \
    --export "type=vhost-user-blk,id=$id-export,node-name=$id-raw,addr.type=unix,addr.path=$(inside "$socket"),writable=$writable,num-queues=$queues"
  BACKEND_PID=$SPAWNED
  BACKEND_PIDS[$id]=$BACKEND_PID
  # Its monitor greets when the export is up.
  qmp_open "$id.qsd-qmp" || fail "qemu-storage-daemon does not start: $(tail -n 3 "$LAB_RUN/$id.backend-err")"
  DEVICE_ARGS+=(
    -chardev "socket,id=$id-chr,path=$(inside "$socket")"
    -device "vhost-user-blk-pci,id=$id,chardev=$id-chr,disable-legacy=on,num-queues=$queues$(device_properties plain "$id")"
  )
}

backend_start_virtiofsd() { skip "virtiofsd serves no disk"; }

STOP_SECONDS=60
# backend_stop ID: asks it to stop; leaves its exit status in STATUS. False when it does not stop.
backend_stop() {
  local pid=${BACKEND_PIDS[$1]}
  kill -TERM "$pid" 2>/dev/null || true
  wait_exit "$pid" "$STOP_SECONDS"
}

backend_fds() { find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l; }
# Without the JVM's compiler and collector threads, whose number follows the load.
backend_threads() { cat "/proc/$1/task"/*/comm 2>/dev/null | grep -cvE '^(C[12] Compiler|G1 |GC Thread|VM |Attach L|Sweeper)' || true; }
# Mappings of guest memory (QEMU's memfd).
backend_guest_maps() { grep -c 'memfd:memory-backend' "/proc/$1/maps" || true; }

# backend_counter ID KEY: a counter of the whole process, from the end of its statistics file.
backend_counter() { sed -nE "s/^ *\"$2\" *: *([0-9]+).*/\\1/p" "$LAB_RUN/$1.stats.json" | tail -n 1; }

# Waits until the backend has cleared away its last client: its guest memory is unmapped and its fd count stands still.
backend_settles() {
  local i last=-1 fds
  for ((i = 0; i < 50; i++)); do
    fds=$(backend_fds "$1")
    if ((fds == last && $(backend_guest_maps "$1") == 0)); then return; fi
    last=$fds
    sleep 0.2
  done
}

# backend_resize ID IMAGE SIZE: grows the image while it is served.
backend_resize() {
  truncate -s "$3" "$2"
  case $LAB_DEVICE in
  qemu) qmp "$GUEST_QMP" "{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"$1-raw\",\"size\":$(stat -c %s "$2")}}" ;;
  qsd) qmp "$1.qsd-qmp" "{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"$1-raw\",\"size\":$(stat -c %s "$2")}}" ;;
  java) ;; # it watches the file
  esac
}

# Where everybody hangs: a JVM prints its threads to stdout on SIGQUIT, so they are in the logs.
backend_threads_dump() {
  local id
  [[ $LAB_DEVICE == java ]] || return 0
  for id in "${!BACKEND_PIDS[@]}"; do
    kill -QUIT "${BACKEND_PIDS[$id]}" 2>/dev/null || true
    wait_line "$LAB_RUN/$id.backend-out" '^JNI global ref' 5 "${BACKEND_PIDS[$id]}" || true
  done
}

# backend_complaints PATTERN: what the backends said that sounds like trouble; JVM warnings too.
backend_complaints() {
  local id
  for id in "${!BACKEND_PIDS[@]}"; do
    grep -hE "$1" "$LAB_RUN/$id.backend-err" "$LAB_RUN/$id.backend-out" 2>/dev/null | grep -vE "$BACKEND_EXPECTED" || true
  done
}
BACKEND_TROUBLE='WARN|ERROR|Exception|Error:'
# What a scenario provokes and so is no complaint.
BACKEND_EXPECTED='^$'
