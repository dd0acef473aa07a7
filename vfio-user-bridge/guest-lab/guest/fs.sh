# shellcheck shell=dash
# What tests on a shared directory use.
SHARE=/share
TOOL=/lab/fstool
chmod 755 "$TOOL" 2>/dev/null || true

# share_at DIRECTORY TAG
share_at() {
  mkdir -p "$1"
  mount -t virtiofs "$2" "$1" || die "the share $2 cannot be mounted"
}

share_up() {
  share_at "$SHARE" share
  say "mounted"
}

# What the guest remembers of files is forgotten: the next look asks the device.
forget() { sync && echo 3 >/proc/sys/vm/drop_caches; }

# The shell would take busybox's own.
tar() { /bin/tar "$@"; }
cp() { /bin/cp "$@"; }
diff() { /bin/diff "$@"; }
find() { /bin/find "$@"; }
