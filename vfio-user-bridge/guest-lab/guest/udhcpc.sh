#!/bin/sh
# What udhcpc calls with a lease: sets address and routes.
ip() { /bin/ip "$@"; }
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip address flush dev "$interface" scope global
ip address add "$ip/$mask" dev "$interface"
[ -z "${router:-}" ] || ip route replace default via "${router%% *}" dev "$interface"
[ -z "${dns:-}" ] || for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
