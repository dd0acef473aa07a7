# shellcheck shell=dash
# LAB_PARTS: tcp, udp, files; LAB_SECONDS of each iperf3; LAB_FILE_MIB the size of the file.
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

nic_up
nic_static
want "the host answers" until_true 50 reaches "$HOST"
ethtool -L "$NIC" combined 2
if with tcp; then tcp; fi
if with udp; then udp; fi
if with files; then transfers; fi
