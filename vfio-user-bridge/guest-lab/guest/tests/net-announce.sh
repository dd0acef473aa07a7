# shellcheck shell=dash
# Booted over the network by another driver: the kernel's own takes the device over.
# shellcheck source=../net.sh
. /lab/net.sh
say "booted from network"
value "kernel $(uname -r)"
nic_up
want "an address by DHCP" udhcpc -i "$NIC" -n -q -t 10 -T 1 -s /lab/udhcpc.sh
equal "the initramfs over HTTP" "$(download initrd.sum)" "$(download initrd | sha256sum | cut -d' ' -f1)"
