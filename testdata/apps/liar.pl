#!/usr/bin/perl
# liar.pl LIE: a FastCGI program that does what a supervisor must not be fooled by. README.md lists the lies.
use strict;
use warnings;

use FCGI;
use Fcntl;
use IO::Handle;
use POSIX ();
use Socket;
use Time::HiRes ();

my $lie = shift // die "usage: liar.pl LIE\n";
my @kept;    # what /grow has taken

my %paths = (
    '/'      => sub { print "hello\n" },
    '/sleep' => sub { my ($ms) = $_[0] =~ /\bms=(\d+)/; nap(($ms // 0) / 1000); print "slept\n" },
    '/grow'  => sub { my ($mib) = $_[0] =~ /\bmib=(\d+)/; push @kept, 'x' x (($mib // 0) << 20); print "grown\n" },
    # O_NONBLOCK is a flag of the open file description: this sets it for every worker.
    '/nonblock' => sub { nonblock(); print "set\n" },
    # Past FCGI.pm, which sends what is printed to STDERR to the client.
    '/say'      => sub { POSIX::write(2, "said by $$\n", length "said by $$\n"); print "said\n" },
    '/exit'     => sub { POSIX::_exit(3) },
    '/deaf'     => sub { POSIX::close(0); print "deaf\n" },
    # For every process that has the listener, and for good.
    '/shut' => sub { open my $listener, '+<&=', 0 or die "fd 0: $!\n"; shutdown $listener, 2 or die "shutdown: $!\n"; print "shut\n" },
);

my %lies = (
    'none' => \&serve,
    # Children that accept beside each other, and a parent that never does.
    'forks' => sub {
        for (1 .. 2) {
            my $pid = fork // die "fork: $!\n";
            if (!$pid) { serve(); exit 0 }
        }
        1 while wait > 0;
    },
    'closes-stdin'  => sub { POSIX::close(0); sleep 1 while 1 },
    'nonblocking'   => sub { nonblock(); serve(1) },
    'never-accepts' => sub { sleep 1 while 1 },
    'never-reads'   => sub { accept my $conn, STDIN or die "accept: $!\n"; sleep 1 while 1 },
    # The end of every program that was written to be a daemon.
    'daemon' => sub { away(); POSIX::setsid(); away(); serve() },
    # The same, but it stays in its process group.
    'deserts' => sub { away(); serve() },
    # As Debian's ruby-fcgi does.
    'dies-of-pings' => sub { bare() while 1 },
    # Not IGNORE: libfcgi would put its own handler there.
    'ignores-term' => sub { $SIG{TERM} = sub { }; serve() while nap(0.01) },
);

# Whatever signals come.
sub nap {
    my $end = Time::HiRes::time() + $_[0];
    while ((my $left = $end - Time::HiRes::time()) > 0) { Time::HiRes::sleep($left) }
    return 1;
}

sub away {
    my $pid = fork // die "fork: $!\n";
    exit 0 if $pid;
}

# A request without libfcgi, which would answer pings.
sub bare {
    accept my $conn, STDIN or die "accept: $!\n";
    while (read($conn, my $header, 8) == 8) {
        my (undef, $type, $id, $length, $padding) = unpack 'CCnnC', $header;
        if ($type == 9) {
            POSIX::write(2, "got a ping\n", 11);
            POSIX::_exit(1);
        }
        read $conn, my $content, $length + $padding if $length + $padding;
        next if $type != 5 || $length;    # until the end of the body
        my $page = "Content-Type: text/plain\r\n\r\nhello\npid $$\n";
        print {$conn} pack('CCnnCC', 1, 6, $id, length $page, 0, 0), $page, pack('CCnnCC', 1, 6, $id, 0, 0, 0), pack('CCnnCCNCC3', 1, 3, $id, 8, 0, 0, 0, 0, 0, 0, 0);
        last;
    }
    close $conn;
}

sub nonblock {
    my $flags = fcntl STDIN, F_GETFL, 0;
    fcntl STDIN, F_SETFL, $flags | O_NONBLOCK or die "fcntl: $!\n";
}

sub serve {
    my ($select) = @_;
    my (%param, $listener);
    my $request = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \%param);
    while (1) {
        # Accept turns STDIN into the request's body: the number is what stays.
        if ($select) { my $bits = "\1"; select $bits, undef, undef, undef }
        last if $request->Accept() < 0;
        my $path = $param{PATH_INFO} || '/';
        print "Content-Type: text/plain\r\n\r\n";
        ($paths{$path} // sub { print "no such path\n" })->($param{QUERY_STRING} // '');
        print "pid $$\n";
        $request->Finish();
        if ($path eq '/deaf') { sleep 1 while 1 }
    }
}

($lies{$lie} // die "liar.pl: no lie $lie\n")->();
