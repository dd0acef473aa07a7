# virtio-backend fs. With FUSE_ALLOW_IDMAP Linux tells who asks only when something is made, so set-id bits go when they may have to:
^setid-[0-7]+ (fallocate|punch) root$	no request says that root, who may keep set-id bits, changes the file
^setid-(6766|2767|6666) (write|append|truncate|truncate-same|open-trunc|fallocate|punch) (owner|group)$	set-group-id without group execution goes: no request says that the caller is in the group
^(setid-[0-7]+|times) chown-keep 	chown(-1, -1) comes as a request to change nothing, without a name: nothing is changed
