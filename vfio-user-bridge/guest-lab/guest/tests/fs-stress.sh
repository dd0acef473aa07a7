# shellcheck shell=dash
# LAB_STRESSORS with commas between; LAB_MODE: together or turn (each for LAB_SECONDS); LAB_WORKERS of each; LAB_HANGS: seconds within which it ends.
# shellcheck source=../fs.sh
. /lab/fs.sh
share_up
mkdir $SHARE/work
chmod 777 $SHARE/work
if [ "$LAB_MODE" = together ]; then
  set --
  for stressor in $(echo "$LAB_STRESSORS" | tr , ' '); do set -- "$@" "--$stressor" "$LAB_WORKERS"; done
else
  set -- --with "$LAB_STRESSORS" --seq "$LAB_WORKERS"
fi

# What stands still, and why, for whoever reads the console: a hang leaves nothing else behind.
watchdog() {
  sleep "$LAB_HANGS"
  {
    cat /tmp/stress /proc/locks
    for process in /proc/[0-9]*; do
      read -r name <"$process/comm" || continue
      case $name in stress-ng*) echo "${process#/proc/} $name: $(cat "$process/wchan") $(tr '\n' ' ' <"$process/stack")" ;; esac
    done
    echo w >/proc/sysrq-trigger
  } >/dev/console 2>&1
  say "hangs: no end after $LAB_HANGS s"
}
watchdog &
watchdog=$!
status=0
chmod 755 /lab/stress/stress-ng
LD_LIBRARY_PATH=/lab/stress /lab/stress/stress-ng "$@" --timeout "$LAB_SECONDS" --verify --temp-path $SHARE/work --hdd-bytes 8m --fallocate-bytes 8m --iomix-bytes 8m \
  --metrics-brief >/tmp/stress 2>&1 || status=$?
kill "$watchdog"
cat /tmp/stress
grep -E ' skipped: [1-9]' /tmp/stress | sed 's/.*skipped: //' | while read -r line; do value "skipped $line"; done
grep -E ' fail: | failed: [1-9]|: error: ' /tmp/stress | head -n 5 | while read -r line; do say "info $line"; done
grep -qE ' failed: 0' /tmp/stress || die "stress-ng (exit $status): $(grep -m 1 -E 'fail|error' /tmp/stress)"
! grep -qE ' fail: ' /tmp/stress || die "stress-ng (exit $status): $(grep -m 1 ' fail: ' /tmp/stress)"
value "stress $(sed -n 's/.* passed: /passed: /p' /tmp/stress | head -c 600)"
passed "no stressor failed"
rm -rf $SHARE/work
forget
say "stressed"
hear seen
umount $SHARE
passed "unmounted"
