# What a scenario prints: one line per check, one verdict at the end.
# shellcheck shell=bash
CHECKS=0

ok() {
  CHECKS=$((CHECKS + 1))
  printf '  ok   %s\n' "$*"
}

note() { printf '       %s\n' "$*"; }

# check TEXT COMMAND...: the command decides.
check() {
  local text=$1
  shift
  "$@" || fail "$text"
  ok "$text"
}

# same WHAT EXPECTED ACTUAL
same() {
  [[ $2 == "$3" ]] || fail "$1: expected '$2', got '$3'"
  ok "$1"
}

# Starts a scenario: --help, the cache, the lock, the run directory.
scenario() {
  LAB_NAME=$1
  local about=$2
  shift 2
  if (($# > 0)); then
    case $1 in
    --help | -h)
      printf 'usage: %s [--help]\n%s\nLAB_DEVICE=java|qemu|qsd|virtiofsd chooses who serves the disk or directory (default java).\n' "$LAB_NAME" "$about"
      exit 0
      ;;
    *)
      printf '%s: unknown argument %s\n' "$LAB_NAME" "$1" >&2
      exit "$LAB_CANNOT"
      ;;
    esac
  fi
  printf '%s (%s): %s\n' "$LAB_NAME" "$LAB_DEVICE" "$about"
  SCENARIO_START=$(now)
  backend_present
  cache_ready
  lab_trap
  run_dir
}

verdict() {
  printf 'PASS %s (%s): %d checks in %s s\n' "$LAB_NAME" "$LAB_DEVICE" "$CHECKS" "$(elapsed "$SCENARIO_START")"
}

# The scenario makes no sense with this device.
skip() {
  printf 'SKIP %s (%s): %s\n' "$LAB_NAME" "$LAB_DEVICE" "$*"
  exit 77
}
