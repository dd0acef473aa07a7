# shellcheck shell=dash
# LAB_LOOKUPS uses of names that the host keeps swapping; LAB_CANARY is in all that lies outside.
# shellcheck source=../fs.sh
. /lab/fs.sh
share_up
value "quiet $("$TOOL" lookups $SHARE/race1 160 "$LAB_CANARY" 2>/tmp/out)" || die "$(cat /tmp/out)"
say "quiet"
hear race
# Two at once: requests of one meet those of the other in the device.
"$TOOL" lookups $SHARE/race1 $((LAB_LOOKUPS / 2)) "$LAB_CANARY" >/tmp/one 2>&1 &
first=$!
"$TOOL" lookups $SHARE/race2 $((LAB_LOOKUPS / 2)) "$LAB_CANARY" >/tmp/two 2>&1 || die "$(tail -n 1 /tmp/two)"
wait $first || die "$(tail -n 1 /tmp/one)"
value "raced $(cat /tmp/one)"
say "raced"

mkdir -p $SHARE/leave/deep
echo inside >$SHARE/leave/deep/file
cd $SHARE/leave/deep || die "no way in"
say "standing"
hear moved
forget
seen=$(cat file 2>&1) || true
! find .. 2>&1 | grep -q "$LAB_CANARY" || die "ESCAPED: the parent of a directory that was moved out is listed"
for path in ../../in ../../victim ../../sub/in; do
  ! grep -q "$LAB_CANARY" $path 2>/dev/null || die "ESCAPED: $path of a directory that was moved out is read"
done
rm -f ../../victim 2>/dev/null || true
value "stood its own file: $seen"
cd /
say "stood"

if "$TOOL" forge $SHARE 20000 "$LAB_CANARY" >/tmp/out 2>&1; then
  value "forged $(cat /tmp/out)"
else
  grep -q ESCAPED /tmp/out && die "$(cat /tmp/out)"
  # A device may offer no handles at all.
  value "forged not possible: $(cat /tmp/out)"
fi
want "the share still works" sh -c "echo after >$SHARE/after && grep -q after $SHARE/after"
umount $SHARE
passed "unmounted"
