package foreign

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
)

const webSocket = "[Socket]\nListenStream=/run/a.sock\nSocketUser=root\nSocketGroup=root\n"

// TestUnits: instances by name, environment files, commands about the socket, specifiers.
func TestUnits(t *testing.T) {
	const spawn = "[Service]\nExecStart=/usr/bin/spawn-fcgi -n -s /run/a.sock -u web -M 0660 -- /srv/a\n"
	for _, i := range []imports{
		{
			name: "instances are users",
			text: "[Unit]\nDescription=CGI of %i on %H (%p, %N) for %q\n[Service]\nUser=%i\nGroup=%i\nWorkingDirectory=/home/%i\nExecStart=/srv/%i/a\nStandardInput=socket\n",
			more: map[string]string{
				"/etc/systemd/system/a@.socket":              "[Socket]\nListenStream=/run/a/%i.sock\nSocketUser=%i\nSocketGroup=www\n",
				"/etc/systemd/system/a@alice.socket":         "[Socket]\nListenStream=/run/a/%i.sock\nSocketUser=%i\nSocketGroup=www\n",
				"/etc/systemd/system/a@bob.service.d/x.conf": "[Service]\nMemoryMax=1G\n",
			},
			want: []string{
				"  a-alice:", "user: alice", "group: alice", "command: [/srv/alice/a]", "directory: /home/alice", "listen: /run/a/alice.sock", "user: bob", "MemoryMax: 1G",
				"description: CGI of alice on box (a, a@alice) for",
			},
			say: []string{"Description: %q is known to systemd only"},
			not: []string{"user: \"1\"", "%i"},
		},
		{
			name: "instances without names", text: "[Service]\nUser=%i\nExecStart=/srv/a\nStandardInput=socket\n", more: map[string]string{"/etc/systemd/system/a@.socket": "[Socket]\nListenStream=/run/%i.sock\n"},
			say: []string{"a@.service:2: User: %i is the instance's name", "is left out"},
		},
		{name: "numbered instances of a command", text: "[Service]\nUser=web\nExecStart=/srv/a --id %i\nStandardInput=socket\n", more: map[string]string{
			"/etc/systemd/system/a@.socket": "[Socket]\nListenStream=/run/%i.sock\n", "/x/a@1.socket": "[Socket]\nListenStream=/run/%i.sock\n", "/x/a@2.socket": "[Socket]\nListenStream=/run/%i.sock\n",
		}, want: []string{"command: [/srv/a, --id, \"1\"]", "listen: /run/2.sock"}},
	} {
		i.check(t, "/etc/systemd/system/a@.service")
	}
	for _, i := range []imports{
		{
			name: "a file that is not given", text: "[Service]\nEnvironmentFile=/etc/sysconfig/a\nUser=web\nExecStart=/srv/a $OPTS\n", more: map[string]string{"a.socket": webSocket},
			say: []string{"a.service:4: ExecStart: $OPTS is set in /etc/sysconfig/a", "is left out"},
		},
		{
			name: "a file that is given", text: "[Service]\nEnvironmentFile=-/etc/sysconfig/a\nUser=web\nExecStart=/usr/bin/spawn-fcgi $OPTS -- $PROG\n",
			more: map[string]string{"/etc/sysconfig/a": "# x\nOPTS=\"-s /run/b.sock -u web -F 3\"\nPROG=/srv/a\nPASSWORD=secret\n"},
			want: []string{"listen: /run/b.sock", "workers: 3", "environment_file: -/etc/sysconfig/a"}, not: []string{"secret", "may set it"},
		},
		{
			name: "a shell", text: "[Service]\nEnvironment=N=3\nExecStart=/bin/sh -c 'exec /usr/bin/spawn-fcgi -n -s /run/b.sock -F $N -u web -- /srv/a 2>>/var/log/x'\n",
			want: []string{"workers: 3", "command: [/srv/a]"}, say: []string{"a.service:3: >>: has no counterpart"},
		},
		{
			name: "a shell around the program", text: "[Service]\nUser=web\nStandardInput=socket\nExecStart=/bin/sh -c 'exec /srv/a $X'\n", more: map[string]string{"a.socket": webSocket},
			want: []string{"command: [/bin/sh, -c, exec /srv/a $X]"},
		},
		{
			name: "wrappers", text: "[Service]\nUser=web\nExecStart=/usr/bin/nice -n 4 /usr/bin/env A=b /usr/bin/spawn-fcgi -n -s /run/b.sock -- /srv/a\n",
			want: []string{"Nice: \"4\"", "A: b", "command: [/srv/a]"},
		},
		{
			name: "rm of the socket", text: spawn + "ExecStartPre=-/bin/rm -f /run/a.sock\nExecStartPre=/bin/mkdir -p /var/cache/a\nExecStartPost=/usr/bin/chmod 666 /run/a.sock\nExecStopPost=/bin/sh -c 'rm -f /run/*.sock'\n",
			want: []string{"ExecStartPre: +/bin/mkdir -p /var/cache/a", "mode: \"0666\""}, say: []string{"ExecStartPre: /bin/rm -f /run/a.sock: left out", "ExecStopPost: ", "gets +"}, not: []string{"ExecStartPost: /usr/bin/chmod 666 /run/a.sock\n", "ExecStopPost: /bin/sh -c 'rm -f /run/*.sock'\n"},
		},
		{
			name: "rm of something", text: "[Service]\nUser=web\nExecStart=/srv/a\nStandardInput=socket\nExecStartPre=/bin/rm -rf /run/a.d ${DIR}\nExecStartPre=/bin/sh -c 'rm -f $SOCK'\nExecStartPre=/usr/bin/find /run -name 'a.*' -delete\n", more: map[string]string{"a.socket": webSocket},
			want: []string{"ExecStartPre: /bin/rm -rf /run/a.d ${DIR}"}, say: []string{"may remove the socket", "find /run"}, not: []string{"ExecStartPre: /bin/sh -c 'rm -f $SOCK'\n"},
		},
		{
			name: "only the start as root", text: "[Service]\nUser=web\nPermissionsStartOnly=true\nExecStart=/srv/a\nStandardInput=socket\nExecStartPre=/bin/mkdir -p /run/x\n", more: map[string]string{"a.socket": webSocket},
			want: []string{"ExecStartPre: +/bin/mkdir -p /run/x"},
		},
		{name: "a name for the process", text: "[Service]\nUser=web\nExecStart=-@/srv/a a-name -x\nStandardInput=socket\n", more: map[string]string{"a.socket": webSocket}, want: []string{"command: [/srv/a, -x]"}, say: []string{"ExecStart: begins with -@, which has no counterpart"}},
		{name: "a user that does not exist", text: "[Service]\nDynamicUser=yes\nExecStart=/srv/a\nStandardInput=socket\n", more: map[string]string{"a.socket": webSocket}, say: []string{"DynamicUser: makes a user at each start"}},
		{name: "another root", text: "[Service]\nUser=web\nRootDirectory=/srv\nExecStart=/a\nStandardInput=socket\n", more: map[string]string{"a.socket": webSocket}, say: []string{"RootDirectory: no counterpart", "is left out"}},
		{name: "fcgiwrap at its own socket", text: "[Service]\nUser=web\nExecStart=/usr/sbin/fcgiwrap -s unix:/run/w.sock -c 2\n", want: []string{"listen: /run/w.sock", "command: [/usr/sbin/fcgiwrap, -c, \"2\"]"}},
	} {
		i.check(t, "/etc/systemd/system/a.service")
	}
}

// TestProtocols: HTTP servers that take a socket are not FastCGI programs.
func TestProtocols(t *testing.T) {
	refused := []string{
		"/srv/venv/bin/uvicorn --fd 0 app:app", "/usr/bin/env uvicorn app:app", "/srv/venv/bin/python -m daphne -e fd:fileno=0 app", "/srv/venv/bin/python3 /srv/venv/bin/gunicorn -b fd://0 app",
		"/usr/local/bin/chaussette --fd 0 app", "/usr/bin/bundle exec puma", "/usr/bin/poetry run hypercorn", "/usr/bin/uwsgi --socket 0", "/usr/bin/plackup -p 0", "/bin/sh -c 'exec /usr/bin/node app.js'",
		"/usr/bin/python3 manage.py runserver",
	}
	for _, command := range refused {
		imports{name: command, text: "[fcgi-program:a]\nsocket=unix:///run/a.sock\nuser=web\ncommand=" + command + "\n", say: []string{"a.conf:4: command: ", "not FastCGI", "is left out"}}.check(t, "a.conf")
	}
	for command, say := range map[string]string{
		"/srv/app --fd=0": "--fd=0 is how HTTP servers take a socket", "/usr/bin/uwsgi --ini /etc/a.ini": "unless its file says protocol = fastcgi",
		"/usr/bin/uwsgi --protocol=fastcgi": "", "/usr/bin/plackup -s FCGI app.psgi": "", "/srv/app --name thin": "",
	} {
		i := imports{name: command, text: "[fcgi-program:a]\nsocket=unix:///run/a.sock\nsocket_owner=web:web\nuser=web\ncommand=" + command + "\n", want: []string{"command: ["}}
		if say == "" {
			i.not = []string{"a.conf:5: command"}
		} else {
			i.say = []string{say}
		}
		i.check(t, "a.conf")
	}
}

// TestEnvironmentOfManagers: FPM's ${X}, supervisord's %(ENV_X)s.
func TestEnvironmentOfManagers(t *testing.T) {
	const pool = "[www]\nuser=web\nlisten=/run/a.sock\npm=static\nsecurity.limit_extensions=.php\n"
	for _, i := range []imports{
		{
			name: "known", text: pool + "pm.max_children=${COUNT}\nenv[A]=\"${HOME}/x\"\nphp_value[p]=\"${HOME}\"\nphp_value[q]='${HOME}'\nchdir=/srv/${NONE:-app}\n",
			want: []string{"workers: 7", "A: /home/web/x", "-d, p=\"/home/web\"", "'q=''${HOME}'''", "directory: /srv/app"},
			say:  []string{"pool.conf:6: pm.max_children: ${COUNT} is taken from the environment of fcgisup import", "pool.conf:7: env: ${HOME} is taken"}, not: []string{"pool.conf:9: php_value: ${HOME} is taken"},
		},
		{name: "an unknown number", text: pool + "pm.max_children=${NONE}\n", say: []string{"pool.conf:6: pm.max_children: ${NONE} is of php-fpm's environment", "is left out"}},
		{name: "an unknown user", text: "[www]\nuser=${NONE}\nlisten=/run/a.sock\npm=static\npm.max_children=2\n", say: []string{"user: ${NONE}"}},
		{name: "an unknown socket", text: "[www]\nuser=web\nlisten=/run/${NONE}.sock\npm=static\npm.max_children=2\n", say: []string{"listen: ${NONE}"}},
		{name: "something unknown", text: pool + "pm.max_children=2\nrequest_terminate_timeout=${NONE}\n", want: []string{"workers: 2"}, say: []string{"request_terminate_timeout: ${NONE}"}},
		{name: "no number", text: pool + "pm.max_children=many\n", say: []string{"\"many\" is not a number: the pool www of pool.conf is left out"}},
	} {
		i.check(t, "pool.conf")
	}
	const program = "[fcgi-program:a]\nsocket_owner=web:web\n"
	for _, i := range []imports{
		{name: "known", text: "[supervisord]\nenvironment=HOME=\"/home/web\",COUNT=\"7\"\n" + program + "command=/srv/a %(ENV_HOME)s\nuser=web\nsocket=unix:///run/%(program_name)s.sock\nnumprocs=%(ENV_COUNT)s\n", want: []string{"/home/web]", "workers: 7"}},
		{name: "the administrator's user", text: program + "command=/srv/a\nuser=%(ENV_COUNT)s\nsocket=unix:///run/a.sock\n", say: []string{"a.conf:4: user: %(ENV_COUNT) is not known here", "is left out"}},
		{name: "the administrator's home", text: program + "command=/srv/a\nuser=web\nsocket=unix:///run/a.sock\ndirectory=%(ENV_HOME)s\nenvironment=A=\"%(ENV_HOME)s\"\n", want: []string{"command: [/srv/a]"}, say: []string{"a.conf:6: directory: %(ENV_HOME)", "a.conf:7: environment: %(ENV_HOME)"}, not: []string{"/home/web"}},
		{name: "the administrator's home in the command", text: program + "command=%(ENV_HOME)s/a\nuser=web\nsocket=unix:///run/a.sock\n", say: []string{"a.conf:3: command: %(ENV_HOME)"}},
		{name: "unknown command", text: program + "command=/srv/a %(ENV_NONE)s\nuser=web\nsocket=unix:///run/a.sock\n", say: []string{"a.conf:3: command: %(ENV_NONE) is not known here", "a.conf is left out"}},
		{name: "unknown user", text: program + "command=/srv/a\nuser=%(ENV_NONE)s\nsocket=unix:///run/a.sock\n", say: []string{"a.conf:4: user: %(ENV_NONE)"}},
		{name: "unknown socket", text: program + "command=/srv/a\nuser=web\nsocket=unix:///run/%(ENV_NONE)s\n", say: []string{"a.conf:5: socket: %(ENV_NONE)"}},
		{name: "unknown number", text: program + "command=/srv/a\nuser=web\nsocket=unix:///run/a\nnumprocs=%(ENV_NONE)s\n", say: []string{"a.conf:6: numprocs: %(ENV_NONE)"}},
		{name: "no number", text: program + "command=/srv/a\nuser=web\nsocket=unix:///run/a\nnumprocs=two\n", say: []string{"a.conf:6: numprocs: \"two\" is not a number"}},
		{name: "unknown directory", text: program + "command=/srv/a\nuser=web\nsocket=unix:///run/a\ndirectory=%(ENV_NONE)s\n", want: []string{"command: [/srv/a]"}, say: []string{"directory: %(ENV_NONE)"}},
		{name: "a shell and wrappers", text: "[program:a]\ndirectory=/srv\nuser=web\ncommand=/bin/bash -c \"exec nice -n 3 spawn-fcgi -n -s /run/a.sock -- ./a\"\n", want: []string{"command: [/srv/a]", "Nice: \"3\"", "user: web"}},
	} {
		i.check(t, "a.conf")
	}
}

// TestBounds: a file of 1 MiB takes linear time and little memory, whatever is in it.
func TestBounds(t *testing.T) {
	lines := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	const pool = "user=web\nlisten=/run/%[1]d.sock\npm=static\npm.max_children=2\n"
	tests := []struct{ name, text string }{
		{"settings.conf", "[fcgi-program:x]\ncommand=/bin/true\n" + lines("k%d=1\n", 20_000)},
		{"lines.conf", "[supervisord]\n" + lines("x%d\n", 20_000)},
		{"sections.conf", lines("[fcgi-program:p%[1]d]\ncommand=/bin/true\nsocket=unix:///run/%[1]d\nuser=web\n", 3_000)},
		{"pools.conf", lines("[p%[1]d]\n"+pool, 2_000)},
		{"same.conf", lines("[p%[1]d]\n"+strings.Replace(pool, "%[1]d", "x", 1), 2_000)},
		{"name.conf", "[" + strings.Repeat("p", 100_000) + "]\nlisten=/run/x\npm=static\npm.max_children=1\nuser=web\n" + lines("env[A%d]=$pool$pool$pool\n", 1_000)},
		{"width.conf", "[fcgi-program:x]\nsocket=unix:///run/x\ncommand=/bin/true " + strings.Repeat("%(program_name)9999s", 20_000)},
		{"environment.service", "[Service]\nExecStart=/bin/true\n" + lines("Environment=A%%i=%d\n", 10_000)},
		{"keys.service", "[Service]\nExecStart=/bin/true\nUser=web\n" + lines("K%d=1\n", 20_000)},
		{"expanded.service", "[Service]\nUser=web\nEnvironment=A=" + strings.Repeat("x", 60_000) + "\nExecStart=/bin/true " + strings.Repeat("${A}", 200_000) + "\n"},
		{"specifiers.service", "[Service]\nUser=web\nExecStart=/bin/true " + strings.Repeat("%p", 400_000) + "\n"},
		{"doubling", "#!/bin/sh\nA=xxxxxxxx\n" + strings.Repeat("A=$A$A\n", 60) + "spawn-fcgi -s /run/x.sock -- /bin/true $A\n"},
		{"lists", "#!/bin/bash\nA=(a b)\n" + strings.Repeat("A=(\"${A[@]}\" \"${A[@]}\")\n", 60) + "spawn-fcgi -s /run/x.sock -- /bin/true \"${A[@]}\"\n"},
		{"endless", "#!/bin/sh\ni=0\nwhile [ $i -ge 0 ]; do i=$((i+1)); for j in 1 2 3 4 5 6 7 8 9; do :; done; done\nspawn-fcgi -s /run/x.sock -- /bin/true\n"},
		{"recursion", "#!/bin/sh\nf() { f; f; }\nf\nspawn-fcgi -s /run/x.sock -- /bin/true\n"},
		{"nested", "#!/bin/sh\n# spawn-fcgi\n" + strings.Repeat("$(", 300_000)},
		{"deep", "#!/bin/sh\n# spawn-fcgi\n" + strings.Repeat("if a; then ", 5_000) + strings.Repeat("fi;", 5_000)},
		{"loops", "#!/bin/sh\n" + strings.Repeat("while $X; do ", 40) + "spawn-fcgi -s /run/x.sock -u web -- /bin/true" + strings.Repeat("; done", 40) + "\n"},
		{"starts", "#!/bin/sh\n" + lines("spawn-fcgi -s /run/%d.sock -u web -- /bin/true\n", 2_000)},
		{"trimmed", "#!/bin/sh\nA=" + strings.Repeat("x", 500) + "\n" + strings.Repeat("B=${A##*a*a*a*a*a*b}\n", 1_000) + "spawn-fcgi -s /run/x.sock -u web -- /bin/true\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := []byte(test.text)
			text = text[:min(len(text), fcgisup.MaxConfigSize)]
			start := time.Now()
			res := Read([]Source{{Name: "/etc/" + test.name, Data: text}, {Name: "/etc/expanded.socket", Data: []byte(webSocket)}}, machine())
			whole(t, res)
			if took := time.Since(start); took > 5*time.Minute {
				t.Errorf("%v", took)
			}
			size := len(res.Text)
			for _, n := range res.Notes {
				size += len(n.String())
			}
			if len(res.Notes) > 2*maxNotes || size > 4<<20 {
				t.Errorf("%d remarks, %d bytes", len(res.Notes), size)
			}
		})
	}
}

// TestOriginals reads units and scripts of Debian's packages where they are installed.
func TestOriginals(t *testing.T) {
	const unit = "/lib/systemd/system/"
	tests := []struct {
		files []string
		want  []string
	}{
		{[]string{"/etc/init.d/fcgiwrap"}, []string{"command: [/usr/sbin/fcgiwrap, -f]", "user: www-data", "listen: /run/fcgiwrap.socket"}},
		{[]string{unit + "fcgiwrap.service", unit + "fcgiwrap.socket"}, []string{"command: [/usr/sbin/fcgiwrap, -f]", "user: www-data", "listen: /run/fcgiwrap.socket", "mode: \"0660\""}},
		{[]string{"/etc/init.d/rt5-fcgi"}, []string{"command: [/usr/share/request-tracker5/libexec/rt-server.fcgi]", "workers: 2", "listen: /run/rt5-fcgi.sock", "RT_SITE_CONFIG:", "user: www-data"}},
		{[]string{unit + "rt5-fcgi.service"}, []string{"command: [/usr/share/request-tracker5/libexec/rt-server.fcgi]", "workers: 2", "listen: /run/rt5-fcgi.sock", "user: www-data"}},
		{[]string{unit + "wwsympa.service", unit + "wwsympa.socket"}, []string{"wwsympa.fcgi]", "workers: 5", "listen: /run/sympa/wwsympa.socket", "user: sympa"}},
		{[]string{unit + "sympasoap.service", unit + "sympasoap.socket"}, []string{"sympa_soap_server.fcgi]", "workers: 2", "user: sympa"}},
		{[]string{"/usr/share/doc/munin/examples/nginx/munin-cgi-graph.init"}, []string{"command: [/usr/lib/munin/cgi/munin-cgi-graph]", "user: munin", "listen: /run/munin/munin-cgi-graph.socket"}},
		{[]string{"/usr/share/doc/munin/examples/nginx/munin-cgi-html.init"}, []string{"command: [/usr/lib/munin/cgi/munin-cgi-html]", "user: munin"}},
		{[]string{"/usr/share/doc/spawn-fcgi/run-php"}, []string{"PHP_FCGI_CHILDREN: \"2\"", "user: xxx", "listen: /run/lighttpd/php-xxx.sock"}},
		{[]string{"/usr/share/doc/spawn-fcgi/run-rails"}, []string{"RAILS_ENV: production", "command: [/path-to-rails/public/dispatch.fcgi]"}},
		{[]string{"/usr/share/doc/spawn-fcgi/run-generic"}, nil},
		{[]string{unit + "iipsrv.service"}, nil},
	}
	for _, test := range tests {
		t.Run(filepath.Base(test.files[0]), func(t *testing.T) {
			var files []Source
			for _, name := range test.files {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Skip(err)
				}
				files = append(files, Source{Name: name, Data: data})
			}
			res := Read(files, machine())
			whole(t, res)
			if (len(res.Apps) == 0) != (len(test.want) == 0) {
				t.Errorf("apps %v: %v", res.Apps, res.Notes)
			}
			for _, want := range test.want {
				if !strings.Contains(string(res.Text), want) {
					t.Errorf("not in it: %s\n%s", want, res.Text)
				}
			}
		})
	}
}
