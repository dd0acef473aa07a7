# shellcheck shell=dash
# What tests of the network device use.
HOST=10.77.0.1
GUEST=10.77.0.2
HOST6=fd77::1
GUEST6=fd77::2
NIC=eth0

# The shell would take busybox's own.
ip() { /bin/ip "$@"; }

nic_up() {
  modprobe virtio_net
  ip link set lo up
  until_true "$PATIENCE" test -e "/sys/class/net/$NIC" || die "no $NIC"
  ip link set "$NIC" up
}

nic_static() {
  ip address add "$GUEST/24" dev "$NIC"
  ip address add "$GUEST6/64" dev "$NIC" nodad
}

# feature BIT: 1 or 0, as negotiated.
feature() { cut -c$(($1 + 1)) "/sys/class/net/$NIC/device/features"; }

carrier() { cat "/sys/class/net/$NIC/carrier"; }
has_carrier() { [ "$(carrier)" = 1 ]; }
no_carrier() { [ "$(carrier)" = 0 ]; }

reaches() { ping -q -c "${2:-1}" -W 5 -A "$1" >/dev/null; }

# iperf_heard OPTION...: false when iperf3 was sent away: its server listens anew after each test, and a client may come before that.
iperf_heard() {
  iperf_status=0
  iperf3 --client "$HOST" --format k "$@" >/tmp/iperf 2>&1 || iperf_status=$?
  [ "$iperf_status" = 0 ] || ! grep -qE 'busy|refused|control (socket|message)' /tmp/iperf
}

# rate OPTION...: iperf3 against the host; prints kbit/s as the receiver counted them.
rate() {
  until_true 50 iperf_heard "$@" || true
  [ "$iperf_status" = 0 ] || { cat /tmp/iperf >&3; die "iperf3 $* fails"; }
  grep 'receiver' /tmp/iperf | { grep SUM || grep 'receiver' /tmp/iperf; } | sed -n 's|.* \([0-9.]*\) Kbits/sec.*|\1|p' | tail -n 1
}

# speed NAME OPTION...: reports the rate, which has to be more than nothing.
speed() {
  speed_name=$1
  shift
  speed_rate=$(rate "$@")
  [ "${speed_rate%.*}" -gt 0 ] || die "iperf3 $*: nothing arrived"
  passed "iperf3 $speed_name: $((${speed_rate%.*} / 1000)) Mbit/s"
}

# listening PORT: a server of this guest is past listen(); who asks through passt before is let in and then cut off.
listening() { grep -q "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") [0-9A-F]*:0000 0A " /proc/net/tcp /proc/net/tcp6; }

# serves PORT
serves() { until_true "$PATIENCE" listening "$1" || die "nobody listens on port $1 in the guest"; }

sum_of() { sha256sum <"$1" | cut -d' ' -f1; }

# upload FILE: the checksum of what arrived.
upload() { { stat -c %s "$1"; cat "$1"; } | nc "$HOST" 9000; }

download() { wget -q -O - "http://$HOST/$1"; }

# A file of LAB_FILE_MIB from the host over HTTP, and back as a stream that both ends add up, so that nobody needs room for it.
transfers() {
  equal "$LAB_FILE_MIB MiB from the host over HTTP" "$(download big.sum)" "$(download big | sha256sum | cut -d' ' -f1)"
  mkfifo /tmp/copy
  sha256sum </tmp/copy | cut -d' ' -f1 >/tmp/copy.sum &
  copy=$!
  arrived=$({ echo $((LAB_FILE_MIB * 1048576)); download big | tee /tmp/copy; } | nc "$HOST" 9000)
  wait "$copy"
  equal "$LAB_FILE_MIB MiB there and back" "$(cat /tmp/copy.sum)" "$arrived"
}

# Endless transfers of a small file in both directions, each compared. Whole transfers since are counted, a wrong one is remembered.
traffic_start() {
  mkdir -p /tmp/traffic
  head -c 512k /dev/urandom >/tmp/traffic/file
  traffic_sum=$(sum_of /tmp/traffic/file)
  traffic_want=$(download small.sum)
  # shellcheck disable=SC2016 # evaluated in the loop
  traffic_loop down 'test "$(download small | sha256sum | cut -d" " -f1)" = "$traffic_want"' &
  traffic_down=$!
  # shellcheck disable=SC2016 # evaluated in the loop
  traffic_loop up 'test "$(upload /tmp/traffic/file)" = "$traffic_sum"' &
  traffic_up=$!
}

# traffic_loop NAME COMMAND
traffic_loop() {
  count=0
  while [ ! -e /tmp/traffic/stop ]; do
    if eval "$2"; then
      count=$((count + 1))
      echo "$count" >"/tmp/traffic/$1.new"
      mv "/tmp/traffic/$1.new" "/tmp/traffic/$1"
    elif [ ! -e /tmp/traffic/may-fail ]; then
      : >"/tmp/traffic/bad-$1"
    fi
  done
}

traffic_count() { cat "/tmp/traffic/$1" 2>/dev/null || echo 0; }
traffic_passed() { [ "$(traffic_count "$1")" -gt "$2" ]; }

# traffic_goes_on TEXT: from now on a whole transfer each way is good. The one under way may have begun before, so two.
traffic_goes_on() {
  down=$(traffic_count down)
  up=$(traffic_count up)
  until_true 900 traffic_passed down $((down + 1)) || die "$1: downloads stand still"
  until_true 900 traffic_passed up $((up + 1)) || die "$1: uploads stand still"
  for way in down up; do [ ! -e "/tmp/traffic/bad-$way" ] || die "$1: a transfer ($way) failed or had a wrong checksum"; done
}

# The interface goes down and up under traffic; what is begun in between finds no network, which is no fault.
traffic_interrupted() {
  : >/tmp/traffic/may-fail
  ip link set "$NIC" down
  ip link set "$NIC" up
  ip address add "$GUEST6/64" dev "$NIC" nodad 2>/dev/null || true
  traffic_goes_on "the interface down and up"
  rm /tmp/traffic/may-fail
}

traffic_stop() {
  : >/tmp/traffic/stop
  wait "$traffic_down" "$traffic_up"
  for way in down up; do [ ! -e "/tmp/traffic/bad-$way" ] || die "a transfer ($way) failed or had a wrong checksum"; done
  passed "transfers under all of this: $(traffic_count down) down, $(traffic_count up) up, every checksum right"
  rm -rf /tmp/traffic
}

# The host changes something of its own: `ask WORD`, and it answers with the same.
ask() {
  say "ask $*"
  hear "done"
}

received() { cat "/sys/class/net/$NIC/statistics/rx_packets"; }
