# shellcheck shell=dash
# Measures each share in turn, in LAB_ROUNDS rounds from 0, every second one in the opposite order. LAB_TAGS are their tags and LAB_ROWS what to
# measure, separated by commas.
# shellcheck source=../fs.sh
. /lab/fs.sh
tags=$(echo "$LAB_TAGS" | tr , ' ')
rows=$(echo "$LAB_ROWS" | tr , ' ')
for tag in $tags; do share_at "/mnt/$tag" "$tag"; done

# sample CASE TAG NUMBER
sample() { value "sample $1 $2 $round $3"; }

# measure CASE TAG FILE FIELD FIO-OPTION...: one number of fio's terse format; with nothing cached in the guest.
measure() {
  measure_case=$1
  measure_tag=$2
  measure_file=$3
  measure_field=$4
  shift 4
  fio --name=m --filename="/mnt/$measure_tag/$measure_file" --size="${LAB_BENCH_MIB}m" --ioengine=psync --norandommap --randrepeat=1 --fallocate=none \
    --minimal "$@" >/tmp/fio 2>&1 || { cat /tmp/fio; die "fio fails on $measure_tag"; }
  sample "$measure_case" "$measure_tag" "$(tail -n 1 /tmp/fio | cut -d';' -f"$measure_field")"
}

# per_second CASE TAG COUNT COMMAND...: how many of COUNT a second.
per_second() {
  per_case=$1
  per_tag=$2
  per_count=$3
  shift 3
  "$TOOL" timed "$per_count" "$@" >/tmp/timed || die "$per_case fails on $per_tag"
  sample "$per_case" "$per_tag" "$(tail -n 1 /tmp/timed)"
}

# KiB/s: 7 for reads, 48 for writes; IOPS: 8 and 49. What is written stays in the host's memory: its disk is nobody's here.
row_seqread() { measure seqread "$1" data 7 --rw=read --bs="${LAB_BLOCK}k"; }
row_seqwrite() { measure seqwrite "$1" "data-$1" 48 --rw=write --bs="${LAB_BLOCK}k"; }
row_randread() { measure randread "$1" data 8 --rw=randread --bs=4k --io_size="$((LAB_RANDOM * 4))k"; }
row_randwrite() { measure randwrite "$1" "data-$1" 49 --rw=randwrite --bs=4k --io_size="$((LAB_RANDOM * 4))k"; }
row_files() {
  "$TOOL" rates "/mnt/$1/rates-$1" "$LAB_FILES" >/tmp/rates || die "rates on $1"
  while read -r name number; do sample "$name" "$1" "$number"; done </tmp/rates
}
row_find() { per_second find "$1" "$LAB_FILES" /bin/find "/mnt/$1/tree" -type f -size -100; }
row_untar() {
  mkdir "/mnt/$1/untar-$1"
  per_second untar "$1" "$LAB_FILES" /bin/tar -xf /lab/tree.tar -C "/mnt/$1/untar-$1"
  rm -r "/mnt/$1/untar-$1"
}
# Into a pipe: GNU tar does not read what it would write to /dev/null.
row_tar() { per_second tar "$1" "$LAB_FILES" sh -c "/bin/tar -cf - -C /mnt/$1 tree | cat >/dev/null"; }

round=0
while [ "$round" -lt "$LAB_ROUNDS" ]; do
  for row in $rows; do
    for tag in $tags; do
      forget
      say "begin $row $tag"
      "row_$row" "$tag"
    done
  done
  reversed=
  for tag in $tags; do reversed="$tag $reversed"; done
  tags=$reversed
  say "round $round"
  round=$((round + 1))
done
say "begin end"
# Which processors the request queues of each have interrupted, and how often.
for tag in $tags; do
  for shown in /sys/fs/virtiofs/*; do
    [ "$(cat "$shown/tag")" = "$tag" ] || continue
    name=$(basename "$(readlink -f "$shown/device")")
    value "interrupts-$tag" "$(grep -E " $name-requests" /proc/interrupts | awk '{ for (i = 2; $i ~ /^[0-9]+$/; i++) { n[i] += $i; last = i } }
      END { for (i = 2; i <= last; i++) printf "%d ", n[i] }')"
  done
done
for tag in $tags; do umount "/mnt/$tag"; done
