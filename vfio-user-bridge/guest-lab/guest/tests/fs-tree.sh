# shellcheck shell=dash
# LAB_FILES small files; /lab/source.tar.
# shellcheck source=../fs.sh
. /lab/fs.sh
share_up

"$TOOL" tree /tmp/tree "$LAB_FILES"
timed cp-in cp -a /tmp/tree $SHARE/tree
forget
want "diff -r in the guest finds the copy equal to the original" timed diff diff -r /tmp/tree $SHARE/tree
equal "files found on the share" "$LAB_FILES" "$(find $SHARE/tree -type f | wc -l)"
timed manifest "$TOOL" manifest -c $SHARE/tree >/tmp/view
cp /tmp/view $SHARE/tree.guest
say "copied"
hear compared
timed rm rm -rf $SHARE/tree
want "the tree is gone" test ! -e $SHARE/tree
rm -rf /tmp/tree
say "deleted"

mkdir $SHARE/unpacked
timed untar tar --xattrs '--xattrs-include=*' --numeric-owner -xpf /lab/source.tar -C $SHARE/unpacked
forget
"$TOOL" manifest -c $SHARE/unpacked >/tmp/view
cp /tmp/view $SHARE/unpacked.guest
say "unpacked"
hear compared
forget
timed tar tar --format=posix --sparse --xattrs '--xattrs-include=*' --numeric-owner -cf $SHARE/again.tar -C $SHARE/unpacked .
say "packed"
umount $SHARE
passed "unmounted"
