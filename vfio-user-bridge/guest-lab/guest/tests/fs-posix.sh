# shellcheck shell=dash
# LAB_LINKS: the host's four fs.protected_* settings; LAB_POSIX: one part of the cases only.
# shellcheck source=../fs.sh
. /lab/fs.sh
links=$LAB_LINKS
for name in hardlinks symlinks regular fifos; do
  echo "${links%"${links#?}"}" >/proc/sys/fs/protected_$name
  links=${links#?}
done
share_up
# shellcheck disable=SC2086 # nothing, or one part
timed posix "$TOOL" posix $SHARE/work ${LAB_POSIX:-} >/tmp/posix || die "the calls cannot be made on the share"
cp /tmp/posix $SHARE/posix.guest
umount $SHARE
passed "unmounted"
