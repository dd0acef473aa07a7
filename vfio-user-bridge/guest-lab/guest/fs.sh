# shellcheck shell=dash
# What tests on a shared directory use.
SHARE=/share
TOOL=/lab/fstool
chmod 755 "$TOOL" 2>/dev/null || true

# share_up [DIRECTORY [TAG [OPTIONS]]]
share_up() {
  mkdir -p "${1:-$SHARE}"
  mount -t virtiofs ${3:+-o "$3"} "${2:-share}" "${1:-$SHARE}" || die "the share ${2:-share} cannot be mounted"
  say "mounted"
}

# What the guest remembers of files is forgotten: the next look asks the device.
forget() { sync && echo 3 >/proc/sys/vm/drop_caches; }

# The shell would take busybox's own.
tar() { /bin/tar "$@"; }
cp() { /bin/cp "$@"; }
diff() { /bin/diff "$@"; }
find() { /bin/find "$@"; }
