package foreign

import "strings"

// wrapper is a program that starts the program which stands behind it.
type wrapper struct {
	// options are those that it knows: "-n/--adjustment=MEANING" takes a value, "-q/--quiet" none, "-x:MEANING" is a
	// flag that means something. A flag without a meaning changes nothing for the program that is started.
	options string
	// operands are the meanings of the words before the program.
	operands string
	// assigns: NAME=VALUE may stand before the program.
	assigns bool
	// permutes: options may stand behind operands.
	permutes bool
	// kept before the program, in command:; others are left out with a remark, if they have one.
	kept   bool
	remark string
	// refused is why no app can be made of what it starts.
	refused string
}

// A meaning is a word of launch.mean, or the name of a directive of systemd's, or limit:NAME.
const softlimits = "-m=limit:memory -a=limit:AS -c=limit:CORE -d=limit:DATA -f=limit:FSIZE -l=limit:MEMLOCK -o=limit:NOFILE -p=limit:NPROC -r=limit:RSS -s=limit:STACK -t=limit:CPU"

// wrappers are by name.
var wrappers = map[string]wrapper{
	"spawn-fcgi": {options: "-s=socket -p=port -a=host -M=mode -U=socket-user -G=socket-group -b=backlog -u=user -g=group -d=dir " +
		"-f=line -C=children -F=forks -P=pidfile -c=refuse -n -S"},
	"multiwatch": {options: "-f/--forks=forks -s/--signal=signal -r/--retry=retry -t/--timeout=retry"},

	"nice":      {options: "-n/--adjustment=Nice"},
	"ionice":    {options: "-c/--class=IOSchedulingClass -n/--classdata=IOSchedulingPriority -t/--ignore"},
	"taskset":   {options: "-c/--cpu-list:cpus -a/--all-tasks", operands: "CPUAffinity"},
	"chrt":      {options: "-o/--other:policy=other -b/--batch:policy=batch -i/--idle:policy=idle -f/--fifo:policy=fifo -r/--rr:policy=rr", operands: "CPUSchedulingPriority"},
	"prlimit":   {options: "-n/--nofile=limit:NOFILE -v/--as=limit:AS -c/--core=limit:CORE -d/--data=limit:DATA -u/--nproc=limit:NPROC -l/--memlock=limit:MEMLOCK -s/--stack=limit:STACK -t/--cpu=limit:CPU -f/--fsize=limit:FSIZE"},
	"softlimit": {options: softlimits},
	"choom":     {options: "-n/--adjust=OOMScoreAdjust"},
	"numactl": {options: "-i/--interleave=keep -N/--cpunodebind=keep -m/--membind=keep -C/--physcpubind=keep -l/--localalloc " +
		"-p/--preferred=keep -a/--all", kept: true, remark: "is kept before the program"},
	"xvfb-run": {
		options: "-a/--auto-servernum -n/--server-num=keep -e/--error-file=keep -f/--auth-file=keep -s/--server-args=keep " +
			"-p/--xauth-protocol=keep -l/--listen-tcp -w/--wait=keep", kept: true,
		remark: "is kept before the program: each worker has an X server of its own, with -a one that is free",
	},
	"stdbuf":           {options: "-i/--input=keep -o/--output=keep -e/--error=keep", kept: true, remark: "is kept before the program"},
	"unbuffer":         {options: "-p", kept: true, remark: "is kept before the program"},
	"eatmydata":        {kept: true, remark: "is kept before the program"},
	"dbus-run-session": {options: "--config-file=keep", kept: true, remark: "is kept before the program"},

	"nohup":     {remark: "is not needed: workers have no terminal"},
	"setsid":    {options: "-c/--ctty -f/--fork -w/--wait", remark: "is not needed: each worker has a process group of its own"},
	"pgrphack":  {remark: "is not needed: each worker has a process group of its own"},
	"s6-setsid": {options: "-s -b -f -F -i -I -g -d=keep", remark: "is not needed: each worker has a process group of its own"},
	"tini":      {options: "-s -g -v -w -e=keep -p=keep", remark: "is not needed: fcgisup run reaps children itself"},
	"dumb-init": {options: "-c/--single-child -v/--verbose -r/--rewrite=keep", remark: "is not needed: fcgisup run reaps children itself"},
	"catatonit": {options: "-g -P", remark: "is not needed: fcgisup run reaps children itself"},
	"timeout": {
		options: "-s/--signal=keep -k/--kill-after=keep --preserve-status --foreground -v/--verbose", operands: "skip",
		remark: "has no counterpart: limits: {max_age} replaces a worker between two requests",
	},
	"flock":   {options: "-s/--shared -x/-e/--exclusive -n/--nb/--nonblock -w/--timeout=keep -E/--conflict-exit-code=keep -o/--close -F/--no-fork", operands: "skip", remark: "has no counterpart: systemd starts a service once"},
	"setlock": {options: "-n -N -x -X", operands: "skip", remark: "has no counterpart: systemd starts a service once"},

	"env":       {options: "-i/--ignore-environment:clear -:clear -u/--unset=unset -C/--chdir=dir", assigns: true},
	"envdir":    {operands: "envdir"},
	"s6-envdir": {options: "-I -i -f -n -c=keep -L=keep", operands: "envdir"},
	"envuidgid": {operands: "envuser"},

	"su": {
		options:  "-c/--command=script -s/--shell=shell -l/--login:login -:login -g/--group=group -G/--supp-group=note -m/-p/--preserve-environment -P/--pty -f/--fast",
		operands: "user", permutes: true,
	},
	"runuser": {
		options:  "-u/--user=user -c/--command=script -s/--shell=shell -l/--login:login -:login -g/--group=group -G/--supp-group=note -m/-p/--preserve-environment -P/--pty -f/--fast",
		operands: "user", permutes: true,
	},
	"sudo": {options: "-u/--user=user -g/--group=group -E/--preserve-env -n/--non-interactive -H/--set-home:home -b/--background " +
		"-S/--stdin -D/--chdir=dir -p/--prompt=keep -P/--preserve-groups -i/--login:login", assigns: true},
	"doas":         {options: "-u=user -n"},
	"setuidgid":    {operands: "account"},
	"s6-setuidgid": {operands: "account"},
	"gosu":         {operands: "owner"},
	"su-exec":      {operands: "owner"},
	"setpriv": {options: "--reuid/--ruid/--euid=user --regid/--rgid/--egid=group --init-groups --clear-groups:nogroups --keep-groups --groups=note --reset-env:clear " +
		"--no-new-privs:NoNewPrivileges=yes --inh-caps=note --ambient-caps=note --bounding-set=note --securebits=note --pdeathsig=keep"},
	"chpst": {options: "-u=account -U=envuser -b=argv0 -e=envdir -/=refuse -C=dir -n=Nice -l=lock -L=lock -P -v -V -0/-1/-2:fds " +
		strings.Replace(softlimits, "-l=limit:MEMLOCK ", "", 1)},
	"s6-softlimit": {options: "-H -h " + softlimits},
	"s6-envuidgid": {operands: "envuser"},
	"chroot":       {refused: "has no counterpart, and all paths would mean others"},
	"nsenter":      {refused: "has no counterpart: the program would run in other namespaces"},
	"ip":           {refused: "has no counterpart: the program would run in another network namespace"},
	"unshare":      {refused: "has no counterpart: the program would run in other namespaces"},

	// Debian's and OpenRC's.
	"start-stop-daemon": {
		options: "-S/--start -K/--stop:stops -T/--status:stops -t/--test:stops -H/--help:stops -V/--version:stops -x/--exec=program -a/--startas=startas -c/--chuid=owner " +
			"-u/--user=user-or-owner -g/--group=group -d/--chdir=dir -k/--umask=umask -N/--nicelevel=Nice -I/--iosched=iosched " +
			"-P/--procsched=procsched -r/--chroot=refuse -p/--pidfile=pidfile -n/--name=keep -b/--background -m/--make-pidfile -C/--no-close -O/--output=output " +
			"-q/--quiet -o/--oknodo -v/--verbose -s/--signal=keep -R/--retry=keep --notify-await --notify-timeout=keep --remove-pidfile -e/--env=env " +
			"-1/--stdout=output -2/--stderr=output -w/--wait=keep --ionice=iosched --progress --stdout-logger=output --stderr-logger=output -i/--interpreted",
	},
	"supervise-daemon": {
		options: "-S/--start -K/--stop:stops -d/--chdir=dir -e/--env=env -g/--group=group -I/--ionice=iosched -k/--umask=umask -N/--nicelevel=Nice -p/--pidfile=pidfile " +
			"-D/--respawn-delay=retry -P/--respawn-period=retry -m/--respawn-max=retry -R/--retry=keep -r/--chroot=refuse -s/--signal=keep -u/--user=user-or-owner " +
			"-1/--stdout=output -2/--stderr=output --stdout-logger=output --stderr-logger=output -a/--healthcheck-timer=note -A/--healthcheck-delay=note --notify=note " +
			"--capabilities=note --secbits=note --no-new-privs:NoNewPrivileges=yes --oom-score-adj=OOMScoreAdjust --scheduler=procsched --scheduler-priority=note -v/--verbose -q/--quiet",
	},
	// Red Hat's function, libslack's and FreeBSD's programs of one name.
	"daemon": {options: "-u/--user=owner -g/--group=group -n/--name=keep --pidfile/-P/--pidfiles/-F=pidfile -p/--pty=pidfile -D/--chdir=dir -m/--umask=umask -e/--env=env " +
		"-R/--chroot=refuse --check=keep --force -r/--respawn -f/--foreground -c -S/--safe -i/--inherit -U/--unsafe -B/--bind " +
		"-l/--errlog=output -b/--dbglog=output -o/--output=output -O/--stdout=output -E/--stderr=output -A/--attempts=retry -a/--acceptable=retry -L/--delay=retry -M/--limit=retry -t=keep"},

	// s6's and execline's.
	"with-contenv":     {remark: "has no counterpart: environment: and environment_file: of an app"},
	"s6-notifyoncheck": {options: "-d -3=keep -s=keep -T=keep -t=keep -w=keep -n=keep -c=keep", remark: "has no counterpart: health: asks the program"},
	"fdmove":           {options: "-c", operands: "skip skip"},
	"redirfd":          {options: "-r -w -u -a -x -n -b", operands: "skip output"},
	"exec":             {options: "-c:clear -l -a=argv0"},
	"cd":               {operands: "dir"},
	"umask":            {operands: "umask"},
	"export":           {operands: "variable value"},
	"emptyenv":         {options: "-p -c -P", remark: "is like systemd's environment, which holds little"},
	"busybox":          {},
	"time":             {options: "-p -v -o=keep -f=keep", remark: "has no counterpart: fcgisup top and the metrics have a worker's times"},
	"catchsegv":        {remark: "has no counterpart: systemd-coredump(8) keeps what a crashed worker leaves"},
	"cgexec":           {options: "-g=note --sticky"},
}

// shells take a script with -c.
var shells = map[string]bool{"sh": true, "bash": true, "dash": true, "ash": true, "ksh": true, "mksh": true, "zsh": true}

// option is one of a wrapper's.
type option struct {
	name    string // as the table has it first
	value   bool
	meaning string
}

// option finds the one called name, "-n" or "--adjustment"; a long one may be shortened to what is unambiguous.
func (w wrapper) option(name string) (option, bool) {
	var found []option
	for entry := range strings.FieldsSeq(w.options) {
		o := option{}
		names := entry
		if i := strings.IndexAny(entry, "=:"); i >= 0 {
			names, o.value, o.meaning = entry[:i], entry[i] == '=', entry[i+1:]
		}
		for n := range strings.SplitSeq(names, "/") {
			if n == "" { // chpst's -/
				n = "-/"
			}
			if n == name {
				o.name = n
				return o, true
			}
			if len(name) > 3 && strings.HasPrefix(name, "--") && strings.HasPrefix(n, name) {
				o.name = n
				found = append(found, o)
			}
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	return option{}, false
}
