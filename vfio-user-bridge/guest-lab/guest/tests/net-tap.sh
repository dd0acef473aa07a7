# shellcheck shell=dash
# LAB_MAC, LAB_MTU: what the device was given; LAB_PAIRS its queue pairs; LAB_SECONDS of each iperf3;
# LAB_DEVICE: what only ours does is left out with others
# shellcheck source=../net.sh
. /lab/net.sh

# promised BIT TEXT COMMAND...: has to work when that feature was negotiated.
promised() {
  promised_bit=$1
  promised_text=$2
  shift 2
  if [ "$(feature "$promised_bit")" = 0 ]; then
    say "note without feature $promised_bit: $promised_text"
    return
  fi
  "$@" || die "not so: $promised_text"
  traffic_goes_on "$promised_text"
  passed "$promised_text"
}

addresses() {
  equal "the MAC address" "$LAB_MAC" "$(cat /sys/class/net/$NIC/address)"
  equal "the MTU the device suggests" "$LAB_MTU" "$(cat /sys/class/net/$NIC/mtu)"
  want "carrier" until_true "$PATIENCE" has_carrier
  ip link set "$NIC" mtu 1500
  value "features $(cat /sys/class/net/$NIC/device/features)"
  want "an address by DHCP" udhcpc -i "$NIC" -n -q -t 10 -T 1 -s /lab/udhcpc.sh
  leased=$(ip -4 -o address show dev "$NIC" scope global | awk '{ print $4 }')
  want "out of the server's range: $leased" expr "$leased" : '10\.77\.0\.[5-9][0-9]/24$'
  want "the host answers" reaches "$HOST" 5
  ip address flush dev "$NIC" scope global
  nic_static
  want "with a static address too" reaches "$HOST" 5
  want "over IPv6" reaches "$HOST6" 5
}

speeds() {
  for streams in 1 4; do
    speed "TCP to the host, streams: $streams" --time "$LAB_SECONDS" --parallel "$streams"
    speed "TCP from the host, streams: $streams" --time "$LAB_SECONDS" --parallel "$streams" --reverse
  done
  speed "UDP to the host" --udp --bitrate 40M --time "$LAB_SECONDS"
  speed "UDP from the host" --udp --bitrate 40M --time "$LAB_SECONDS" --reverse
  HOST=$HOST6 speed "TCP over IPv6 to the host" --time "$LAB_SECONDS"
  HOST=$HOST6 speed "TCP over IPv6 from the host" --time "$LAB_SECONDS" --reverse
}

# What can be changed and is no group of others or matter of the kernel alone.
offload_names() {
  ethtool -k "$NIC" | sed -n '/\[fixed\]/d; /\[requested/d; s/^\t*\([a-z0-9-]*\): o[nf].*/\1/p' |
    grep -vxE 'tx-checksumming|scatter-gather|tcp-segmentation-offload|tx-nocache-copy|rx-gro-list|tx-tcp-mangleid-segmentation'
}

offload_is() { ethtool -k "$NIC" | grep -q "^[[:space:]]*$1: $2"; }

offloads() {
  toggled=''
  for offload in $(offload_names); do
    was=off
    other=on
    if offload_is "$offload" on; then
      was=on
      other=off
    fi
    ethtool -K "$NIC" "$offload" "$other" || die "$offload cannot be turned $other"
    offload_is "$offload" "$other" || die "$offload does not turn $other"
    traffic_goes_on "$offload $other"
    ethtool -K "$NIC" "$offload" "$was" || die "$offload cannot be turned $was again"
    toggled="$toggled $offload"
  done
  traffic_goes_on "all offloads as they were"
  passed "turned over under traffic and back:$toggled"
}

# What ethtool can change of queues, rings, hashing and interrupts.
settings() {
  if [ "$LAB_PAIRS" -gt 1 ]; then
    for pairs in 1 "$LAB_PAIRS" 2; do
      ethtool -L "$NIC" combined "$pairs" || die "ethtool -L combined $pairs"
      traffic_goes_on "$pairs queue pairs"
      equal "queue pairs in use" "$pairs" "$(ethtool -l "$NIC" | sed -n '/^Current/,$s/^Combined:[[:space:]]*//p')"
    done
  fi
  promised 40 "rings of 64 entries" ethtool -G "$NIC" rx 64 tx 64
  promised 40 "rings of 256 entries" ethtool -G "$NIC" rx 256 tx 256
  promised 60 "a hash key and table that puts everything on queue 1" ethtool -X "$NIC" weight 0 1
  promised 60 "the table spread evenly again" ethtool -X "$NIC" equal 2
  promised 60 "hashing of TCP by addresses alone" ethtool -N "$NIC" rx-flow-hash tcp4 sd
  promised 60 "and with ports again" ethtool -N "$NIC" rx-flow-hash tcp4 sdfn
  promised 53 "interrupts held back for 50 us or 8 frames" ethtool -C "$NIC" rx-usecs 50 rx-frames 8 tx-usecs 50 tx-frames 8
  promised 52 "and for one queue alone" ethtool -Q "$NIC" queue_mask 1 --coalesce rx-usecs 20 rx-frames 4
  promised 53 "interrupts at once" ethtool -C "$NIC" rx-usecs 0 rx-frames 1 tx-usecs 0 tx-frames 1
  ethtool -S "$NIC" >/tmp/statistics || die "ethtool -S"
  value "dropped $(cat /sys/class/net/$NIC/statistics/rx_dropped) $(cat /sys/class/net/$NIC/statistics/tx_errors)"
}

mtus() {
  for mtu in 576 1280 1500 4000 9000; do
    ip link set "$NIC" mtu "$mtu" || die "the driver refuses MTU $mtu"
    ask mtu "$mtu"
    # Frames of exactly that size, and what has to be cut in several.
    reaches "$HOST" 3 || die "MTU $mtu: no small frame"
    ping -q -A -c 3 -W 5 -s $((mtu - 28)) "$HOST" >/dev/null || die "MTU $mtu: a full frame is lost"
    ping -q -A -c 3 -W 5 -s 20000 "$HOST" >/dev/null || die "MTU $mtu: fragments are lost"
    equal "MTU $mtu: pings up to that size, beyond it in fragments, a file" "$(download small.sum)" "$(download small | sha256sum | cut -d' ' -f1)"
    equal "MTU $mtu: back" "$(sum_of /tmp/small)" "$(upload /tmp/small)"
  done
  ip link set "$NIC" mtu 1500
  ask mtu 1500
  # The kernel takes IPv6 addresses away below 1280.
  ip address add "$GUEST6/64" dev "$NIC" nodad 2>/dev/null || true
}

arrived() { [ $(($(received) - before)) -ge "$1" ]; }

# arrives TEXT at-least|fewer-than COUNT WHAT: the host sends 40 such frames that nobody answers. The kernel tells the device of a changed filter
# at a time of its own choice, so they may have to be sent again.
arrives() {
  tries=0
  until arrives_now "$2" "$3" "$4"; do
    tries=$((tries + 1))
    [ $tries -lt 10 ] || die "$1: $(($(received) - before)) of 40 frames arrived"
  done
  passed "$1"
}

arrives_now() {
  before=$(received)
  ask "$3"
  case $1 in
  at-least) until_true 10 arrived "$2" ;;
  # There is no event to wait for when nothing comes.
  fewer-than)
    usleep 300000
    ! arrived "$2"
    ;;
  esac
}

filters() {
  echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts
  arrives "frames to somebody else are filtered" fewer-than 25 stranger
  arrives "frames to an unknown group are filtered" fewer-than 25 group
  ip link set "$NIC" promisc on
  arrives "promiscuous: frames to somebody else arrive" at-least 40 stranger
  arrives "promiscuous: frames to an unknown group arrive" at-least 40 group
  ip link set "$NIC" promisc off
  arrives "promiscuous no more" fewer-than 25 stranger
  ip link set "$NIC" allmulticast on
  arrives "all multicast: frames to any group arrive" at-least 40 group
  arrives "all multicast: frames to somebody else do not" fewer-than 25 stranger
  ip link set "$NIC" allmulticast off
  arrives "all multicast no more" fewer-than 25 group
  ip address add 239.1.2.3/32 dev "$NIC" autojoin
  arrives "frames to a group that was joined arrive" at-least 40 group
  n=0
  while [ $n -lt 80 ]; do
    ip maddress add "33:33:00:00:01:$(printf %02x $n)" dev "$NIC"
    n=$((n + 1))
  done
  arrives "also when it is one of more than 64" at-least 40 group
  n=0
  while [ $n -lt 80 ]; do
    ip maddress del "33:33:00:00:01:$(printf %02x $n)" dev "$NIC"
    n=$((n + 1))
  done
  ip address del 239.1.2.3/32 dev "$NIC"
  arrives "and no more when it was left" fewer-than 25 group
  # The kernel tells others of its new address only when asked to.
  echo 1 >"/proc/sys/net/ipv4/conf/$NIC/arp_notify"
  ip link set "$NIC" address 52:54:00:4c:41:99
  want "the host answers to a new MAC address" until_true 50 reaches "$HOST"
  arrives "frames to the address before are filtered" fewer-than 25 former
  ip link set "$NIC" address "$LAB_MAC"
  want "and to the old one" until_true 50 reaches "$HOST"
}

links() {
  # A transfer that just connects asks for the host's address as long as the cable is out, which may be a few seconds.
  echo 100 >"/proc/sys/net/ipv4/neigh/$NIC/mcast_solicit"
  ask link down
  want "the cable is pulled: no carrier" until_true "$PATIENCE" no_carrier
  ask link up
  want "and plugged in: carrier" until_true "$PATIENCE" has_carrier
  traffic_goes_on "the cable is back"
  if [ "$LAB_DEVICE" = java ]; then
    : >/tmp/traffic/may-fail
    ask delete
    want "the host's tap is deleted: no carrier" until_true "$PATIENCE" no_carrier
    ask make
    want "and made again: carrier" until_true "$PATIENCE" has_carrier
    traffic_goes_on "another tap"
    rm /tmp/traffic/may-fail
    ip address add 10.77.0.66/32 dev "$NIC"
    ask announce
    ip address del 10.77.0.66/32 dev "$NIC"
    passed "asked to, the guest announces itself"
  fi
  traffic_interrupted
  passed "traffic survives the cable pulled and the interface down and up"
}

nic_bound() { echo "$1" >"/sys/bus/virtio/drivers/virtio_net/$2"; }

load_start() {
  rm -f /tmp/load-stop
  while [ ! -e /tmp/load-stop ]; do download big >/dev/null 2>&1; done &
  while [ ! -e /tmp/load-stop ]; do { echo 100000000; head -c 100000000 /dev/zero; } | nc "$HOST" 9000 >/dev/null 2>&1; done &
}

load_stop() {
  : >/tmp/load-stop
  # One of them may be between two transfers.
  killall wget nc 2>/dev/null || true
  wait
}

# The driver goes and comes back under frames from the host.
rebinds() {
  device=$(basename "$(readlink -f /sys/class/net/$NIC/device)")
  ask storm
  for round in 1 2 3; do
    load_start
    usleep 500000
    nic_bound "$device" unbind
    load_stop
    nic_bound "$device" bind
    nic_up
    nic_static
    want "bound again under traffic, round $round" until_true 50 reaches "$HOST"
  done
  equal "a file from the host" "$(download small.sum)" "$(download small | sha256sum | cut -d' ' -f1)"
}

first_life() {
  nic_up
  timed addresses addresses
  timed speeds speeds
  timed files transfers
  download small >/tmp/small
  traffic_start
  timed offloads offloads
  timed settings settings
  timed links links
  timed stop traffic_stop
  timed mtus mtus
  timed filters filters
  timed rebinds rebinds
  load_start
  usleep 500000
  report_complaints
  say "rebooting"
  reboot -f
  sleep 60
}

second_life() {
  nic_up
  nic_static
  want "the host answers after a reboot under traffic" until_true 50 reaches "$HOST"
  equal "a file from the host" "$(download small.sum)" "$(download small | sha256sum | cut -d' ' -f1)"
}

say "life"
read -r life <&4
"${life}_life"
