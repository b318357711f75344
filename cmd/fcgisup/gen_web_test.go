package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/engine"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/webserver"
)

// otherKinds are the kinds of gen that it does only when asked, each a directory.
func otherKinds() []string {
	var kinds []string
	for _, kind := range webserver.Kinds {
		kinds = append(kinds, string(kind))
	}
	for _, kind := range engine.Kinds {
		kinds = append(kinds, string(kind))
	}
	return kinds
}

// genOthers renders each of them into dir, and writes to DIR/KIND/notes.txt what it says.
func genOthers(t *testing.T, dir string) {
	t.Helper()
	for _, kind := range otherKinds() {
		args := []string{"gen", kind, "--out", dir}
		if more := moreFlags(t, kind); more != "" {
			args = append(args, strings.Fields(more)...)
		}
		got := fcgisupRun(args...)
		said, _, _ := strings.Cut(got.err, "hint: ")
		if said == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Join(dir, kind), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, kind, "notes.txt"), fmt.Sprintf("exit %d\n%s", got.code, said))
	}
}

// moreFlags are those that a story has for a kind, in a line "# gen KIND FLAGS".
func moreFlags(t *testing.T, kind string) string {
	t.Helper()
	story, err := os.ReadFile(fcgisup.LocalConfig)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(story)) {
		if flags, ok := strings.CutPrefix(line, "# gen "+kind+" "); ok {
			return flags
		}
	}
	return ""
}

// webChecks are how each web server reads a file of its kind without starting.
var webChecks = map[webserver.Kind]struct {
	program string
	config  string // FILE is the rendered one, DIR a directory
	argv    []string
}{
	webserver.Apache: {"/usr/sbin/apache2", `ServerRoot DIR
PidFile DIR/pid
ErrorLog /dev/stderr
ServerName localhost
Listen 127.0.0.1:80
MODULES
<VirtualHost *:80>
	Include FILE
</VirtualHost>
`, []string{"-t", "-f"}},
	webserver.Caddy: {"/usr/bin/caddy", "http://localhost:8080 {\n\timport FILE\n}\n", []string{"adapt", "--validate", "--adapter", "caddyfile", "--config"}},
	webserver.HAProxy: {"/usr/sbin/haproxy", `defaults
	mode http
	timeout client 1m
frontend all
	bind 127.0.0.1:80
	BACKENDS
`, []string{"-c", "-q", "-f", "FILE", "-f"}},
	webserver.Lighttpd: {"/usr/sbin/lighttpd", `server.document-root = "/var/www/html"
server.modules = ( "mod_fastcgi" )
include "FILE"
`, []string{"-tt", "-f"}},
}

// apacheModules are those that a rendered file asks for, and what they need.
func apacheModules() string {
	var lines []string
	for _, m := range []string{
		"mpm_event", "authz_core", "alias", "dir", "headers", "proxy", "proxy_fcgi", "slotmem_shm", "proxy_balancer", "lbmethod_bybusyness", "lbmethod_byrequests",
	} {
		lines = append(lines, "LoadModule "+m+"_module /usr/lib/apache2/modules/mod_"+m+".so")
	}
	return strings.Join(lines, "\n")
}

// TestCasesWeb lets each web server read what is rendered for it.
func TestCasesWeb(t *testing.T) {
	for _, kind := range webserver.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			check := webChecks[kind]
			needFiles(t, check.program)
			eachCase(t, func(t *testing.T, name string) {
				dir := t.TempDir()
				got := fcgisupRun("gen", string(kind), "--out", dir)
				if got.code != term.ExitDone {
					if name != "odd-names" {
						t.Fatal(got.err)
					}
					return
				}
				files, err := filepath.Glob(filepath.Join(dir, string(kind), "*"))
				if err != nil || len(files) == 0 {
					t.Fatalf("%v, %v", files, err)
				}
				for _, file := range files {
					// Debian's packages of Caddy and HAProxy differ in what they know of each other's files: each is read alone.
					text := strings.NewReplacer("DIR", dir, "FILE", file, "MODULES", apacheModules(), "BACKENDS", backendOf(t, file)).Replace(check.config)
					config := filepath.Join(dir, "config")
					writeFile(t, config, text)
					argv := strings.Fields(strings.ReplaceAll(strings.Join(check.argv, " "), "FILE", file))
					out, err := exec.Command(check.program, append(argv, config)...).CombinedOutput()
					if said := strings.ToLower(string(out)); err != nil || strings.Contains(said, "warn") && kind != webserver.Caddy {
						t.Errorf("%s: %v\n%s\n%s", filepath.Base(file), err, out, text)
					}
				}
			})
		})
	}
}

// backendOf is the line that a file for HAProxy asks the administrator to copy, empty for others.
func backendOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, backend, ok := strings.Cut(strings.TrimSpace(line), "use_backend "); ok {
			return "use_backend " + backend
		}
	}
	return ""
}

// TestDocsWebServers has each server read what docs/web-servers.md shows of its configuration, with the file rendered for
// the page's app in place.
func TestDocsWebServers(t *testing.T) {
	text, err := os.ReadFile("../../docs/web-servers.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for kind, config := range map[webserver.Kind]string{
		webserver.Apache:   "ServerRoot DIR\nPidFile DIR/pid\nErrorLog /dev/stderr\nServerName localhost\nListen 127.0.0.1:80\nMODULES\nSHOWN",
		webserver.Caddy:    "SHOWN",
		webserver.HAProxy:  "SHOWN",
		webserver.Lighttpd: "SHOWN",
	} {
		check := webChecks[kind]
		needFiles(t, check.program)
		dir := t.TempDir()
		writeFile(t, dir+"/fcgisup.yaml", blocks(page, "yaml")[0])
		gen(t, string(kind), "--config", dir+"/fcgisup.yaml", "--out", dir)
		file := filepath.Join(dir, webserver.Path(kind, "hello"))
		place, _ := webserver.Installed(webserver.Path(kind, "hello"))
		if !strings.Contains(page, "`"+place+"`") {
			t.Errorf("the page does not say that the file belongs at %s", place)
		}
		shown := strings.ReplaceAll(blocks(page, string(kind))[0], place, file)
		if kind == webserver.HAProxy && !strings.Contains(shown, backendOf(t, file)) {
			t.Errorf("the page shows another line than %q", backendOf(t, file))
		}
		config = strings.NewReplacer("DIR", dir, "MODULES", apacheModules(), "SHOWN", shown).Replace(config)
		writeFile(t, dir+"/config", config)
		argv := strings.Fields(strings.ReplaceAll(strings.Join(check.argv, " "), "FILE", file))
		if out, err := exec.Command(check.program, append(argv, dir+"/config")...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", kind, err, out, config)
		}
	}
}
