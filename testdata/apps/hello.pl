#!/usr/bin/perl
# A FastCGI program on FCGI.pm. README.md lists its paths.
use strict;
use warnings;

use Digest::SHA;
use FCGI;
use Time::HiRes ();

my $count = 0;
my %paths = (
    '/'      => sub { print "hello\n" },
    '/sleep' => \&sleep_ms,
    '/until' => sub { Time::HiRes::sleep(0.02) until -e $_[0]; print "until $_[0]\n" },
    '/echo'  => \&echo,
    '/die'   => sub { die "asked to die\n" },
    '/kill'  => sub { kill 'KILL', $$; sleep },
    '/env'   => sub { print $ENV{ $_[0] } // '', "\n" },
    '/count' => sub { print "count $count\n" },
);

sub sleep_ms {
    my ($query) = @_;
    my ($ms) = $query =~ /\bms=(\d+)/;
    $ms //= 0;
    Time::HiRes::sleep($ms / 1000);
    print "slept $ms\n";
}

sub echo {
    my $sha1   = Digest::SHA->new(1);
    my $length = 0;
    while (my $n = read(STDIN, my $chunk, 65536)) {
        $sha1->add($chunk);
        $length += $n;
    }
    printf "length %d\nsha1 %s\n", $length, $sha1->hexdigest;
}

sub big {
    my ($query) = @_;
    my ($left) = $query =~ /\bbytes=(\d+)/;
    my $chunk = 'x' x 65536;
    for ($left //= 0; $left > 0; $left -= length $chunk) {
        print substr($chunk, 0, $left);
    }
}

sub header { print "Content-Type: text/plain\r\n", @_, "\r\n" }

sub serve {
    my (%param) = @_;
    my $query = $param{QUERY_STRING} // '';
    my $path  = $param{PATH_INFO} || $param{SCRIPT_NAME} || '/';

    if ($path eq '/big') {
        header();
        return big($query);
    }
    if (my $answer = $paths{$path}) {
        # A broken handler dies before the header.
        header() unless $path eq '/die' || $path eq '/kill';
        $answer->($query);
    }
    else {
        header("Status: 404 Not Found\r\n");
        print "no such path\n";
    }
    print "pid $$\n";
}

# A hash of our own keeps the request's parameters apart from the process's environment.
my %param;
my $request = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \%param);
while ($request->Accept() >= 0) {
    $count++;
    serve(%param);
    $request->Finish();
}
