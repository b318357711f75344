package foreign

import (
	"strings"
	"testing"
)

// reading is one file, or several, and what import must make of it.
type imports struct {
	name string
	// text is of a file called run; more are others, by path.
	text string
	more map[string]string
	// want are parts of the configuration, say of the remarks; without want there must be no app.
	want, say []string
	// not must stand in neither.
	not []string
}

func (i imports) check(t *testing.T, file string) {
	t.Helper()
	t.Run(i.name, func(t *testing.T) {
		files := []Source{{Name: file, Data: []byte(i.text)}}
		for name, text := range i.more {
			files = append(files, Source{Name: name, Data: []byte(text)})
		}
		res := Read(files, machine())
		whole(t, res)
		var notes strings.Builder
		for _, n := range res.Notes {
			notes.WriteString(n.String() + "\n")
		}
		if (len(i.want) == 0) != (len(res.Apps) == 0) {
			t.Errorf("apps %v", res.Apps)
		}
		for _, want := range i.want {
			if !strings.Contains(string(res.Text), want) {
				t.Errorf("not in the configuration: %s", want)
			}
		}
		for _, say := range i.say {
			if !strings.Contains(notes.String(), say) {
				t.Errorf("no remark has: %s", say)
			}
		}
		for _, not := range i.not {
			if strings.Contains(string(res.Text)+notes.String(), not) {
				t.Errorf("must not be there: %s", not)
			}
		}
		if t.Failed() {
			t.Logf("configuration:\n%s\nremarks:\n%s", res.Text, &notes)
		}
	})
}

const sh = "#!/bin/sh\n"

// TestScripts: what a script says is taken, what it leaves open is said, and what is essential is never guessed.
func TestScripts(t *testing.T) {
	tests := []imports{
		{
			name: "comments, here-documents, quotes and other branches start nothing",
			text: sh + "# spawn-fcgi -s /run/a.sock -- /bin/a\necho \"spawn-fcgi -s /run/b.sock -- /bin/b\"\ncat <<X\nspawn-fcgi -s /run/c.sock -- /bin/c\nX\n" +
				"case \"$1\" in\nstop) spawn-fcgi -s /run/d.sock -- /bin/d ;;\nesac\nf() { spawn-fcgi -s /run/e.sock -- /bin/e; }\n",
			say: []string{"no command line of spawn-fcgi"},
		}, {
			name: "redirections are not arguments",
			text: sh + "exec 2>&1\nspawn-fcgi -n -s /run/a.sock -u web -- /srv/a --log 3 </dev/null 2>>/var/log/a.log >&2 &\n",
			want: []string{"command: [/srv/a, --log, \"3\"]"},
			say:  []string{"run:3: >>: has no counterpart", "/var/log/a.log"},
		}, {
			name: "a pipe",
			text: sh + "spawn-fcgi -n -s /run/a.sock -u web -- /srv/a 2>&1 | rotatelogs /var/log/a 86400\n",
			want: []string{"command: [/srv/a]"},
			say:  []string{"run:2: |: has no counterpart", "run:2: rotatelogs: is not taken over"},
		}, {
			name: "a list as arguments",
			text: "#!/bin/bash\nopt=(-s /run/a.sock -u web)\nopt+=(-M 0600)\nexec spawn-fcgi \"${opt[@]}\" -n -- /srv/a 'b c' \"d\\\"e\"\n",
			want: []string{"command: [/srv/a, b c, d\"e]", "mode: \"0600\""},
		}, {
			name: "a relative program in the directory of the script",
			text: sh + "cd \"$(dirname \"$0\")\" || exit 1\nexec spawn-fcgi -n -s /run/a.sock -u web -- ./a.fcgi\n",
			say:  []string{"run:3: ./a.fcgi has no absolute path"},
		}, {
			name: "a relative program in a directory",
			text: sh + "cd /srv && cd app && exec spawn-fcgi -n -s /run/a.sock -u web -- bin/a.fcgi\n",
			want: []string{"command: [/srv/app/bin/a.fcgi]", "directory: /srv/app"},
		}, {
			name: "umask, ulimit and export",
			text: sh + "umask 007\nulimit -n 4096 -c unlimited\nulimit -S -n 100\nexport LANG=C A=\"b c\"\nB=x\nC=1 spawn-fcgi -s /run/a.sock -u web -- /srv/a\n",
			want: []string{"UMask: \"0007\"", "LimitNOFILE: \"4096\"", "LANG: C", "A: b c", "C: \"1\"", "mode: \"0660\""},
			say:  []string{"run:4: ulimit: sets one of both limits", "umask: becomes UMask=0007"},
			not:  []string{"B: x"},
		}, {
			name: "an environment that is not known",
			text: sh + "export LIB=$LIB:/opt/lib SEARCH=$HOME/x\nspawn-fcgi -s /run/a.sock -u web -- /srv/a\n",
			want: []string{"command: [/srv/a]"},
			say:  []string{"LIB: $LIB is not set in the script", "SEARCH: $HOME"},
		}, {
			name: "a file that is read",
			text: sh + "PROG=/srv/a\n[ -f /etc/default/a ] && . /etc/default/a\nspawn-fcgi -s /run/a.sock -u web -F ${COUNT:-2} -- $PROG\n",
			want: []string{"command: [/srv/a]", "workers: 2"},
			say:  []string{"run:3: /etc/default/a: is read by the script", "$COUNT: is taken to be 2"},
		}, {
			name: "a file that is given",
			text: sh + "PROG=/srv/a\nif [ -r /etc/default/a ]; then . /etc/default/a; fi\nspawn-fcgi -s /run/a.sock -u web -F ${COUNT:-2} -- $PROG\n",
			more: map[string]string{"/etc/default/a": "PROG='/srv/b -x'\nCOUNT=7\n"},
			want: []string{"command: [/srv/b, -x]", "workers: 7"},
			not:  []string{"default/a"},
		}, {
			name: "a file that says no",
			text: sh + "[ -r /etc/default/a ] && . /etc/default/a\n[ \"$ENABLED\" = 0 ] && exit 0\nspawn-fcgi -s /run/a.sock -u web -- /srv/a\n",
			more: map[string]string{"/etc/default/a": "ENABLED=0\n"},
			say:  []string{"or the script starts none"},
		}, {
			name: "branches that agree",
			text: sh + "if [ -n \"$X\" ]; then A=/srv/a; else A=/srv/a; fi\nspawn-fcgi -s /run/a.sock -u web -- $A\n",
			want: []string{"command: [/srv/a]"},
		}, {
			name: "branches that differ",
			text: sh + "A=/srv/a\n[ -z \"$X\" ] || A=/srv/b\nspawn-fcgi -s /run/a.sock -u web -- $A\n",
			say:  []string{"run:4: $A is set in one way or another after line 3"},
		}, {
			name: "a branch that is decided",
			text: sh + "N=4\nif test \"x$N\" = x; then exit 1; elif [ $N -gt 1 ]; then W=\"-F $N\"; else W=; fi\nspawn-fcgi -s /run/a.sock -u web $W -- /srv/a\n",
			want: []string{"workers: 4"},
		}, {
			name: "which program starts is not known",
			text: sh + "if [ -n \"$X\" ]; then spawn-fcgi -s /run/a.sock -u web -- /srv/a; else spawn-fcgi -s /run/b.sock -u web -- /srv/b; fi\n",
			say:  []string{"which program is started depends on the condition in line 2"},
		}, {
			name: "a start that depends on something",
			text: sh + "[ -x /srv/a ] && spawn-fcgi -s /run/a.sock -u web -- /srv/a\n",
			want: []string{"command: [/srv/a]"},
			say:  []string{"whether the script starts it depends on the command before it in line 2"},
		}, {
			name: "two programs on one socket",
			text: sh + "spawn-fcgi -s /run/a.sock -u web -- /srv/a\nspawn-fcgi -s /run/a.sock -u web -- /srv/b\n",
			say:  []string{"both are left out"},
		}, {
			name: "numbers become instances",
			text: sh + "for n in 1 2 3; do spawn-fcgi -s /run/a-$n.sock -u web -- /srv/a & done\n",
			want: []string{"instances: 3", "listen: /run/a-%i.sock"},
		}, {
			name: "ports become instances",
			text: sh + "n=0\nwhile [ $n -lt 3 ]; do\nspawn-fcgi -a 127.0.0.1 -p $((9100 + n)) -u web -- /srv/a\nn=$((n+1))\ndone\n",
			want: []string{"instances: 3", "listen: 127.0.0.1:9100"},
		}, {
			name: "a loop over what is not a range",
			text: sh + "for n in blog shop; do spawn-fcgi -s /run/$n.sock -u $n -- /srv/$n/app; done\n",
			want: []string{"listen: /run/blog.sock", "user: blog", "command: [/srv/shop/app]", "app-2:"},
		}, {
			name: "a loop over something unknown",
			text: sh + "for n in $(cat /etc/sites) ; do spawn-fcgi -s /run/$n.sock -u web -- /srv/a; done\n",
			say:  []string{"run:2: $n is from a list that is not known"},
		}, {
			name: "a loop that counts to something unknown",
			text: sh + "n=1\nwhile [ $n -le $MAX ]; do spawn-fcgi -s /run/a$n.sock -u web -- /srv/a; n=$((n+1)); done\n",
			say:  []string{"run:3: $n changes in the loop in line 3"},
		}, {
			name: "a loop that starts it again and again",
			text: sh + "while :; do spawn-fcgi -n -s /run/a.sock -u web -- /srv/a; sleep 1; done\n",
			want: []string{"command: [/srv/a]"},
		}, {
			name: "a function with arguments",
			text: sh + "launch() {\n local port=$1; shift\n spawn-fcgi -a 127.0.0.1 -p \"$port\" -u web -- \"$@\"\n}\nport=1\nlaunch 9001 /srv/a -x\nlaunch 9005 /srv/b\n",
			want: []string{"listen: 127.0.0.1:9001", "command: [/srv/a, -x]", "listen: 127.0.0.1:9005"},
		}, {
			name: "eval and echo",
			text: sh + "ARGS=\"-s '/run/a b.sock'\"\neval $(echo env -i A=b spawn-fcgi $ARGS -u web -- /srv/a)\n",
			want: []string{"listen: /run/a b.sock", "A: b"},
		}, {
			name: "a shell in the shell",
			text: sh + "su web -s /bin/bash -c 'cd /srv; exec spawn-fcgi -s /run/a.sock -- ./a'\n",
			want: []string{"user: web", "command: [/srv/a]"},
		}, {
			name: "what changes the socket afterwards",
			text: sh + "spawn-fcgi -s /var/run/a.sock -u web -- /srv/a\nchmod 0666 /run/a.sock && chown www:www /var/run/a.sock\nnginx -g 'daemon off;'\n",
			want: []string{"mode: \"0666\"", "user: www", "group: www"},
			say:  []string{"run:3: chmod: becomes socket.mode", "run:4: nginx: is not taken over"},
		}, {
			name: "set in positions",
			text: sh + "set -- -s /run/a.sock -u web\n[ -n \"$DEBUG\" ] && set -x\nexec spawn-fcgi -n \"$@\" -- /srv/a\n",
			want: []string{"listen: /run/a.sock"},
		}, {
			name: "parts of a text",
			text: sh + "F=/srv/app/web.fcgi\nB=${F##*/}; N=${B%.fcgi}\nspawn-fcgi -s /run/$N.sock -u web -- \"${F%/*}/$(basename $F)\"\n",
			want: []string{"listen: /run/web.sock", "command: [/srv/app/web.fcgi]"},
		}, {
			name: "a line for a shell",
			text: sh + "export D=/srv\nspawn-fcgi -s /run/a.sock -u web -f '$D/a \"b c\" \\$x # no' \nspawn-fcgi -s /run/b.sock -u web -f '/srv/b 2>>/var/log/b'\n",
			want: []string{"command: [/srv/a, b c, $x]", "command: [/srv/b]"},
			say:  []string{"run:4: >>: has no counterpart", "/var/log/b"},
		}, {
			name: "a comment ends a continued command",
			text: sh + "spawn-fcgi -n -s /run/a.sock -u web -- /srv/a \\\n  # first \\\n  # second \\\n  --verbose # x\n",
			want: []string{"command: [/srv/a]"}, say: []string{"run:5: --verbose: is not taken over"},
		}, {
			name: "a comment behind a word ends its command",
			text: sh + "exec spawn-fcgi -n -s /run/a.sock -u web -- /srv/a -x#y # no \\\n  --verbose\n",
			want: []string{"command: [/srv/a, -x#y]"},
		}, {
			name: "a comment takes no fi",
			text: sh + "A='# \\\n'\nif true; then\nspawn-fcgi -n -s /run/a.sock -u web -- /srv/a\n# why \\\nfi\n",
			want: []string{"command: [/srv/a]"},
		}, {
			name: "a start behind a condition that leaves",
			text: sh + "[ \"$MODE\" = prod ] || exit 0\nspawn-fcgi -s /run/a.sock -u web -- /srv/a\n",
			want: []string{"command: [/srv/a]"}, say: []string{"run:3: whether the script starts it depends on the command before it in line 2"},
		}, {
			name: "a start behind a condition of if that leaves",
			text: sh + "if [ \"$MODE\" = test ]; then exit; fi\n(spawn-fcgi -s /run/a.sock -u web -- /srv/a)\n",
			want: []string{"command: [/srv/a]"}, say: []string{"run:3: whether the script starts it depends on the condition in line 2"},
		}, {
			name: "a function that leaves",
			text: sh + "f() {\n[ -n \"$X\" ] && return\nspawn-fcgi -s /run/a.sock -u web -- /srv/a\n}\nf\nspawn-fcgi -s /run/b.sock -u web -- /srv/b\n",
			want: []string{"command: [/srv/a]", "command: [/srv/b]"}, say: []string{"run:4: whether the script starts it depends on the command before it in line 3"}, not: []string{"run:7: whether"},
		}, {
			name: "workers of workers",
			text: sh + "spawn-fcgi -F 2 -s /run/a.sock -u web -- multiwatch -f 4 -- /srv/a\n",
			want: []string{"workers: 8"},
		}, {
			name: "patterns of files",
			text: sh + "spawn-fcgi -s /run/a.sock -u web -- /srv/*.fcgi\n",
			say:  []string{"run:2: /srv/*.fcgi is a pattern of file names"},
		}, {
			name: "a script that no shell takes",
			text: sh + "spawn-fcgi -s /run/a.sock -u web -- /srv/a\nif true; then\n",
			say:  []string{"run:3: cannot be read as a shell script"},
		}, {
			name: "another language",
			text: "#!/usr/bin/perl\nsystem('spawn-fcgi -s /run/a.sock -- /srv/a');\n",
			say:  []string{"run:1: is a script of perl"},
		},
	}
	for _, unknown := range []string{
		"-s /run/$X.sock -u web -- /srv/a", "-p $X -u web -- /srv/a", "-s /run/a.sock -u $X -- /srv/a", "-s /run/a.sock -u web -g $X -- /srv/a",
		"-s /run/a.sock -u web -F $X -- /srv/a", "-s /run/a.sock -u web -C $X -- /srv/a", "-s /run/a.sock -u web -U $X -- /srv/a",
		"-s /run/a.sock -u web -M $X -- /srv/a", "-s /run/a.sock -u web -- $X", "-s /run/a.sock -u web -- /srv/a $X", "-s /run/a.sock -u web -- /srv/$X/a",
		"-s /run/a.sock $X -u web -- /srv/a", "-s /run/a.sock -u web -- /srv/a $(hostname)", "-s /run/a.sock -u web -- /srv/a `date` $X", "-s /run/a.sock -u web -- ~/a",
		"-s /run/a.sock -u web -- /srv/a <(cat /etc/x)", "-s /run/a.sock -u web -f \"$X\"", "-a $X -p 9000 -u web -- /srv/a",
		"-s /run/a.sock -u web -f '/srv/a | logger'", "-s /run/a.sock -u web -f '/srv/a &'", "-s /run/a.sock -u web -f '/srv/a; /srv/b'", "-s /run/a.sock -u web -f '$HOME/a'",
		"-s /run/a.sock -u web -f '/srv/a `date`'", "-s /run/a.sock -u web -f '/srv/*.fcgi'", "-s /run/a.sock -u web -f '/srv/a && /srv/b'", "-s /run/a.sock -u web -f '-a x /srv/a'",
		"-s /run/a.sock -u web -f '/srv/a \"'", "-s /run/a.sock -u web -f '(/srv/a)'", "-s /run/a.sock -u web -f '/srv/a <(date)'", "-s /run/a.sock -u web -f '~/a'", "-s /run/a.sock -u web -f '# x'",
		"-s /run/a.sock -u '' -- /srv/a", "-s /run/a.sock -u web -g \"\" -- /srv/a", "-s /run/a.sock -u web -F 99999999 -- /srv/a",
		"-s /run/a.sock -u web -- multiwatch -f $X -- /srv/a", "-s /run/a.sock -u web -F two -- /srv/a", "-p http -u web -- /srv/a",
	} {
		tests = append(tests, imports{name: "unknown: " + unknown, text: sh + "exec spawn-fcgi -n " + unknown + "\n", say: []string{"run:2: ", "is left out"}})
	}
	for _, i := range tests {
		i.check(t, "run")
	}
}

// TestWrappers: what stands before spawn-fcgi is taken over, kept, remarked on or refused.
func TestWrappers(t *testing.T) {
	tests := []imports{
		{text: "nice -n 10", want: []string{"Nice: \"10\""}},
		{text: "nice -7", want: []string{"Nice: \"7\""}},
		{text: "nice --adj=3", want: []string{"Nice: \"3\""}},
		{text: "ionice -c3", want: []string{"IOSchedulingClass: idle"}},
		{text: "ionice -c 2 -n 7", want: []string{"IOSchedulingPriority: \"7\""}},
		{text: "taskset -c 0,2", want: []string{"CPUAffinity: 0,2"}},
		{text: "taskset 0x5", want: []string{"CPUAffinity: 0 2"}},
		{text: "chrt -f 20", want: []string{"CPUSchedulingPolicy: fifo", "CPUSchedulingPriority: \"20\""}},
		{text: "chrt --batch 0", want: []string{"CPUSchedulingPolicy: batch"}},
		{text: "prlimit --nofile=9000:10000", want: []string{"LimitNOFILE: 9000:10000"}},
		{text: "softlimit -m 1000 -o 20", want: []string{"LimitAS: \"1000\"", "LimitNOFILE: \"20\""}},
		{text: "/usr/bin/numactl --interleave=all", want: []string{"command: [/usr/bin/numactl, --interleave=all, /srv/a]"}, say: []string{"numactl: is kept"}},
		{text: "/usr/bin/xvfb-run -a -s '-screen 0 8x8x24'", want: []string{"command: [/usr/bin/xvfb-run, -a, -s, -screen 0 8x8x24, /srv/a]"}, say: []string{"xvfb-run: is kept"}},
		{text: "/usr/bin/stdbuf -oL", want: []string{"command: [/usr/bin/stdbuf, -oL, /srv/a]"}},
		{text: "nohup", want: []string{"command: [/srv/a]"}, say: []string{"nohup: is not needed"}},
		{text: "setsid -w", want: []string{"command: [/srv/a]"}, say: []string{"setsid: "}},
		{text: "timeout -k 5 3600", want: []string{"command: [/srv/a]"}, say: []string{"timeout: has no counterpart"}},
		{text: "tini --", want: []string{"command: [/srv/a]"}, say: []string{"tini: "}},
		{text: "env -i A=b C='d e'", want: []string{"A: b", "C: d e"}, say: []string{"env: an empty environment"}},
		{text: "env -u X -C /srv", want: []string{"directory: /srv"}, say: []string{"env: -u X"}},
		{text: "envdir ./env", want: []string{"command: [/srv/a]"}, say: []string{"envdir: the variables in ./env"}},
		{text: "envuidgid www", want: []string{"command: [/srv/a]"}, say: []string{"UID and GID"}},
		{text: "setuidgid www", want: []string{"user: www\n"}},
		{text: "s6-setuidgid www:web", want: []string{"user: www\n", "group: web\n"}},
		{text: "gosu www:web", want: []string{"user: www\n", "group: web\n"}},
		{text: "chpst -u www:web:more -n 3 -o 99 -C /srv -e env", want: []string{"user: www\n", "group: web\n", "Nice: \"3\"", "LimitNOFILE: \"99\"", "directory: /srv"}, say: []string{"groups more"}},
		{text: "sudo -u www -g web -E A=b --", want: []string{"user: www\n", "group: web\n", "A: b"}},
		{text: "runuser -u www --", want: []string{"user: www\n"}},
		{text: "setpriv --reuid=www --regid=web --init-groups --no-new-privs", want: []string{"user: www\n", "group: web\n", "NoNewPrivileges: yes"}},
		{text: "start-stop-daemon -S -b -m -p /run/a.pid -c www:web -N 4 -k 007 -d /srv -I idle -P batch --", want: []string{"user: www\n", "Nice: \"4\"", "UMask: \"0007\"", "directory: /srv", "IOSchedulingClass: idle", "CPUSchedulingPolicy: batch"}},
		{text: "daemon --user=www +5 --pidfile=/run/a.pid", want: []string{"user: www\n", "Nice: \"5\""}},
		{text: "busybox nice", want: []string{"command: [/srv/a]"}},
		{text: "nice ionice -c3 setuidgid www", want: []string{"user: www\n", "IOSchedulingClass: idle"}},
		{text: "chroot /srv/jail", say: []string{"chroot has no counterpart"}},
		{text: "chpst -/ /srv/jail", say: []string{"chpst has no counterpart"}},
		{text: "unshare -n", say: []string{"unshare"}},
		{text: "nice", want: []string{"Nice: \"10\""}},
		{text: "nice --", want: []string{"Nice: \"10\""}},
		{text: "chpst -u :1000:1001", want: []string{"user: \"1000\"\n", "group: \"1001\"\n"}},
		{text: "setuidgid :1000:1000:5", want: []string{"user: \"1000\"\n"}, say: []string{"groups 5"}},
		{text: "setuidgid :1000", say: []string{"does not name a user and a group by number", "is left out"}},
		{text: "chpst -u :web:web", say: []string{"does not name a user and a group by number"}},
		{text: "s6-setuidgid :7:7", say: []string{"does not name a user and a group by number"}},
		{text: "gosu :web", say: []string{"does not name both a user and a group"}},
		{text: "su-exec web:", say: []string{"does not name both a user and a group"}},
		{text: "sudo -u ''", say: []string{"sudo names an empty user or group", "is left out"}},
		{text: "sudo --group=", say: []string{"sudo names an empty user or group"}},
		{text: "catchsegv", want: []string{"command: [/srv/a]"}, say: []string{"run:2: catchsegv: has no counterpart"}},
		{text: "time -p", want: []string{"command: [/srv/a]"}, say: []string{"run:2: time: has no counterpart"}},
		{text: "chpst -L /run/x -l /run/y -b php -P -0", want: []string{"command: [/srv/a]"}, say: []string{"lock /run/x", "lock /run/y", "name \"php\"", "nothing is closed"}},
		{text: "frob -x", say: []string{"frob stands before spawn-fcgi"}},
		{text: "nice --frob 3", say: []string{"--frob is not an option of nice"}},
		{text: "setuidgid $WHO", say: []string{"$WHO is not set"}},
		{text: "sudo -u $WHO", say: []string{"$WHO is not set"}},
		{text: "nice $LEVEL", say: []string{"$LEVEL is not set"}},
		{text: "nice -n \"$LEVEL\"", want: []string{"command: [/srv/a]"}, say: []string{"nice: $LEVEL is not set in the script: left out"}},
		{text: "env -S 'a b'", say: []string{"-S is not an option of env"}},
		{text: "start-stop-daemon --test -S -x /bin/x --", say: []string{"no command line"}},
	}
	for _, i := range tests {
		i.name = i.text
		i.text = sh + "exec " + i.text + " spawn-fcgi -n -s /run/a.sock -M 0600 -U root -G root -- /srv/a\n"
		if strings.Contains(i.name, "start-stop-daemon -S -b") {
			i.text = strings.Replace(i.text, "start-stop-daemon", "start-stop-daemon -x /usr/bin/spawn-fcgi", 1)
			i.text = strings.Replace(i.text, " spawn-fcgi -n", " -n", 1)
		}
		i.check(t, "run")
	}
}

// TestUpstart: the stanzas of a job are taken over or remarked on, and its user and group are essential.
func TestUpstart(t *testing.T) {
	t.Parallel()
	const start = "\nexec spawn-fcgi -n -s /run/a.sock -M 0600 -- ./a\n"
	for _, i := range []imports{
		{
			name: "exec", text: "# it's \\\ndescription \"a b\"\nstart on (filesystem\n  and net-device-up)\nrespawn\nsetuid web\nsetgid adm\nchdir /srv\numask 027\nnice 5\n" +
				"kill timeout 20\nkill signal INT\nenv A=\"b c\"\nlimit nofile 4096 unlimited\noom score never\npre-start exec mkdir /run/a" + start,
			want: []string{
				"user: web\n", "group: adm\n", "directory: /srv\n", "description: a b\n", "UMask: \"0027\"", "Nice: \"5\"", "stop_timeout: 20s", "stop_signal: SIGINT", "A: b c",
				"LimitNOFILE: 4096:infinity", "OOMScoreAdjust: \"-1000\"", "command: [/srv/a]",
			},
			say: []string{"run:3: start: no counterpart", "run:5: respawn: no counterpart", "run:16: pre-start: is not taken over"},
			not: []string{"root", "run:4"},
		},
		{
			name: "script", text: "setuid web\nconsole log\npre-start script\n  spawn-fcgi -s /run/b.sock -- /srv/b\nend script\nscript\n  cd /srv" + start + "end script\n",
			want: []string{"user: web\n", "command: [/srv/a]", "stop_timeout: 5s"}, say: []string{"run:2: console: no counterpart"}, not: []string{"/srv/b"},
		},
		{name: "no user", text: "respawn\nchdir /srv" + start, want: []string{"user: root"}, say: []string{"run:3: -u: is not set"}},
		{name: "a user that is not one", text: "setuid $X\nchdir /srv" + start, say: []string{"is not a user or group name", "is left out"}},
		{name: "another root directory", text: "respawn\nchroot /srv\nchdir /" + start, say: []string{"chroot has no counterpart", "is left out"}},
	} {
		i.check(t, "run")
	}
}

// TestOtherScripts: s6's execline, OpenRC, Debian's init-d-script, and programs that make their sockets themselves.
func TestOtherScripts(t *testing.T) {
	for _, i := range []imports{
		{
			name: "execline",
			text: "#!/command/execlineb -P\nfdmove -c 2 1\n# spawn-fcgi -s /never\ns6-setuidgid www\nif { mkdir -p /run/a }\nexport A \"b c\"\ncd /srv\n" +
				"umask 007\nspawn-fcgi -n -s /run/a.sock -- \"./a b\" -x\n",
			want: []string{"command: [/srv/a b, -x]", "user: www", "A: b c", "UMask: \"0007\"", "directory: /srv"},
			say:  []string{"run:5: if: its block is not taken over"},
		},
		{
			name: "Red Hat's function",
			text: sh + ". /etc/rc.d/init.d/functions\nOPT=\"-s /run/a.sock -F 2 -P /x -- /srv/a\"\nstart() { daemon --user=www \"/usr/bin/spawn-fcgi $OPT >/dev/null\"; }\ncase \"$1\" in start) start ;; esac\n",
			want: []string{"user: www", "command: [/srv/a]", "workers: 2"},
		},
		{name: "execline variables", text: "#!/command/execlineb\nimportas P PORT\nspawn-fcgi -n -p ${P} -- /srv/a\n", say: []string{"importas stands before spawn-fcgi"}},
		{
			name: "with-contenv", text: "#!/command/with-contenv bash\nexec s6-setuidgid www spawn-fcgi -n -s /run/a.sock -- /srv/a\n",
			want: []string{"user: www"},
		},
		{
			name: "OpenRC's function",
			text: "#!/sbin/openrc-run\ndepend() { need net; }\nstart() {\n ebegin x\n start-stop-daemon --start --exec /usr/bin/spawn-fcgi --user www:web -- -s /run/a.sock -F 2 -- /srv/a\n eend $?\n}\n",
			want: []string{"user: www", "group: web", "workers: 2"},
		},
		{
			name: "OpenRC's variables", text: "#!/sbin/openrc-run\ncommand=/usr/bin/spawn-fcgi\ncommand_user=www\ncommand_args=\"-n -s /run/a.sock -- /srv/a\"\n",
			want: []string{"user: www", "command: [/srv/a]"},
		},
		{
			name: "OpenRC's other variables",
			text: "#!/sbin/openrc-run\ncommand=/usr/bin/spawn-fcgi\ncommand_user=www:web\ndirectory=/srv/d\numask=027\nSSD_NICELEVEL=7\nrc_ulimit=\"-n 4096\"\nstart_stop_daemon_args=\"--env 'A=b c' --ionice 3\"\n" +
				"output_log=/var/log/o\nerror_log=/var/log/e\nretry=TERM/5\nrequired_files=/etc/x\ncommand_args=\"-n -s /run/a.sock -- '/srv/a b'\"\n" +
				"depend() { need net; }\nstart_pre() {\n checkpath -d /run/x\n export LANG=C\n}\nstart_post() { chmod 0666 /run/a.sock; }\n",
			want: []string{"user: www", "group: web", "directory: /srv/d", "UMask: \"0027\"", "Nice: \"7\"", "LimitNOFILE: \"4096\"", "A: b c", "IOSchedulingClass: idle", "command: [/srv/a b]", "LANG: C", "mode: \"0666\""},
			say:  []string{"run:2: start-stop-daemon: what workers print is in the journal, not in /var/log/o", "/var/log/e", "run:11: retry: ", "run:12: required_files: ", "run:14: depend: ", "run:16: checkpath: is not taken over"},
		},
		{
			name: "OpenRC's chroot", text: "#!/sbin/openrc-run\ncommand=/usr/bin/spawn-fcgi\nchroot=/srv/jail\ncommand_args=\"-n -s /run/a.sock -- /srv/a\"\n",
			say: []string{"run:2: start-stop-daemon has no counterpart", "is left out"},
		},
		{
			name: "OpenRC's supervisor", text: "#!/sbin/openrc-run\nsupervisor=supervise-daemon\ncommand=/usr/bin/spawn-fcgi\ncommand_user=www\nrespawn_delay=5\nsupervise_daemon_args=\"--nicelevel 3 --chdir /srv\"\ncommand_args=\"-s /run/a.sock\"\ncommand_args_foreground=\"-n -- /srv/a\"\n",
			want: []string{"user: www", "Nice: \"3\"", "directory: /srv", "command: [/srv/a]"}, say: []string{"run:5: respawn_delay: "},
		},
		{
			name: "OpenRC's unknowns", text: "#!/sbin/openrc-run\ncommand=/usr/bin/spawn-fcgi\ncommand_user=$WHO\ncommand_args=\"-n -s /run/a.sock -- /srv/a\"\n",
			say: []string{"run:2: $WHO is not set", "is left out"},
		},
		{
			name: "OpenRC's start by its own", text: "#!/sbin/openrc-run\ncommand=/usr/bin/spawn-fcgi\ndirectory=/srv\ncommand_user=www\ncommand_args=\"-n -s /run/a.sock -- /srv/a\"\nstart() {\n mkdir -p /x\n default_start\n}\n",
			want: []string{"user: www", "command: [/srv/a]"}, say: []string{"run:7: mkdir: is not taken over"},
		},
		{
			name: "Debian's variables", text: "#!/usr/bin/env /lib/init/init-d-script\nDAEMON=/usr/bin/spawn-fcgi\nDAEMON_ARGS=\"-s /run/a.sock -u www -- /srv/a\"\n",
			want: []string{"user: www", "command: [/srv/a]"},
		},
		{name: "fcgiwrap", text: sh + "su-exec www fcgiwrap -f -s unix:/run/a.sock -c 3 &\n", want: []string{"listen: /run/a.sock", "user: www", "-f, -c, \"3\"]"}, say: []string{"fcgiwrap is taken to be /usr/bin/fcgiwrap"}},
		{name: "php-cgi", text: sh + "PHP_FCGI_CHILDREN=3 exec /usr/bin/php-cgi -b 127.0.0.1:9000 -c /etc/php.ini\n", want: []string{"command: [/usr/bin/php-cgi, -c, /etc/php.ini]", "listen: 127.0.0.1:9000", "PHP_FCGI_CHILDREN: \"3\""}},
		{name: "php-cgi at an unknown port", text: sh + "exec /usr/bin/php-cgi -b 127.0.0.1:$PORT\n", say: []string{"$PORT is not set"}},
	} {
		i.check(t, "run")
	}
}
