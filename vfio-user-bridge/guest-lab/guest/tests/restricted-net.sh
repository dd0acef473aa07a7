# shellcheck shell=dash
# LAB_MODE: the module's parameter and the mode it shall end up in; LAB_STREAMS: how many iperf3 has, in turn, with commas.
# shellcheck source=../restricted.sh
. /lab/restricted.sh
# shellcheck source=../net.sh
. /lab/net.sh
RESTRICTED_DRIVER=virtio_net

module_up mode="$LAB_MODE"
nic_up
nic_static
equal "the module's mode" "$LAB_MODE" "$(counter mode)"
bits=01
[ "$LAB_MODE" = dmb ] || bits=10
equal "feature bits 27 and 44 as negotiated" "$bits" "$(feature 27)$(feature 44)"
equal "the driver is the kernel's own virtio_net" virtio_net "$(basename "$(readlink /sys/bus/virtio/devices/virtio0/driver)")"
want "the host answers" until_true 50 reaches "$HOST" 5
for streams in $(echo "$LAB_STREAMS" | tr , ' '); do
  speed "TCP to the host, streams: $streams" --time "$LAB_SECONDS" --parallel "$streams"
  speed "TCP from the host, streams: $streams" --time "$LAB_SECONDS" --parallel "$streams" --reverse
done
speed "UDP to the host" --udp --bitrate 20M --time "$LAB_SECONDS"
speed "UDP from the host" --udp --bitrate 20M --time "$LAB_SECONDS" --reverse
equal "$LAB_FILE_MIB MiB from the host" "$(download big.sum)" "$(download big | sha256sum | cut -d' ' -f1)"
head -c "${LAB_FILE_MIB}m" /dev/urandom >/tmp/file
equal "$LAB_FILE_MIB MiB to the host" "$(sum_of /tmp/file)" "$(upload /tmp/file)"
# Both sides count while the device is still there.
report_counters
say "compare"
hear compared
want "the module cannot be unloaded under a driver" sh -c "! rmmod $MODULE 2>/dev/null"
traffic_start
traffic_goes_on "before the interface goes down"
traffic_interrupted
traffic_stop
driver unbind
driver bind
nic_up
nic_static
want "the host answers after unbind and bind" until_true 50 reaches "$HOST"
equal "a file after unbind and bind" "$(download small.sum)" "$(download small | sha256sum | cut -d' ' -f1)"
driver unbind
want "the module is unloaded when no driver is bound" rmmod "$MODULE"
