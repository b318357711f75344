package foreign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
)

// whole fails unless the result is one that fcgisup takes, or nothing with a reason.
func whole(t *testing.T, res Result) {
	t.Helper()
	switch {
	case len(res.Text) == 0 && len(res.Apps) > 0:
		t.Fatalf("%v is not written", res.Apps)
	case len(res.Text) == 0 && len(res.Notes) == 0:
		t.Fatal("nothing, and no word why")
	case len(res.Text) > 0:
		if _, err := fcgisup.Parse("it", res.Text); err != nil {
			t.Fatalf("%v\n%s", err, res.Text)
		}
	}
}

// seed adds the cases' files of a kind.
func seed(f *testing.F, pattern string) {
	files, err := filepath.Glob("testdata/*/in/" + pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
}

func FuzzSupervisord(f *testing.F) {
	seed(f, "etc/supervisor/conf.d/*")
	f.Add("[fcgi-program:%]\ncommand=%(here)09999s\nsocket=unix:///%(ENV_X)s\n[fcgi-program:x]\ncommand='\nsocket=tcp://[::]:1")
	f.Fuzz(func(t *testing.T, text string) {
		whole(t, Read([]Source{{Name: "/etc/a.conf", Data: []byte("[supervisord]\n" + text)}}, machine()))
	})
}

func FuzzFPM(f *testing.F) {
	seed(f, "etc/php-fpm.d/*")
	f.Add("[$pool]\nuser=$pool\nlisten=$pool\npm=static\npm.max_children=99999999999\nphp_value[=\"\\\n")
	f.Fuzz(func(t *testing.T, text string) {
		whole(t, Read([]Source{{Name: "/etc/php/8.2/fpm/pool.d/a.conf", Data: []byte("[w]\n" + text)}}, machine()))
	})
}

func FuzzUnits(f *testing.F) {
	f.Add("[Socket]\nListenStream=910%i\n", "[Service]\nExecStart=-/bin/x ${A} $B %i %% \\x41\nEnvironment=A='b c'\n", uint8(3))
	f.Add("[Socket]\nListenStream=/run/%p-%i.sock\n", "[Service]\nExecStart=/usr/bin/spawn-fcgi -n -- /bin/x\nUser=%p\n", uint8(0))
	f.Fuzz(func(t *testing.T, socket, service string, instances uint8) {
		o := machine()
		o.Instances = int(instances)
		whole(t, Read([]Source{
			{Name: "/etc/systemd/system/a@.socket", Data: []byte(socket)},
			{Name: "/etc/systemd/system/a@.service", Data: []byte(service)},
		}, o))
	})
}

// fuzzed are scripts with what the follower has: branches, loops, functions, substitutions, wrappers.
var fuzzed = []string{
	"for i in 1 2; do spawn-fcgi -s /run/$i -- /bin/a; done", "f() { spawn-fcgi \"$@\"; }; f -s /run/a -- ${B:-/bin/a}",
	"case $1 in start) eval $(echo spawn-fcgi -s /a -- /b) ;; *) exit 1; esac", "while [ $((i+=1)) -lt 4 ]; do A=$A$i; done; spawn-fcgi -p 1 -- /$A",
	"su -c 'nice -n 3 spawn-fcgi -s /a -- /b' web | logger", "set -- a b; shift; spawn-fcgi -s /a -- /${1%b}/${A##*x}", "[[ $A == b* ]] && exec spawn-fcgi -n -s/a -- /b <<X\nX",
}

func FuzzScript(f *testing.F) {
	seed(f, "etc/init.d/*")
	for _, text := range fuzzed {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		whole(t, Read([]Source{{Name: "/etc/init.d/a", Data: []byte("#!/bin/sh\n# spawn-fcgi\n" + text)}, {Name: "/etc/default/a", Data: []byte("A=1")}}, machine()))
	})
}

func FuzzUpstart(f *testing.F) {
	f.Add("setuid a\nlimit nofile 1 2\nenv A=\"b\nkill timeout x\npre-start script\nend script\nscript\nspawn-fcgi -s /a \\\n-- /b\nend script")
	f.Add("start on (a\nand b)\ndescription 'x\nnice\noom score 1\nexec spawn-fcgi -s /a -- /b")
	f.Fuzz(func(t *testing.T, text string) {
		whole(t, Read([]Source{{Name: "/etc/init/a.conf", Data: []byte("respawn\n# spawn-fcgi\n" + text)}}, machine()))
	})
}

func FuzzExecline(f *testing.F) {
	f.Add("fdmove -c 2 1 if { a { b } } export A \"b\\\"c\"\nspawn-fcgi -s /a -- ${X}")
	f.Fuzz(func(t *testing.T, text string) {
		whole(t, Read([]Source{{Name: "run", Data: []byte("#!/bin/execlineb\n# spawn-fcgi\n" + text)}}, machine()))
	})
}

func FuzzCommandLine(f *testing.F) {
	f.Add("-s\n/run/x\n-F\n3\n--\n/bin/x")
	f.Add("-s\n/run/x\n--\nchpst\n-u\na:b\n-/\nx\nmultiwatch\n-f2\n/bin/x")
	f.Add("-n\n-p\n99\n--\nmultiwatch\n--forks\n2\n-s\nUSR2\n/bin/x")
	f.Fuzz(func(t *testing.T, words string) {
		whole(t, CommandLine(append([]string{"spawn-fcgi"}, strings.Split(words, "\n")...), machine()))
	})
}
