# shellcheck shell=dash
# LAB_ROLE server: 10.77.0.3 with servers; client: 10.77.0.2, which does everything. VLAN 5 is 10.78.0.0/24.
# shellcheck source=../net.sh
. /lab/net.sh
PEER=10.77.0.3
VLAN_PEER=10.78.0.3
GROUP=239.1.2.3

# Nothing in here loads modules by itself.
modprobe 8021q

vlan_up() {
  ip link add link "$NIC" name "$NIC.5" type vlan id 5
  ip address add "$1/24" dev "$NIC.5"
  ip link set "$NIC.5" up
}

serve() {
  mkdir /tmp/www
  head -c 16m /dev/urandom >/tmp/www/big
  sum_of /tmp/www/big >/tmp/www/big.sum
  mkdir /tmp/www/cgi-bin
  printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\ncat /sys/class/net/%s/statistics/rx_packets\n' "$NIC" >/tmp/www/cgi-bin/received
  chmod 755 /tmp/www/cgi-bin/received
  # shellcheck disable=SC2016 # expanded by the inner shell
  printf '#!/bin/sh\nread -r size\nhead -c "$size" | sha256sum | cut -d" " -f1\n' >/tmp/sum
  chmod 755 /tmp/sum
  iperf3 --server --daemon
  httpd -p 80 -h /tmp/www
  nc -ll -p 9000 -e /tmp/sum &
  for port in 5201 80 9000; do serves "$port"; done
}

role_server() {
  nic_up
  ip link set "$NIC" mtu 9000
  ip address add "$PEER/24" dev "$NIC"
  vlan_up "$VLAN_PEER"
  ip address add "$GROUP/32" dev "$NIC" autojoin
  echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts
  serve
  say "serving"
  hear "end"
}

# files TEXT
files() {
  equal "$1: a file" "$(download big.sum)" "$(download big | sha256sum | cut -d' ' -f1)"
  equal "$1: and back" "$(sum_of /tmp/file)" "$(upload /tmp/file)"
}

# vlan_frames ID: sends 40 frames of that VLAN, none of which is answered; $came is what arrived of any kind.
vlan_frames() {
  [ -e "/sys/class/net/$NIC.$1" ] || ip link add link "$NIC" name "$NIC.$1" type vlan id "$1"
  ip link set "$NIC.$1" up
  ip address add 10.79.0.2/24 dev "$NIC.$1"
  ip neighbour add 10.79.0.99 lladdr "$LAB_PEER_MAC" dev "$NIC.$1" nud permanent
  came=$(download cgi-bin/received)
  ping -q -c 40 -i 0.01 -W 1 10.79.0.99 >/dev/null || true
  came=$(($(download cgi-bin/received) - came))
  ip address del 10.79.0.2/24 dev "$NIC.$1"
}

role_client() {
  nic_up
  nic_static
  head -c 16m /dev/urandom >/tmp/file
  host=$HOST
  HOST=$PEER
  say "up"
  hear serving
  want "the other guest answers" until_true 50 reaches "$HOST" 5
  want "and the host" reaches "$host" 5
  speed "TCP to the other guest" --time "$LAB_SECONDS"
  speed "TCP from the other guest" --time "$LAB_SECONDS" --reverse --parallel 4
  speed "UDP to the other guest" --time "$LAB_SECONDS" --udp --bitrate 20M
  files "the other guest"
  ip link set "$NIC" mtu 9000
  want "jumbo frames" ping -q -c 3 -W 5 -s 8972 "$HOST"
  files "jumbo frames"
  want "a group that the other guest joined" ping -q -c 3 -W 5 -I "$NIC" "$GROUP"
  vlan_up 10.78.0.2
  want "VLAN 5" reaches "$VLAN_PEER" 5
  HOST=$VLAN_PEER
  files "VLAN 5"
  HOST=$PEER
  vlan_frames 6
  want "frames of a VLAN that the other guest is not in are filtered there ($came arrived)" test "$came" -lt 25
  vlan_frames 5
  want "frames of its own VLAN arrive" test "$came" -ge 40
  while download big >/dev/null 2>&1; do :; done &
  loop=$!
  usleep 300000
  say "restart"
  hear killed
  kill "$loop"
  # It may be between two transfers.
  killall wget 2>/dev/null || true
  wait
  want "the host answers when the other guest is dead" reaches "$host" 5
  HOST=$host
  equal "a file from the host" "$(download big.sum)" "$(download big | sha256sum | cut -d' ' -f1)"
  HOST=$PEER
  say "alone"
  hear again
  want "the other guest is there again" until_true 100 reaches "$HOST" 5
  files "the other guest, started again"
}

"role_$LAB_ROLE"
