package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// TestGenInBox gives generated units to a real systemd. The apps are of the
// plain form, so that nothing but the units is on trial.
func TestGenInBox(t *testing.T) {
	inTurn(t, light)
	b := newBox(t)
	b.copyFrom(t, "../../testdata/apps/hello.pl", "/opt/apps/hello.pl", 0o755)
	t.Run("every byte arrives", b.genArrives)
	t.Run("targets", b.genTargets)
	t.Run("requires", b.genRequires)
}

// genUnits installs what gen makes of a configuration and lets systemd read it.
func (b *box) genUnits(t *testing.T, config string) {
	t.Helper()
	path := t.TempDir() + "/fcgisup.yaml"
	writeFile(t, path, config)
	out := t.TempDir()
	if got := fcgisupRun(t, "gen", "units", "--config", path, "--out", out); got.code != exitDone {
		t.Fatal(got.err)
	}
	if err := os.CopyFS(b.path("/etc/systemd/system"), os.DirFS(out+"/systemd")); err != nil {
		t.Fatal(err)
	}
	b.run(t, "systemctl", "daemon-reload")
}

// genShow writes down how it was called, NUL between the parts, and waits.
const genShow = `#!/usr/bin/perl
use Cwd;
my $out = "/run/odd/out";
open(my $f, ">", "$out.tmp") or die;
print $f join("\0", $0, getcwd(), @ARGV, map({ "$_=$ENV{$_}" } grep { /^ODD_/ } sort keys %ENV), "end");
close($f);
rename("$out.tmp", $out);
sleep 1000;
`

// genArrives checks that arguments, environment and directory reach the program as the configuration has them.
func (b *box) genArrives(t *testing.T) {
	program, folder := "/opt/o$d d%i/sh{o}w ü", "/opt/o$d d%i"
	want := []string{program, folder}
	args := []string{
		"", "-x", "@a", " two  words ", `back\slash\`, `it's "quoted"`, "%i %% %n", "$HOME ${HOME} $$ $", ";", "# no", "tab\there",
		"ü", "a=b", `\x41`, "*", `"`, `'`, `\`, "%", "~", "!", "|",
	}
	environment := map[string]string{"ODD_A": `"q" 'r' \`, "ODD_B": "$HOME ${X} %i %%", "ODD_C": "  two  ", "ODD_D": "", "ODD_E": "tab\tü;#"}
	config, err := yaml.Marshal(map[string]any{"apps": map[string]any{"odd": map[string]any{
		"command": append([]string{program}, args...), "environment": environment, "directory": folder,
		"description": `100% "odd" \`,
		"systemd":     map[string]any{"supervise": false, "sandbox": "off"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, args...)
	for _, key := range []string{"ODD_A", "ODD_B", "ODD_C", "ODD_D", "ODD_E"} {
		want = append(want, key+"="+environment[key])
	}
	b.run(t, "install", "-d", "-o", "www-data", "/run/odd")
	b.write(t, program, genShow, 0o755)
	b.genUnits(t, string(config))
	b.run(t, "systemctl", "start", "odd-fastcgi@1.service")
	defer b.logFailures(t)
	within(t, 30*time.Second, func() error {
		if !b.exists("/run/odd/out") {
			return fmt.Errorf("the program has written nothing")
		}
		return nil
	})
	got := strings.Split(b.read("/run/odd/out"), "\x00")
	if diff := cmp.Diff(append(want, "end"), got); diff != "" {
		t.Errorf("what the program saw (-want +got):\n%s", diff)
	}
	if got, want := b.property(t, "odd-fastcgi@1.service", "Description"), `100% "odd" \, FastCGI instance 1`; got != want {
		t.Errorf("Description is %q, want %q", got, want)
	}
	b.run(t, "systemctl", "stop", "odd-fastcgi@1.socket")
	if state := b.property(t, "odd-fastcgi@1.service", "ActiveState"); state != "inactive" {
		t.Errorf("the service is %s without its socket", state)
	}
}

const genTargetConfig = `apps:
  lazy: {command: [/opt/apps/hello.pl], instances: 3, systemd: {supervise: false}}
  fleet: {command: [/opt/apps/hello.pl], instances: 3, activation: fleet, systemd: {supervise: false}}
  eager: {command: [/opt/apps/hello.pl], instances: 3, activation: eager, systemd: {supervise: false}}
  tcp: {command: [/opt/apps/hello.pl], instances: 3, listen: "127.0.0.1:9100", systemd: {supervise: false}}
`

// genTargets checks what a target starts, what a first request starts, and that stopping the target leaves
// nothing, although requests go on.
func (b *box) genTargets(t *testing.T) {
	b.genUnits(t, genTargetConfig)
	tests := []struct {
		app           string
		before, after int
	}{{"lazy", 0, 1}, {"fleet", 0, 3}, {"eager", 3, 3}}
	for _, test := range tests {
		t.Run(test.app, func(t *testing.T) {
			target := test.app + "-fastcgi.target"
			b.run(t, "systemctl", "enable", "--now", "-q", target)
			b.genActive(t, test.app, 3, test.before)
			if _, err := b.ask("/run/" + test.app + "1.sock"); err != nil {
				t.Fatal(err)
			}
			b.genActive(t, test.app, 3, test.after)

			busy := startLoad(2, func() error { _, _ = b.ask("/run/" + test.app + "1.sock"); return nil })
			b.run(t, "systemctl", "stop", target)
			busy.end(t, "load while the target stops")
			b.genActive(t, test.app, 0, 0)
			// Without a supervisor, a service that a connection starts while its socket goes may be left as failed.
			if left := b.running(t, test.app+"-fastcgi*"); len(left) > 0 {
				t.Errorf("left behind: %s", left)
			}
			for n := 1; n <= 3; n++ {
				if file := fmt.Sprintf("/run/%s%d.sock", test.app, n); b.exists(file) {
					t.Errorf("%s is left behind", file)
				}
			}
		})
	}
	t.Run("tcp", func(t *testing.T) {
		b.run(t, "systemctl", "start", "tcp-fastcgi.target")
		b.genActive(t, "tcp", 3, 0)
		for n := 1; n <= 3; n++ {
			want := fmt.Sprintf("127.0.0.1:%d (Stream)", 9099+n)
			if got := b.property(t, socket("tcp", n), "Listen"); got != want {
				t.Errorf("instance %d listens on %q, want %q", n, got, want)
			}
		}
	})
}

// genActive waits for so many active sockets and services of an app.
func (b *box) genActive(t *testing.T, app string, sockets, services int) {
	t.Helper()
	within(t, 30*time.Second, func() error {
		got := [2]int{len(b.running(t, app+"-fastcgi@*.socket")), len(b.running(t, app+"-fastcgi@*.service"))}
		if want := [2]int{sockets, services}; got != want {
			return fmt.Errorf("sockets and services of %s: %v, want %v", app, got, want)
		}
		return nil
	})
}

// genRequires checks that a required unit that fails neither fails the socket nor makes systemd spin, and that the
// waiting request is answered once it is fixed.
func (b *box) genRequires(t *testing.T) {
	b.write(t, "/etc/systemd/system/base.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/test -e /run/mended\n", 0o644)
	b.genUnits(t, `apps: {need: {command: [/opt/apps/hello.pl], requires: [base.service], systemd: {supervise: false}}}`)
	b.run(t, "systemctl", "start", "need-fastcgi.target")
	answered := make(chan error, 1)
	go func() {
		_, err := b.ask("/run/need1.sock")
		answered <- err
	}()
	// RestartSec= of the plain form is restart.delay, 100 ms; each attempt logs three lines or four.
	begin, lines := time.Now(), 0
	within(t, 30*time.Second, func() error {
		log, _ := b.try("journalctl", "--no-pager", "-q", "-u", "base.service")
		if lines = strings.Count(log, "\n"); lines < 40 {
			return fmt.Errorf("%d lines about the failing unit", lines)
		}
		return nil
	})
	if took := time.Since(begin) + time.Second; lines > 5*int(took/(100*time.Millisecond)) {
		t.Errorf("%d lines about the failing unit in %v", lines, took)
	}
	if state := b.property(t, "need-fastcgi@1.socket", "ActiveState"); state != "active" {
		t.Errorf("the socket is %s", state)
	}
	b.write(t, "/run/mended", "", 0o644)
	b.run(t, "systemctl", "reset-failed", "base.service")
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(waitLimit):
		t.Errorf("no answer\n%s", b.journal("need-fastcgi@1.service"))
	}
	b.run(t, "systemctl", "stop", "base.service")
	within(t, 30*time.Second, func() error {
		if slices.Contains(b.running(t, "need-fastcgi@*.service"), "need-fastcgi@1.service") {
			return fmt.Errorf("the service runs without what it requires")
		}
		return nil
	})
}
