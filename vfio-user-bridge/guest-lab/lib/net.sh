# The host's end of a virtual network: a namespace of its own with taps and servers in it, and who serves the network device.
# shellcheck shell=bash
NET_PID=
NET_HOST=10.77.0.1
NET_GUEST=10.77.0.2
NET_PREFIX=24
NET_HOST6=fd77::1
NET_MAC=52:54:00:4c:41:42
NET_ENTER=()
NET_TOOL=()
# What the backend is started with, e.g. as another user.
NET_AS=()

# Namespaces without a name: they end with the last process in them. Servers are in a process namespace too, whose end takes along whatever they
# forked.
net_up() {
  [[ -c /dev/net/tun ]] || cannot "there is no /dev/net/tun"
  [[ -c $LAB_CHROOT/dev/net/tun ]] || { mkdir -p "$LAB_CHROOT/dev/net" && mknod -m 666 "$LAB_CHROOT/dev/net/tun" c 10 200; } ||
    cannot "cannot make dev/net/tun in the chroot"
  spawn "$LAB_RUN/net.out" "$LAB_RUN/net.err" unshare --net --pid --fork --kill-child=KILL sleep infinity
  until NET_PID=$(pgrep -P "$SPAWNED" -x sleep); do
    [[ -d /proc/$SPAWNED ]] || cannot "no network namespace: $(<"$LAB_RUN/net.err")"
    sleep 0.02
  done
  NET_ENTER=(nsenter "--net=/proc/$NET_PID/ns/net" --)
  NET_TOOL=(nsenter "--net=/proc/$NET_PID/ns/net" "--pid=/proc/$NET_PID/ns/pid" -- chroot "$LAB_CHROOT"
    /usr/bin/env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8)
  net_do ip link set lo up
}

# net_do COMMAND...: a program of the chroot in the namespace; what it has to say is only of interest when it fails.
net_do() {
  "${NET_TOOL[@]}" "$@" >>"$LAB_RUN/net.log" 2>&1 ||
    fail "in the network namespace: $*: $(tail -n 2 "$LAB_RUN/net.log")"
}

# net_try COMMAND...: the same, for its output and status.
net_try() { "${NET_TOOL[@]}" "$@" 2>>"$LAB_RUN/net.log"; }

# net_tap NAME QUEUES [ADDRESS/BITS...]: a persistent tap that somebody will open with this many queues.
net_tap() {
  local name=$1 multi=() address
  (($2 == 1)) || multi=(multi_queue)
  net_do ip tuntap add "$name" mode tap vnet_hdr "${multi[@]}"
  # No duplicate address detection: the address is there at once.
  for address in "${@:3}"; do
    if [[ $address == *:* ]]; then net_do ip address add "$address" dev "$name" nodad; else net_do ip address add "$address" dev "$name"; fi
  done
  net_do ip link set "$name" up
}

# net_serve NAME COMMAND...: a server of the chroot in the namespace; its words are in NAME.err.
net_serve() {
  spawn "$LAB_RUN/$1.out" "$LAB_RUN/$1.err" "${NET_TOOL[@]}" "${@:2}"
  NET_SERVER=$SPAWNED
}

# net_listens PORT: waits for a TCP server.
net_listens() {
  local i
  for ((i = 0; i < 100; i++)); do
    if net_try ss -Hltn "sport = :$1" | grep -q .; then return; fi
    sleep 0.1
  done
  fail "nobody listens on port $1 in the network namespace"
}

# iperf3 on 5201, a web server on 80 with the directory www, and on 9000 one that answers with the checksum of what it is sent.
net_servers() {
  local sum=$LAB_RUN/sum
  mkdir -p "$LAB_RUN/www"
  # The size comes first, on a line of its own.
  # shellcheck disable=SC2016 # expanded by the inner shell
  printf '#!/bin/sh\nread -r size\nhead -c "$size" | sha256sum | cut -d" " -f1\n' >"$sum"
  chmod 755 "$sum"
  net_serve iperf iperf3 --server --forceflush
  net_serve http busybox httpd -f -p 80 -h "$(inside "$LAB_RUN/www")"
  net_serve upload busybox nc -ll -p 9000 -e "$(inside "$sum")"
  net_listens 5201
  net_listens 80
  net_listens 9000
}

# net_dhcp TAP [OPTION...]: addresses 10.77.0.50 to 99.
net_dhcp() {
  net_serve dhcp dnsmasq --no-daemon --conf-file=/dev/null --port=0 --user=root --bind-interfaces "--interface=$1" \
    "--dhcp-range=10.77.0.50,10.77.0.99,255.255.255.0,1h" --dhcp-authoritative --no-ping \
    "--dhcp-leasefile=$(inside "$LAB_RUN")/leases" "${@:2}"
  wait_line "$LAB_RUN/dhcp.err" 'DHCP, (IP range|sockets bound)' 20 "$NET_SERVER" || fail "dnsmasq does not start: $(tail -n 2 "$LAB_RUN/dhcp.err")"
}

# net_device ID BACKEND [--mac=M] [--mtu=N] [--queue-pairs=N]: BACKEND is tap:NAME or stream:PATH; adds the device to DEVICE_ARGS.
net_device() {
  local id=$1 backend=$2 option mac=$NET_MAC mtu='' pairs=1
  for option in "${@:3}"; do
    case $option in
    --mac=*) mac=${option#*=} ;;
    --mtu=*) mtu=${option#*=} ;;
    --queue-pairs=*) pairs=${option#*=} ;;
    *) cannot "net_device does not know $option" ;;
    esac
  done
  case $LAB_DEVICE in
  java) net_device_java ;;
  qemu) net_device_qemu ;;
  *) skip "no network device of this kind" ;;
  esac
}

# Both see the options parsed by net_device.
net_device_java() {
  BACKEND_RUNNER=("${NET_ENTER[@]}" "${NET_AS[@]}")
  backend_launch "$id" net "--backend=$backend" "--mac=$mac" "--queue-pairs=$pairs" ${mtu:+"--mtu=$mtu"}
  BACKEND_RUNNER=()
}

# Without RSS: QEMU 11.1 with it loses the answers of a DHCP server on a tap of several queues.
net_device_qemu() {
  local netdev=$id-net
  GUEST_RUNNER=("${NET_ENTER[@]}")
  case $backend in
  tap:*) DEVICE_ARGS+=(-netdev "tap,id=$netdev,ifname=${backend#tap:},script=no,downscript=no,vhost=off,queues=$pairs") ;;
  stream:*) DEVICE_ARGS+=(-netdev "stream,id=$netdev,server=off,reconnect-ms=500,addr.type=unix,addr.path=$(inside "${backend#stream:}")") ;;
  esac
  DEVICE_ARGS+=(-device "virtio-net-pci,id=$id,netdev=$netdev,mac=$mac,disable-legacy=on,mq=$( ((pairs > 1)) && printf on || printf off)${mtu:+,host_mtu=$mtu}$(net_rom "$id")")
}

# Without an option ROM of the scenario's choice QEMU would bring its own.
net_rom() {
  [[ -n $BOOT_ROM ]] || printf ',romfile='
  device_properties plain "$1"
}

# net_link ID TAP up|down: the cable, as seen by the guest.
net_link() {
  if [[ $LAB_DEVICE == qemu ]]; then
    qmp "$GUEST_QMP" "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"$1\",\"up\":$([[ $3 == up ]] && printf true || printf false)}}"
  else
    net_do ip link set "$2" "$3"
  fi
}

# net_passt SOCKET OPTION...: passt as user nobody, with the namespace for its host. It refuses to work in a chroot, so it gets the chroot as its
# root in a mount namespace.
net_passt() {
  local socket=$1
  # shellcheck disable=SC2016 # expanded by the inner shells
  spawn "$LAB_RUN/passt.out" "$LAB_RUN/passt.err" nsenter "--net=/proc/$NET_PID/ns/net" "--pid=/proc/$NET_PID/ns/pid" -- unshare --mount bash -ec '
    mount --bind "$1" "$1"
    mount -t proc proc "$1/proc"
    cd "$1"
    pivot_root . mnt
    shift
    exec /usr/sbin/chroot . /bin/sh -ec "umount -l /mnt; exec setpriv --reuid nobody --regid nogroup --clear-groups --no-new-privs \"\$@\"" sh "$@"
  ' bash "$LAB_CHROOT" passt --foreground "--socket=$(inside "$socket")" "${@:2}"
  wait_line "$LAB_RUN/passt.err" '^You can now start' 20 "$SPAWNED" || fail "passt does not start: $(tail -n 2 "$LAB_RUN/passt.err")"
  NET_PASST=$(pgrep -P "$SPAWNED")
  NET_PASST_WAITER=$SPAWNED
}

net_passt_kill() {
  kill -KILL "$NET_PASST"
  wait "$NET_PASST_WAITER" 2>/dev/null || true
}

# Two directories where they are, with a way to them that user nobody may go, whatever the modes of those above; then the command.
# shellcheck disable=SC2016 # expanded by the inner shell
NET_REACH='
exec {one}<"$1" {two}<"$2"
for path in "$1" "$2"; do
  at=
  IFS=/ read -ra names <<<"${path#/}"
  for name in "${names[@]}"; do
    at+=/$name
    [[ -e $at ]] || break
    setpriv --reuid nobody --regid nogroup --clear-groups test -x "$at" || { mount -t tmpfs -o mode=755 none "$at"; break; }
  done
  mkdir -p "$path"
done
mount --no-canonicalize --bind "/proc/$$/fd/$one" "$1"
mount --no-canonicalize --bind "/proc/$$/fd/$two" "$2"
shift 2
exec "$@"'

# What follows belongs to user nobody, the backend included.
net_rootless() {
  chown nobody:nogroup "$LAB_RUN"
  [[ $LAB_DEVICE == java ]] || return 0
  # It may have to be built first.
  "$BACKEND_LAUNCHER" --version >"$LAB_RUN/rootless.log" 2>&1 || fail "the backend does not start: $(tail -n 2 "$LAB_RUN/rootless.log")"
  NET_AS=(unshare --mount bash -ec "$NET_REACH" bash "$LAB_RUN" "$(dirname "$(readlink -f "$BACKEND_LAUNCHER")")"
    setpriv --reuid nobody --regid nogroup --clear-groups --no-new-privs --pdeathsig KILL --)
  "${NET_AS[@]}" "$BACKEND_LAUNCHER" --version >"$LAB_RUN/rootless.log" 2>&1 ||
    fail "user nobody cannot start the backend: $(tail -n 2 "$LAB_RUN/rootless.log")"
}
