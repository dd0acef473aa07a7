# shellcheck shell=dash
# Measures each device in turn, LAB_REPEATS times, each time starting with another one. LAB_NICS: NAME=MAC=NETWORK, separated by commas. LAB_OFFERED:
# frames a millisecond that the host sends, 0 for no limit.
# shellcheck source=../restricted.sh
. /lab/restricted.sh
# shellcheck source=../net.sh
. /lab/net.sh
module_up mode=auto
modprobe virtio_net
modprobe pktgen
nics=$(echo "$LAB_NICS" | tr , ' ')

nic_of() { grep -lx "$1" /sys/class/net/eth*/address | cut -d/ -f5; }

# sample CASE NAME VALUE: less than nothing is no measurement.
sample() {
  [ "$3" -gt 0 ] || die "$1 on $2: nothing arrived"
  value "sample $1 $2 $3"
}

# Each measurement takes its length in seconds.
#
# The kernel's own packet generator; it goes as fast as the ring is emptied. The host drops what is not for it at once.
pps_up() {
  echo reset >/proc/net/pktgen/pgctrl
  echo "rem_device_all" >/proc/net/pktgen/kpktgend_1
  echo "add_device $NIC" >/proc/net/pktgen/kpktgend_1
  for setting in 'count 0' 'pkt_size 60' 'delay 0' 'clone_skb 64' "dst $HOST" 'dst_mac 02:00:00:00:00:01'; do
    echo "$setting" >"/proc/net/pktgen/$NIC"
  done
  before=$(cat "/sys/class/net/$NIC/statistics/tx_packets")
  read -r a _ </proc/uptime
  timeout -s INT "$1" sh -c 'echo start >/proc/net/pktgen/pgctrl' || true
  read -r b _ </proc/uptime
  after=$(cat "/sys/class/net/$NIC/statistics/tx_packets")
  echo "$before $after $a $b" | awk '{ printf "%d\n", ($2 - $1) / ($4 - $3) }'
}

# 22 bytes of payload make a frame of 64 with its checksum. More is sent than can arrive, but not as fast as the host can: a sender without a limit
# takes the processor that everything else needs, and what is measured is how the host's scheduler divides.
pps_down() {
  before=$(received)
  read -r a _ </proc/uptime
  iperf3 --affinity 1 --client "$HOST" --udp --length 22 --bitrate "$((LAB_OFFERED * 1000 * 22 * 8))" --time "$1" --reverse >/tmp/iperf 2>&1 || { cat /tmp/iperf >&3; die "iperf3 fails"; }
  read -r b _ </proc/uptime
  after=$(received)
  echo "$before $after $1" | awk '{ printf "%d\n", ($2 - $1) / $3 }'
}

# Where interrupts and programs happen to run decides more than any device: interrupts of all go to processor 0, programs run on the other.
pin() {
  virtio=$(basename "$(readlink -f "/sys/class/net/$NIC/device")")
  sed -n "s/^ *\([0-9]*\):.* $virtio-.*/\1/p" /proc/interrupts | while read -r irq; do echo 0 >"/proc/irq/$irq/smp_affinity_list"; done
}

# use NAME=MAC=NETWORK
use() {
  name=${1%%=*}
  mac=${1#*=}
  NIC=$(nic_of "${mac%%=*}")
  HOST=${1##*=}.1
}

is_there() { [ -n "$(nic_of "$1")" ]; }

for nic in $nics; do
  mac=${nic#*=}
  want "${nic%%=*} is there" until_true "$PATIENCE" is_there "${mac%%=*}"
  use "$nic"
  ip link set "$NIC" up
  ip address add "${HOST%.1}.2/24" dev "$NIC"
  want "$name: the host answers" until_true 50 reaches "$HOST" 3
  pin
  value "features-$name $(cat "/sys/class/net/$NIC/device/features")"
done
! echo "$nics" | grep -q restricted= || want "one device is kept in its region" test -n "$(cat /sys/bus/virtio/devices/*/restricted_dma/mode)"

tcp_up() { rate --affinity 1 --time "$1" | cut -d. -f1; }
tcp_down() { rate --affinity 1 --time "$1" --reverse | cut -d. -f1; }

# What is compiled while it runs is compiled before.
for nic in $nics; do
  use "$nic"
  for one in tcp_up tcp_down pps_up pps_down; do "$one" "$LAB_WARM_UP" >/dev/null; done
done
say warm
round=0
while [ "$round" -lt "$LAB_REPEATS" ]; do
  for one in tcp_up tcp_down pps_up pps_down; do
    for nic in $nics; do
      use "$nic"
      sample "$(echo "$one" | tr _ -)" "$name" "$("$one" "$LAB_SECONDS")"
    done
  done
  # The next round starts with the next device.
  nics="${nics#* } ${nics%% *}"
  round=$((round + 1))
  say "round $round"
done
