# fcgisup loads this module into a Perl program (PERL5OPT), with a socket to the supervisor at the descriptor that
# FCGISUP_PREFORK names. At its first FCGI::Accept the program has loaded everything; the supervisor then makes it the
# template, which forks workers and never accepts itself, or has it go on as a worker. Whatever this module does not
# understand ends in the latter: the program runs as if the module were not there. It loads no other modules, since all
# of them would stay in the memory of the program.
package FcgisupPrefork;
use strict;
use warnings;

# System calls that Perl has no word for. Where they are unknown the program runs as ever.
my %numbers = (
    x86_64  => { recvmsg => 47,  dup3 => 292, prctl => 157, exit_group => 231 },
    aarch64 => { recvmsg => 212, dup3 => 24,  prctl => 167, exit_group => 94 },
);
my ($PR_SET_PDEATHSIG, $SIGKILL, $MSG_NOSIGNAL, $MSG_CMSG_CLOEXEC, $O_CLOEXEC, $EINTR) = (1, 9, 0x4000, 0x40000000, 02000000, 4);
my ($control, $call, $loader, $output);
my $quiet = 0.1; # seconds without an order after which a template forks in advance

sub load {
    my $fd = delete $ENV{FCGISUP_PREFORK};
    # What the program starts must not load the module, nor look where it lies.
    my ($dir) = ($ENV{PERL5OPT} // '') =~ /-I(\S+) -MFcgisupPrefork$/;
    return unless defined $dir && defined $fd;
    $ENV{PERL5OPT} =~ s/ ?-I\S+ -MFcgisupPrefork$//;
    delete $ENV{PERL5OPT} if $ENV{PERL5OPT} eq '';
    @INC = grep { $_ ne $dir } @INC;
    my ($machine) = architecture() =~ /^(x86_64|aarch64)-linux/;
    return if length(pack 'P', '') != 8; # x32
    return unless $machine && open $control, '+<&=', $fd;
    return undef $control unless -S $control;
    fcntl $control, 2, 1; # F_SETFD, FD_CLOEXEC
    ($call, $loader, $output) = ($numbers{$machine}, $$, identity(2));
    say_to_supervisor("loaded $$") or return undef $control;
    return wrap() if defined &FCGI::Accept;
    # XSLoader and DynaLoader call this, if it exists, instead of loading the compiled part of FCGI themselves.
    no warnings 'once';
    *FCGI::bootstrap = sub {
        delete $FCGI::{bootstrap};
        require DynaLoader;
        my @loaded = DynaLoader::bootstrap_inherit(@_);
        wrap() if defined &FCGI::Accept;
        return wantarray ? @loaded : $loaded[-1];
    };
}

sub architecture { require Config; no warnings 'once'; return $Config::Config{archname} }

sub wrap {
    my $accept = \&FCGI::Accept;
    no warnings 'redefine', 'prototype';
    *FCGI::Accept = sub ($) {
        *FCGI::Accept = $accept;
        at_first_accept();
        goto &$accept;
    };
}

sub say_to_supervisor { return send $control, $_[0], $MSG_NOSIGNAL }

# identity tells one open file from another.
sub identity { return join ':', (stat "/proc/self/fd/$_[0]")[0, 1] }

# at_first_accept returns where a request is to be accepted: in each worker that was forked, or in the program itself.
sub at_first_accept {
    return unless $control;
    local ($@, $!, $?);
    local $SIG{CHLD} = 'DEFAULT'; # the program's own handler knows nothing of our children
    # A program that forks its workers itself is left alone.
    if ($$ != $loader) {
        say_to_supervisor("child $$");
        return undef $control;
    }
    say_to_supervisor("ready $$") or return undef $control;
    my $template = 0;
    while (1) {
        if ($template && !waits($control, $quiet)) {
            return if spare();
            next;
        }
        my ($order, @fds) = receive();
        if ($order eq 'template') {
            $template = 1;
        }
        elsif ($order =~ /^fork (\d+)$/ && @fds == 2) {
            return if fork_away() && begin($1, @fds);
        }
        elsif ($template) { # the supervisor has closed its end: it needs the template no longer
            end();
        }
        else {
            return undef $control;
        }
    }
}

# receive reads a message and the descriptors that came with it; an empty one is the end.
sub receive {
    my ($text, $rights) = ('', '');
    vec($text, 63, 8) = vec($rights, 63, 8) = 0; # own memory, not shared with another string, for the kernel to write to
    my $vector = pack 'PQ', $text, length $text;
    my ($header, $n);
    do {
        $header = pack 'Q L x4 P Q P Q l x4', 0, 0, $vector, 1, $rights, length $rights, 0;
        $n = syscall $call->{recvmsg}, fileno $control, $header, $MSG_CMSG_CLOEXEC;
    } while $n < 0 && $! == $EINTR;
    return '' if $n <= 0;
    my ($size, undef, undef, @fds) = unpack 'Q l l l*', substr $rights, 0, unpack 'x40 Q', $header;
    return (substr($text, 0, $n), @fds ? @fds[0 .. ($size - 16) / 4 - 1] : ());
}

# waits reports whether a file has something to read, or is at its end, within some seconds.
sub waits {
    my ($file, $seconds) = @_;
    vec(my $set = '', fileno $file, 1) = 1;
    return select $set, undef, undef, $seconds;
}

# spare keeps a process in store, so that the next order need not wait for a fork of all that memory: it takes that order,
# and is then true. In the template it returns when the process has taken an order, or has ended.
sub spare {
    socketpair my $store, my $stored, 1, 1, 0 or return 0; # AF_UNIX, SOCK_STREAM
    if (!fork_away()) {
        close $stored;
        undef $quiet unless sysread $store, my $taken, 1; # it has died of something, as the next one would
        return 0;
    }
    close $store;
    my ($order, @fds) = receive();
    end() unless $order =~ /^fork (\d+)$/ && @fds == 2;
    my $supervisor = $1;
    send $stored, '.', $MSG_NOSIGNAL; # %SIG would take away the handler for SIGPIPE that the FastCGI library has set
    close $stored;
    return begin($supervisor, @fds);
}

# fork_away forks twice, so that the new process becomes a child of the supervisor, and is true there. One that cannot be
# made is noticed by the supervisor: no process holds the end of the socket that came with the order.
sub fork_away {
    my $middle = fork // return 0;
    if ($middle) {
        waitpid $middle, 0;
        return 0;
    }
    my $worker = fork;
    end() if !defined $worker || $worker;
    return 1;
}

# begin makes it a worker that writes to the first descriptor and reports on the second.
sub begin {
    my ($supervisor, @fds) = @_;
    open my $out,   '>&=',  $fds[0] or end();
    open my $birth, '+<&=', $fds[1] or end();
    live($supervisor, $out, $birth) or end();
    return 1;
}

# live makes the new process a worker like one that the supervisor has started.
sub live {
    my ($supervisor, $out, $birth) = @_;
    for (1 .. 10_000) {
        last if getppid == $supervisor;
        select undef, undef, undef, 0.0005;
    }
    setpgrp 0, 0;
    # The parent must be the final one: the signal is about the parent at the time of the call.
    syscall $call->{prctl}, $PR_SET_PDEATHSIG, $SIGKILL, 0, 0, 0;
    return 0 unless getppid == $supervisor;
    send $birth, "$$", $MSG_NOSIGNAL or return 0;
    return 0 unless sysread $birth, my $go, 1;
    # Every descriptor that is still the template's output becomes the worker's own.
    opendir my $dir, '/proc/self/fd' or return 0;
    for my $fd (grep { /^\d+$/ } readdir $dir) {
        next unless identity($fd) eq $output;
        syscall $call->{dup3}, fileno $out, $fd + 0, $fd > 2 ? $O_CLOEXEC : 0;
    }
    close $control;
    undef $control;
    srand;
    $^T = time;
    return 1;
}

# end leaves without END blocks and destructors: files and connections of the program are the workers' to close.
sub end { syscall $call->{exit_group}, 0 }

load();
1;
