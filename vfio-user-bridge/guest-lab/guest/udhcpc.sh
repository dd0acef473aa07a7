#!/bin/sh
# shellcheck disable=SC2154 # udhcpc sets them
# What udhcpc calls with a lease: sets address and routes. The shell would take busybox's own ip.
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
/bin/ip address flush dev "$interface" scope global
/bin/ip address add "$ip/$mask" dev "$interface"
[ -z "${router:-}" ] || /bin/ip route replace default via "${router%% *}" dev "$interface"
