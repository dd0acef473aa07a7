# Paths, messages, waiting and cleaning up; sourced by everything else in the lab.
# shellcheck shell=bash
set -Eeuo pipefail
# A command that fails where nobody expected it must not end a script silently.
trap 'printf "guest-lab: %s:%s: failed: %s\n" "${BASH_SOURCE[0]:-}" "$LINENO" "$BASH_COMMAND" >&2' ERR
umask 022

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PROJECT_DIR=$(cd "$LAB_DIR/../.." && pwd)
LAB_CACHE=${VIRTIO_BACKEND_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/virtio-backend/guest-lab}
LAB_CHROOT=$LAB_CACHE/chroot
LAB_PIDS=()
# Mounts below the run directory, taken away when the scenario ends.
LAB_MOUNTS=()
LAB_RUN=

# Exit status of everything that cannot work on this machine at all, as opposed to 1: a check failed.
LAB_CANNOT=2

cannot() {
  printf 'guest-lab: %s\n' "$*" >&2
  exit "$LAB_CANNOT"
}

fail() {
  printf '  FAIL %s\n' "$*"
  exit 1
}

# Seconds since some fixed moment, with fraction: for measuring spans.
now() { printf '%s' "$EPOCHREALTIME"; }

elapsed() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

# spawn OUT ERR COMMAND...: starts it in the background; it dies with this shell, even when that one is killed -9.
spawn() {
  local out=$1 err=$2
  shift 2
  # They must exist before anybody waits for a line in them.
  : >"$out"
  : >"$err"
  # fd 9 is the cache lock: a child that outlived us must not hold it.
  setpriv --pdeathsig KILL -- "$@" >"$out" 2>"$err" </dev/null 9>&- &
  SPAWNED=$!
  LAB_PIDS+=("$SPAWNED")
}

# wait_line FILE REGEX SECONDS PID [FIRST]: waits until a line of FILE, not before the FIRST, matches; leaves it in LINE and its number in
# LINE_NUMBER. False when PID ends or time is up.
wait_line() {
  local file=$1 regex=$2 seconds=$3 pid=$4 first=${5:-1} fd tail_pid found=1
  LINE=
  LINE_NUMBER=$((first - 1))
  exec {fd}< <(exec timeout "$seconds" tail -s 0.1 -n "+$first" -f --pid="$pid" -- "$file" 2>/dev/null)
  tail_pid=$!
  while IFS= read -r LINE <&"$fd"; do
    LINE_NUMBER=$((LINE_NUMBER + 1))
    if [[ $LINE =~ $regex ]]; then
      found=0
      break
    fi
  done
  kill "$tail_pid" 2>/dev/null || true
  exec {fd}<&-
  return "$found"
}

# wait_exit PID SECONDS: waits for the process to end; its status is in STATUS. False when it is still there.
wait_exit() {
  local pid=$1
  STATUS=0
  timeout "$2" tail -s 0.05 --pid="$pid" -f /dev/null || return 1
  wait "$pid" 2>/dev/null || STATUS=$?
  reaped "$pid"
}

kill_now() {
  kill -KILL "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
  reaped "$1"
}

# reaped PID: its number may be another's from now on.
reaped() {
  local pid left=()
  for pid in "${LAB_PIDS[@]}"; do
    [[ $pid == "$1" ]] || left+=("$pid")
  done
  LAB_PIDS=("${left[@]}")
}

# A fresh directory that both the chroot and the host see; logs go to the cache when the scenario ends.
run_dir() {
  local stale
  mkdir -p "$LAB_CHROOT/lab"
  # A scenario that was killed could not clean up: its directory is named after its process.
  for stale in "$LAB_CHROOT"/lab/run.*; do
    [[ -d $stale && ! -d /proc/${stale##*.} ]] && rm -rf -- "$stale"
  done
  LAB_RUN=$LAB_CHROOT/lab/run.$$
  rm -rf -- "$LAB_RUN"
  mkdir -m 700 "$LAB_RUN"
  # sun_path holds 107 characters.
  ((${#LAB_RUN} < 90)) || cannot "the path of the cache is too long for a socket: set VIRTIO_BACKEND_LAB to a shorter one"
}

# The name of a host path as QEMU in the chroot sees it.
inside() { printf '%s' "${1#"$LAB_CHROOT"}"; }

lab_cleanup() {
  local status=$? pid logs mounted
  trap - EXIT INT TERM HUP
  for pid in "${LAB_PIDS[@]}"; do
    kill -KILL "$pid" 2>/dev/null || true
  done
  for pid in "${LAB_PIDS[@]}"; do
    wait "$pid" 2>/dev/null || true
  done
  for mounted in "${LAB_MOUNTS[@]}"; do umount -l "$mounted" || true; done
  if [[ -n $LAB_RUN && -d $LAB_RUN ]]; then
    logs=$LAB_CACHE/logs/${LAB_NAME:-run}
    rm -rf -- "$logs"
    mkdir -p "$logs"
    find "$LAB_RUN" -maxdepth 1 -type f -size -4M ! -name '*.img' ! -name '*.cpio' -exec cp -t "$logs" -- {} +
    rm -rf -- "$LAB_RUN"
    ((status == 0)) || printf '  logs are in %s\n' "$logs"
  fi
  exit "$status"
}

lab_trap() {
  trap lab_cleanup EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}
