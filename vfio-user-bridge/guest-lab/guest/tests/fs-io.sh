# shellcheck shell=dash
# LAB_PARTS: which parts, separated by commas; LAB_SECONDS of each fio; LAB_LOCKS: host or guest, who keeps them.
# shellcheck source=../fs.sh
. /lab/fs.sh
share_up

# fio_on FILE FIO-OPTION...: mixed verified I/O on a file; then its content as read back with nothing cached.
fio_on() {
  fio_file=$1
  shift
  # shellcheck disable=SC2086 # several options
  fio --name=mixed --filename="$SHARE/fio.$fio_file" --size=16m --rw=randrw --bsrange=512-256k $FIO_VERIFY \
    --time_based --runtime="$LAB_SECONDS" --minimal "$@" >/tmp/fio 2>&1 || { cat /tmp/fio; die "fio reports an error ($fio_file): $(grep -v ';' /tmp/fio | head -n 2)"; }
  forget
  value "content-$fio_file $(sha256sum <"$SHARE/fio.$fio_file" | cut -d' ' -f1)"
  passed "fio --verify=crc32c $fio_file: no error, $(tail -n 1 /tmp/fio | cut -d';' -f6) KiB read, $(tail -n 1 /tmp/fio | cut -d';' -f47) KiB written"
}

part_fio() {
  fio_on buffered --ioengine=psync --fsync=64
  fio_on direct --ioengine=libaio --iodepth=16 --direct=1 --bsrange=4k-256k --blockalign=4k
  fio_on mapped --ioengine=mmap --bsrange=4k-64k
  say "fio verified"
}

part_files() {
  mkdir $SHARE/files
  "$TOOL" files $SHARE/files >/tmp/out 2>&1 || die "mapped and direct files: $(tail -n 1 /tmp/out)"
  while read -r _ text; do passed "$text"; done </tmp/out
  forget
  "$TOOL" manifest -c $SHARE/files >/tmp/view
  cp /tmp/view $SHARE/files.guest
  say "mapped"
  hear changed
  # Cached attributes live for a second with cache=auto; opening asks in any case.
  want "what the host changes the guest reads when it opens the file" until_true "$PATIENCE" sh -c "dd if=$SHARE/files/mapped bs=1 skip=4096 count=17 2>/dev/null | grep -q 'the host was here'"
}

part_append() {
  : >$SHARE/log
  say "append"
  "$TOOL" append $SHARE/log guest 1500 || die "append fails"
  until_true "$PATIENCE" sh -c "[ \$(stat -c %s $SHARE/log) -eq 192000 ]" || die "the log has $(stat -c %s $SHARE/log) bytes"
  forget
  value "log $(sha256sum <$SHARE/log | cut -d' ' -f1)"
  say "appended"
}

part_open() {
  mkdir $SHARE/open $SHARE/open/dir
  exec 5<>$SHARE/open/a 6<>$SHARE/open/gone 7<>$SHARE/open/dir/file
  printf 'before ' >&5
  printf 'kept' >&6
  say "opened"
  hear moved
  printf 'after' >&5
  printf 'inside' >&7
  printf ' on' >&6
  want "an open file that the host has unlinked keeps its content" sh -c 'dd if=/proc/self/fd/6 bs=1 2>/dev/null | grep -q "kept on"' 6<&6
  exec 5>&- 6>&- 7>&-
  say "used"
  exec 5>$SHARE/open/x
  printf 'one ' >&5
  mv $SHARE/open/x $SHARE/open/y
  printf 'two' >&5
  exec 5>&-
  say "renamed"
}

part_statfs() {
  value "statfs $(stat -f -c '%S %b %c %l' $SHARE)"
  say "told"
}

# held KIND: takes the lock in the background, in $holder.
held() {
  rm -f /tmp/held
  "$TOOL" lock "$1" "$2" $SHARE/locked >/tmp/held 2>&1 &
  holder=$!
}
release() { kill -9 "$holder"; wait "$holder" 2>/dev/null || true; }

# A process is killed that waits for what another one keeps. No signal reaches it, so only the device can end that.
stuck_begin() {
  echo kept >$SHARE/kept
  "$TOOL" lock fcntl take $SHARE/kept >/tmp/kept 2>&1 &
  keeper=$!
  until_true "$PATIENCE" grep -q taken /tmp/kept || die "a file cannot be locked"
  "$TOOL" lock fcntl wait $SHARE/kept >/tmp/stuck 2>&1 &
  stuck=$!
  until_true "$PATIENCE" grep -q waiting /tmp/stuck || die "nobody waits for a lock that is kept"
  usleep 300000
  kill -9 "$stuck"
}
stuck_end() {
  wait "$stuck" 2>/dev/null || true
  equal "fcntl: who was killed while waiting is gone, and the lock is held still" EAGAIN "$("$TOOL" lock fcntl try $SHARE/kept || true)"
  kill -9 "$keeper"
}

part_locks() {
  echo lock >$SHARE/locked
  [ "$LAB_LOCKS" = guest ] || stuck_begin
  for kind in flock fcntl; do
    held $kind take
    want "$kind: taken" until_true "$PATIENCE" grep -q taken /tmp/held
    equal "$kind: another process of the guest is refused" EAGAIN "$("$TOOL" lock $kind try $SHARE/locked || true)"
    say "locked $kind"
    hear tried
    release
    say "unlocked $kind"
    [ "$LAB_LOCKS" = host ] || continue
    hear mine
    equal "$kind: what the host has locked the guest cannot" EAGAIN "$("$TOOL" lock $kind try $SHARE/locked || true)"
    [ $kind = flock ] || equal "fcntl: the guest can ask about it" "write 0 0" "$("$TOOL" lock fcntl get $SHARE/locked)"
    held $kind wait
    until_true "$PATIENCE" grep -q waiting /tmp/held || die "$kind: nobody waits"
    usleep 300000
    want "$kind: it waits" sh -c '! grep -q taken /tmp/held'
    # More of them than there are workers, and other requests go on.
    waiters=
    for _ in 1 2 3 4 5 6 7 8; do
      "$TOOL" lock $kind wait $SHARE/locked >/dev/null 2>&1 &
      waiters="$waiters $!"
    done
    usleep 200000
    want "$kind: other requests are served while nine wait" sh -c "head -c 300000 /dev/urandom >$SHARE/beside && sync && rm $SHARE/beside"
    # shellcheck disable=SC2086 # several
    kill -9 $waiters
    say "waiting $kind"
    want "$kind: got when the host lets go" until_true "$PATIENCE" grep -q taken /tmp/held
    say "got $kind"
    hear tried
    release
    # Linux's virtiofs tells a device nothing of signals: who is killed while he waits for a lock gets it first, and then lets go.
    for waiter in $waiters; do wait "$waiter" 2>/dev/null || true; done
    passed "$kind: eight that waited too and were killed meanwhile have let go"
    say "given back $kind"
    hear mine
    held $kind wait
    until_true "$PATIENCE" grep -q waiting /tmp/held || die "$kind: nobody waits"
    usleep 300000
    kill -9 "$holder"
    say "interrupted $kind"
    hear checked
    wait "$holder" 2>/dev/null || true # it may have got the lock in the end, and goes with it
  done
  [ "$LAB_LOCKS" = host ] || return 0
  "$TOOL" lock fcntl take $SHARE/locked 100 100 >/tmp/held 2>&1 &
  holder=$!
  until_true "$PATIENCE" grep -q taken /tmp/held || die "a range cannot be locked"
  say "ranges"
  hear tried
  release
  stuck_end
}

fill() { dd if=/dev/zero of="$1" bs=64k 2>&1; }

part_full() {
  share_at /small small
  echo kept >/small/kept
  fill /small/big >/tmp/out && die "a full disk takes everything"
  want "a full disk says ENOSPC" grep -q 'No space left on device' /tmp/out
  want "what is there already is still right" grep -q kept /small/kept
  # A few are kept for what has no length yet.
  want "hardly a block is left ($(stat -f -c '%a of %b' /small))" test "$(stat -f -c %a /small)" -lt $(($(stat -f -c %b /small) / 16))
  rm /small/big
  # The space is free when the guest has also forgotten the file, which it says without waiting.
  want "there is room again after rm" until_true "$PATIENCE" sh -c 'head -c 8m /dev/urandom >/small/again && sync && rm /small/again'
  count=0
  mkdir /small/many
  while touch /small/many/f$count 2>/tmp/out; do
    count=$((count + 1))
    [ $count -lt 400 ] || die "256 inodes hold 400 files"
  done
  want "no inode is left: ENOSPC" sh -c '! touch /small/many/one-more 2>/tmp/out; grep -q "No space left" /tmp/out'
  rm -r /small/many
}

as_user() { "$TOOL" as 1001 "$@"; }

# LAB_QUOTA: user, 2 MiB and 20 files for the user 1001; subvolume, 2 MiB for everybody.
part_quota() {
  share_at /quota quota
  as_user dd if=/dev/zero of=/quota/big bs=64k >/tmp/out 2>&1 && die "a user writes more than the quota"
  want "a quota is hit: EDQUOT" grep -qiE 'quota exceeded' /tmp/out
  size=$(stat -c %s /quota/big)
  want "about what is allowed was written ($size bytes)" test "$size" -ge 1900000 -a "$size" -le 2097152
  as_user rm /quota/big
  # btrfs gives space back when it commits.
  want "there is room again after rm" until_true "$PATIENCE" sh -c 'sync; /lab/fstool as 1001 dd if=/dev/zero of=/quota/less bs=64k count=8'
  [ "$LAB_QUOTA" = user ] || return 0
  count=0
  while as_user touch /quota/f$count 2>/tmp/out; do
    count=$((count + 1))
    [ $count -lt 40 ] || die "a quota of 20 files allows 40"
  done
  want "a quota of files is hit: EDQUOT" grep -qiE 'quota exceeded' /tmp/out
}

for part in $(echo "$LAB_PARTS" | tr , ' '); do "part_$part"; done
umount $SHARE
passed "unmounted"
