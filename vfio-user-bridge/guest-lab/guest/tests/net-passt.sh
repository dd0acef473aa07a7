# shellcheck shell=dash
# Through passt: DHCP from it, its router stands for the host's loopback.
# shellcheck source=../net.sh
. /lab/net.sh

lease() { udhcpc -i "$NIC" -n -q -t 10 -T 1 -s /lab/udhcpc.sh; }

nic_up
want "carrier" until_true "$PATIENCE" has_carrier
want "an address by DHCP from passt" lease
equal "the address of the host's interface" 10.88.0.2/24 "$(ip -4 -o address show dev "$NIC" scope global | awk '{ print $4 }')"
HOST=$(ip route show default | awk '{ print $3 }')
equal "its router" 10.88.0.1 "$HOST"
want "ping" reaches "$HOST" 3
for streams in 1 4; do
  speed "TCP to the host, streams: $streams" --time "$LAB_SECONDS" --parallel "$streams"
  speed "TCP from the host, streams: $streams" --time "$LAB_SECONDS" --parallel "$streams" --reverse
done
speed "UDP to the host" --udp --bitrate 20M --time "$LAB_SECONDS"
speed "UDP from the host" --udp --bitrate 20M --time "$LAB_SECONDS" --reverse
equal "$LAB_FILE_MIB MiB over HTTP" "$(download big.sum)" "$(download big | sha256sum | cut -d' ' -f1)"
download small >/tmp/small
equal "a file back" "$(sum_of /tmp/small)" "$(upload /tmp/small)"

# shellcheck disable=SC2016 # expanded by the inner shell
printf '#!/bin/sh\nread -r size\nhead -c "$size" | sha256sum | cut -d" " -f1\n' >/tmp/sum
chmod 755 /tmp/sum
nc -ll -p 9001 -e /tmp/sum &
serves 9001
say "serving"
hear killed
patience=50
[ "${LAB_WANT:-}" != link ] || patience=$PATIENCE
if until_true "$patience" no_carrier; then passed "passt is gone: no carrier"; else say "note passt is gone, and the link stays up"; fi
[ "${LAB_WANT:-}" != link ] || no_carrier || die "no carrier was expected"
say "gone"
hear again
want "passt is back: carrier" until_true "$PATIENCE" has_carrier
want "an address by DHCP again" until_true 20 lease
want "the host answers again" until_true 50 reaches "$HOST"
equal "a file again" "$(download small.sum)" "$(download small | sha256sum | cut -d' ' -f1)"
