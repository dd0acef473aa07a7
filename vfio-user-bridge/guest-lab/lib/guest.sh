# The guest: a Debian kernel under QEMU's emulation, with a console port and ports of their own for results and for the host's words.
# shellcheck shell=bash
LAB_MEM=${LAB_MEM:-512M}
LAB_SMP=${LAB_SMP:-2}
# shared: one memfd that a backend can map; private: memory without an fd, so that a backend must send DMA messages.
GUEST_RAM=${LAB_RAM:-shared}
GUEST_BOOT=kernel
GUEST_OVERLAY=()
# What goes before QEMU's command line, e.g. to start it in another network namespace.
GUEST_RUNNER=()
# For a guest to boot and say its first word, on a machine with other work: it takes 10 of them.
BOOT_SECONDS=240
declare -A QMP_IN=() QMP_OUT=() GUEST_PIDS=()

# The lab's own files, in a second archive after the prepared initramfs, so that a change needs no new preparation.
guest_initrd() {
  local tree=$LAB_RUN/overlay file
  rm -rf -- "$tree"
  mkdir -p "$tree/lab"
  cp -r "$LAB_DIR/guest/." "$tree/lab/"
  mv "$tree/lab/init" "$tree/init"
  # GUEST_OVERLAY: more files for /lab, e.g. a kernel module.
  for file in "${GUEST_OVERLAY[@]}"; do cp -r "$file" "$tree/lab/"; done
  chmod -R u=rwX,go=rX "$tree"
  chmod 755 "$tree/init"
  {
    cat "$1"
    in_chroot "$LAB_CHROOT" sh -c "cd '$(inside "$tree")' && find . | cpio --quiet -o -H newc -R 0:0"
  } >"$LAB_RUN/initrd.cpio"
  rm -rf -- "$tree"
}

# guest_start NAME TEST [VARIABLE=VALUE...] [-- QEMU OPTION...]: boots a guest that runs guest/tests/TEST.sh with these variables.
guest_start() {
  local name=$1 test=$2 append='' ram=() boot=() run
  shift 2
  while (($# > 0)) && [[ $1 != -- ]]; do
    append+=" $1"
    shift
  done
  (($# == 0)) || shift
  run=$(inside "$LAB_RUN")
  GUEST_PIDS[$name]=
  guest_use "$name"
  GUEST_SEEN=0
  : >"$GUEST_CONSOLE"
  : >"$GUEST_RESULT"
  rm -f "$LAB_RUN/$GUEST_QMP".* "$LAB_RUN/$name.words".*
  mkfifo "$LAB_RUN/$GUEST_QMP".{in,out} "$LAB_RUN/$name.words".{in,out}
  case $GUEST_RAM in
  shared) ram=(-machine memory-backend=ram -object "memory-backend-memfd,id=ram,size=$LAB_MEM,share=on") ;;
  huge) ram=(-machine memory-backend=ram -object "memory-backend-memfd,id=ram,size=$LAB_MEM,share=on,hugetlb=on") ;;
  private) ram=() ;;
  esac
  if [[ $GUEST_BOOT == kernel ]]; then
    [[ -f $LAB_RUN/initrd.cpio ]] || guest_initrd "$(boot_dir "$LAB_KERNEL")/initramfs.cpio"
    boot=(-kernel "$(inside "$(boot_dir "$LAB_KERNEL")")/vmlinuz" -initrd "$run/initrd.cpio"
      -append "console=ttyS0 panic=-1 LAB_TEST=$test$append${LAB_GUEST_APPEND:+ $LAB_GUEST_APPEND}")
  fi
  GUEST_START=$(now)
  spawn "$LAB_RUN/$name.qemu-out" "$GUEST_STDERR" "${GUEST_RUNNER[@]}" chroot "$LAB_CHROOT" qemu-system-x86_64 -nodefaults -no-user-config -display none \
    -accel tcg,thread=multi -machine q35 -cpu max -smp "$LAB_SMP" -m "$LAB_MEM" "${ram[@]}" \
    -chardev "pipe,id=qmp,path=$run/$GUEST_QMP" -object monitor-qmp,id=monitor,chardev=qmp \
    -chardev "file,id=console,path=$run/$name.console" -serial chardev:console \
    -chardev "file,id=result,path=$run/$name.result" -serial chardev:result \
    -chardev "pipe,id=words,path=$run/$name.words" -serial chardev:words \
    "${boot[@]}" "${DEVICE_ARGS[@]}" "$@"
  GUEST_PID=$SPAWNED
  GUEST_PIDS[$name]=$SPAWNED
}

# guest_use NAME: of several guests, the one that the others of these functions are about.
guest_use() {
  GUEST_NAME=$1
  GUEST_CONSOLE=$LAB_RUN/$1.console
  GUEST_RESULT=$LAB_RUN/$1.result
  GUEST_STDERR=$LAB_RUN/$1.qemu-err
  GUEST_QMP=$1.qmp
  GUEST_PID=${GUEST_PIDS[$1]}
}

# qmp_open NAME: waits for the greeting, which QEMU sends once every device is realized (and so attached).
qmp_open() {
  local in out line
  exec {in}<>"$LAB_RUN/$1.in" {out}<>"$LAB_RUN/$1.out"
  QMP_IN[$1]=$in
  QMP_OUT[$1]=$out
  read -r -t 60 line <&"$out" && [[ $line == *'"QMP"'* ]]
}

qmp_close() {
  local in=${QMP_IN[$1]} out=${QMP_OUT[$1]}
  exec {in}>&- {out}>&-
  unset "QMP_IN[$1]" "QMP_OUT[$1]"
}

# qmp NAME COMMAND: sends one command and waits for its answer.
qmp() {
  local line command
  for command in '{"execute":"qmp_capabilities"}' "$2"; do
    # Capabilities are negotiated once; a second time is answered with an error that does no harm.
    printf '%s\n' "$command" >&"${QMP_IN[$1]}"
    while read -r -t 20 line <&"${QMP_OUT[$1]}"; do
      [[ $line == *'"return"'* || $line == *'"error"'* ]] && break
    done
  done
  [[ $line == *'"return"'* ]] || fail "QMP $2 was answered: $line"
}

# What a hanging QEMU does: processors, threads, PCI.
guest_state() {
  local task command line
  for task in "/proc/$GUEST_PID/task"/*; do
    printf '%s: %s %s\n' "$(<"$task/comm")" "$(cut -d' ' -f3,14,15 "$task/stat")" "$(<"$task/wchan")"
  done
  [[ -n ${QMP_IN[$GUEST_QMP]:-} ]] || qmp_open "$GUEST_QMP" || { printf 'the monitor does not greet\n'; return; }
  for command in '{"execute":"qmp_capabilities"}' '{"execute":"query-status"}' \
    '{"execute":"human-monitor-command","arguments":{"command-line":"info registers -a"}}' \
    '{"execute":"human-monitor-command","arguments":{"command-line":"info pci"}}'; do
    printf '%s\n' "$command" >&"${QMP_IN[$GUEST_QMP]}"
    read -r -t 5 line <&"${QMP_OUT[$GUEST_QMP]}" || line='no answer'
    printf '%b\n' "$line" | tr -d '\r'
  done
}

guest_tail() {
  note "last lines of the guest's console:"
  tail -n 15 "$GUEST_CONSOLE" | tr -d '\r' | cut -c1-200 | sed 's/^/       | /'
  if [[ -s $GUEST_STDERR ]]; then
    note "QEMU said:"
    sed 's/^/       | /' "$GUEST_STDERR"
  fi
}

# guest_expect REGEX SECONDS [FIRST]: waits for a line on the guest's result port (left in LINE), not before line FIRST; the guest's own failure
# ends the scenario.
guest_expect() {
  local start
  start=$(now)
  if ! wait_line "$GUEST_RESULT" "$1|^fail |^done [^0]" "$2" "$GUEST_PID" "${3:-1}"; then
    guest_tail
    if [[ -d /proc/$GUEST_PID ]]; then
      backend_threads_dump
      guest_state >"$LAB_RUN/$GUEST_NAME.state" 2>&1 || true
      fail "$GUEST_NAME: no '$1' from the guest after $(elapsed "$start") s"
    fi
    fail "$GUEST_NAME: the guest ended before it said '$1'"
  fi
  # shellcheck disable=SC2153 # set by wait_line
  if ! [[ $LINE =~ $1 ]]; then
    guest_tail
    fail "$GUEST_NAME: the guest reports: $LINE"
  fi
}

# guest_expect_next REGEX SECONDS: only lines after the one that was found so the last time.
guest_expect_next() {
  guest_expect "$1" "$2" "$((GUEST_SEEN + 1))"
  GUEST_SEEN=$LINE_NUMBER
}

# guest_finish SECONDS: the test ends well and the machine powers off.
guest_finish() {
  guest_expect '^done 0$' "$1"
  wait_exit "$GUEST_PID" "$STOP_SECONDS" || fail "$GUEST_NAME: QEMU does not end after power off"
  ((STATUS == 0)) || fail "$GUEST_NAME: QEMU exits $STATUS: $(tail -n 3 "$GUEST_STDERR")"
}

# guest_tell WORD: ends a `hear WORD` in the guest.
guest_tell() { printf '%s\n' "$1" >"$LAB_RUN/$GUEST_NAME.words.in"; }

guest_kill() { kill_now "$GUEST_PID"; }

# guest_value KEY: what the guest reported as `value KEY ...` (the last one).
guest_value() { sed -n "s/^value $1 //p" "$GUEST_RESULT" | tail -n 1; }

# Lists the checks that the guest made itself.
guest_checks() {
  local line
  while read -r line; do ok "$line"; done < <(sed -n 's/^ok //p' "$GUEST_RESULT")
}

# Neither the guest's kernel nor QEMU nor the backend may complain.
guest_clean() {
  local complaints
  complaints=$(sed -n 's/^complaint //p' "$GUEST_RESULT")
  [[ -z $complaints ]] || fail "the guest's kernel complains: $complaints"
  [[ ! -s $GUEST_STDERR ]] || fail "QEMU complains: $(head -n 3 "$GUEST_STDERR")"
  complaints=$(backend_complaints "$BACKEND_TROUBLE")
  [[ -z $complaints ]] || fail "the backend complains: $(head -n 3 <<<"$complaints")"
  ok "no complaint from the guest's kernel, QEMU or the backend"
}
