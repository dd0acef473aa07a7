# shellcheck shell=dash
# LAB_PARTS: tcp, udp, http, nc; LAB_SECONDS of each iperf3; LAB_FILE_MIB the size of the file.
# shellcheck source=../net.sh
. /lab/net.sh

with() { case ,$LAB_PARTS, in *,$1,*) return 0 ;; *) return 1 ;; esac; }

tcp() {
  for streams in 1 4; do
    speed "TCP to the host, streams: $streams" --time "$LAB_SECONDS" --parallel "$streams"
    speed "TCP from the host, streams: $streams" --time "$LAB_SECONDS" --parallel "$streams" --reverse
  done
}

# As much as the emulated guest can well send; what arrives is counted by the receiver.
udp() {
  for streams in 1 4; do
    speed "UDP to the host, streams: $streams" --udp --bitrate "$((40 / streams))M" --time "$LAB_SECONDS" --parallel "$streams"
    lost
    speed "UDP from the host, streams: $streams" --udp --bitrate "$((40 / streams))M" --time "$LAB_SECONDS" --parallel "$streams" --reverse
    lost
  done
}

lost() { passed "of these 40 Mbit/s lost: $(grep receiver /tmp/iperf | sed -n 's/.*(\(.*%\)).*/\1/p' | tail -n 1)"; }

http() { equal "$LAB_FILE_MIB MiB from the host over HTTP" "$(download big.sum)" "$(download big | sha256sum | cut -d' ' -f1)"; }

# The same 16 MiB over and over: both ends add up what passes, nobody needs room for it.
back() {
  head -c 16m /dev/urandom >/tmp/piece
  mkfifo /tmp/copy
  sha256sum </tmp/copy | cut -d' ' -f1 >/tmp/copy.sum &
  copy=$!
  arrived=$({ echo $((LAB_FILE_MIB * 1048576)); pieces | tee /tmp/copy; } | nc "$HOST" 9000)
  wait "$copy"
  equal "$LAB_FILE_MIB MiB to the host by nc" "$(cat /tmp/copy.sum)" "$arrived"
}

pieces() {
  n=0
  while [ $n -lt $((LAB_FILE_MIB / 16)) ]; do
    cat /tmp/piece
    n=$((n + 1))
  done
}

nic_up
nic_static
want "the host answers" until_true 50 reaches "$HOST"
ethtool -L "$NIC" combined 2
if with tcp; then tcp; fi
if with udp; then udp; fi
if with http; then timed http http; fi
if with nc; then timed nc back; fi
say "measured"
hear "end"
