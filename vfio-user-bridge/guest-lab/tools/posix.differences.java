# virtio-backend fs
^setid-(6766|2767|6666) (write|append|truncate|truncate-same|open-trunc|fallocate|punch) group$	set-group-id without group execution goes: no request names the supplementary group that the caller is in
^(setid-[0-7]+|times) chown-keep 	chown(-1, -1): a driver that leaves killing set-id bits to the device (HANDLE_KILLPRIV_V2) sends no request for it at all
