# shellcheck shell=dash
# What every in-guest test uses. fd 3 is the result port, fd 4 brings the host's words.
DISK=/dev/vda
# No overlapping requests at once: a file in the host's page cache is not atomic by sector, fio alone on such a file fails without this.
FIO_VERIFY='--verify=crc32c --verify_backlog=64 --verify_fatal=1 --serialize_overlap=1'

say() { echo "$*" >&3; }
value() { say "value $*"; }

# hear WORD: waits until the host says it.
hear() {
  while read -r word <&4; do
    [ "$word" != "$1" ] || return 0
  done
  die "the host never said $1"
}

# The shell would take busybox's own.
blkdiscard() { /bin/blkdiscard "$@"; }
fallocate() { /bin/fallocate "$@"; }

die() {
  say "fail $*"
  dmesg | tail -n 30
  exit 1
}

# Tenths of a second for what has to happen: at once, were there not other work on the host.
PATIENCE=300

# until_true TENTHS COMMAND...: for what sends no event to wait for.
until_true() {
  tenths=$1
  shift
  until "$@" 2>/dev/null; do
    tenths=$((tenths - 1))
    [ "$tenths" -gt 0 ] || return 1
    usleep 100000
  done
}

disk_up() {
  modprobe virtio_blk
  until_true "$PATIENCE" test -b "$DISK" || die "no $DISK"
}

# timed NAME COMMAND...: reports how long it took, in hundredths of a second.
timed() {
  timed_name=$1
  shift
  read -r a _ </proc/uptime
  "$@"
  read -r b _ </proc/uptime
  value "time-$timed_name $((${b%.*} * 100 + 1${b#*.} - ${a%.*} * 100 - 1${a#*.}))"
}

# What a test causes on purpose; every kernel says this one of a module that it was not built with.
# The 8254's: an emulated timer that a busy host lets miss its time.
expected_complaints='module taints kernel|MP-BIOS bug: 8254 timer'

# A host that gives the guest no time makes its watchdogs bark: that, and what is printed with it in the next 2 s, is no word on the device.
without_starvation() {
  awk '{ at = $0; sub(/^[^[]*\[ */, "", at); at += 0 } /soft lockup|rcu: .*(stall|starved)/ { end = at + 2 } at >= end'
}

# Kernel lines that a sound device must not cause; an emulated machine's own noise is not among these words.
report_complaints() {
  dmesg -r | without_starvation | sed -n 's/^<[0-4]>//p' | grep -iE 'virtio|vfio|fuse|pci|vd[a-z]|blk|I/O error|hung|BUG|WARNING|call trace' |
    grep -vE "$expected_complaints" | while read -r line; do
    say "complaint $line"
  done
  true
}

# passed TEXT: a check that the host's report lists; want TEXT COMMAND...: the command decides.
passed() { say "ok $*"; }
want() {
  want_text=$1
  shift
  "$@" || die "not so: $want_text"
  passed "$want_text"
}

# equal TEXT EXPECTED ACTUAL
equal() {
  [ "$2" = "$3" ] || die "$1: expected '$2', got '$3'"
  passed "$1"
}
