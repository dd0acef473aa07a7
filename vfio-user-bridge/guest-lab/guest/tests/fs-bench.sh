# shellcheck shell=dash
# Measures each share in turn, LAB_REPEATS times, each time starting with another one. LAB_TAGS are their tags, separated by commas.
# shellcheck source=../fs.sh
. /lab/fs.sh
tags=$(echo "$LAB_TAGS" | tr , ' ')
for tag in $tags; do share_at "/mnt/$tag" "$tag"; done

# measure CASE TAG FILE FIELD FIO-OPTION...: one number of fio's terse format; with nothing cached in the guest.
measure() {
  measure_case=$1
  measure_tag=$2
  measure_file=$3
  measure_field=$4
  shift 4
  forget
  fio --name=m --filename="/mnt/$measure_tag/$measure_file" --size="${LAB_BENCH_MIB}m" --ioengine=psync --norandommap --randrepeat=1 --fallocate=none \
    --minimal "$@" >/tmp/fio 2>&1 || { cat /tmp/fio; die "fio fails on $measure_tag"; }
  value "sample $measure_case $measure_tag $(tail -n 1 /tmp/fio | cut -d';' -f"$measure_field")"
}

# per_second CASE TAG COUNT COMMAND...: how many of COUNT a second, as a sample.
per_second() {
  per_case=$1
  per_tag=$2
  per_count=$3
  shift 3
  forget
  read -r a _ </proc/uptime
  "$@" || die "$per_case fails on $per_tag"
  read -r b _ </proc/uptime
  value "sample $per_case $per_tag $((per_count * 100 / (${b%.*} * 100 + 1${b#*.} - ${a%.*} * 100 - 1${a#*.} + 1)))"
}

find_all() { test "$(find "$1" -type f -size -100 | wc -l)" -eq "$LAB_FILES"; }
untar() { tar -xf /lab/tree.tar -C "$1"; }
tar_up() { tar -cf - -C "$1" tree | cat >/dev/null; }
rates() {
  "$TOOL" rates "/mnt/$1/rates-$1" "$LAB_FILES" >/tmp/rates || die "rates on $1"
  while read -r name number; do value "sample $name $1 $number"; done </tmp/rates
}

round=0
while [ "$round" -lt "$LAB_REPEATS" ]; do
  # KiB/s: 7 for reads, 48 for writes; IOPS: 8 and 49.
  for tag in $tags; do measure seqread "$tag" data 7 --rw=read --bs=128k; done
  for tag in $tags; do measure seqwrite "$tag" "data-$tag" 48 --rw=write --bs=128k --end_fsync=1; done
  for tag in $tags; do measure randread "$tag" data 8 --rw=randread --bs=4k --time_based --runtime="$LAB_SECONDS"; done
  for tag in $tags; do measure randwrite "$tag" "data-$tag" 49 --rw=randwrite --bs=4k --time_based --runtime="$LAB_SECONDS"; done
  for tag in $tags; do rates "$tag"; done
  for tag in $tags; do per_second find "$tag" "$LAB_FILES" find_all "/mnt/$tag/tree"; done
  for tag in $tags; do
    mkdir "/mnt/$tag/untar-$tag"
    per_second untar "$tag" "$LAB_FILES" untar "/mnt/$tag/untar-$tag"
    rm -r "/mnt/$tag/untar-$tag"
  done
  for tag in $tags; do per_second tar "$tag" "$LAB_FILES" tar_up "/mnt/$tag"; done
  # The next round starts with the next share.
  tags="${tags#* } ${tags%% *}"
  round=$((round + 1))
  say "round $round"
done
for tag in $tags; do umount "/mnt/$tag"; done
