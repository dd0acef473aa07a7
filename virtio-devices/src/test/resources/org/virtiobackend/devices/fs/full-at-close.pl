# A FUSE file system with one file, f, that takes every write and says when it is closed that there was no room (EDQUOT). It prints
# the flags of each write.
use strict;

my ($LOOKUP, $FORGET, $GETATTR, $SETATTR, $OPEN, $WRITE, $STATFS, $RELEASE) = (1, 2, 3, 4, 14, 16, 17, 18);
my ($FLUSH, $INIT, $OPENDIR, $RELEASEDIR, $INTERRUPT, $BATCH_FORGET) = (25, 26, 27, 29, 36, 42);
my ($ENOENT, $ENOSYS, $EDQUOT) = (2, 38, 122);

$^F = 255; # mount inherits the descriptor
open(my $device, '+<', '/dev/fuse') or die;
my $options = 'fd=' . fileno($device) . ',rootmode=40000,user_id=0,group_id=0';
system('mount', '-i', '-t', 'fuse', '-o', $options, 'full-at-close', $ARGV[0]) == 0 or die;
$| = 1;
print 'x';

sub attributes {
    my ($node) = @_;
    return pack('Q6 L10', $node, 0, 0, 0, 0, 0, 0, 0, 0, $node == 1 ? 040755 : 0100666, 1, 0, 0, 0, 4096, 0);
}

while (sysread($device, my $request, 1 << 18)) {
    my ($length, $opcode, $unique, $node) = unpack('L2 Q2', $request);
    next if $opcode == $FORGET || $opcode == $BATCH_FORGET || $opcode == $INTERRUPT;
    my ($error, $answer) = (0, '');
    if ($opcode == $INIT) {
        $answer = pack('L4 S2 L2 S2 L8', 7, 31, 0, 0, 0, 0, 4096, 1, (0) x 10);
    } elsif ($opcode == $LOOKUP) {
        my $found = substr($request, 40) eq "f\0";
        $found ? $answer = pack('Q4 L2', 2, 1, 0, 0, 0, 0) . attributes(2) : ($error = $ENOENT);
    } elsif ($opcode == $GETATTR || $opcode == $SETATTR) {
        $answer = pack('Q L2', 0, 0, 0) . attributes($node);
    } elsif ($opcode == $OPEN || $opcode == $OPENDIR) {
        $answer = pack('Q L2', 1, 0, 0);
    } elsif ($opcode == $WRITE) {
        print unpack('L', substr($request, 72, 4)) . "\n";
        $answer = pack('L2', unpack('L', substr($request, 56, 4)), 0);
    } elsif ($opcode == $STATFS) {
        $answer = pack('Q5 L10', 100, 100, 100, 100, 100, 4096, 255, 4096, (0) x 7);
    } elsif ($opcode == $FLUSH) {
        $error = $EDQUOT;
    } elsif ($opcode != $RELEASE && $opcode != $RELEASEDIR) {
        $error = $ENOSYS;
    }
    syswrite($device, pack('L l Q', 16 + length($answer), -$error, $unique) . $answer);
}
