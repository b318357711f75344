//go:build programs

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// recipeAnswers has, for each program of "fcgisup init --list", what the page at its Try: path must hold.
var recipeAnswers = map[string]string{
	"backuppc":    `BackupPC Server Status`,
	"catalyst":    `answer of Catalyst at http://box/`,
	"cgi":         `answer of /cgi-bin/hello\.cgi`,
	"cgit":        `site\.git`,
	"cxx":         `answer of C\+\+`,
	"dancer":      `answer of Dancer2`,
	"dokuwiki":    `DokuWiki`,
	"gitweb":      `pages\.git`,
	"iipimage":    `Max-size:256 256`,
	"ikiwiki":     `Preferences`,
	"lua":         `answer of Lua`,
	"mapcache":    `mapcache demo`,
	"mapserver":   `WMS_Capabilities`,
	"mojolicious": `answer of Mojolicious`,
	"munin":       `Munin`,
	"nagios":      `Tactical Monitoring`,
	"node":        `answer of Node\.js`,
	"php":         `visit 1, mail accepted`,
	"plackup":     `answer of PSGI at \S+`,
	"qgis":        `WMS_Capabilities`,
	"qgis-xvfb":   `WMS_Capabilities`,
	"roundcube":   `Roundcube Webmail`,
	"rt":          `name="pass"`,
	"ruby":        `answer of Ruby`,
	"smokeping":   `SmokePing`,
	"sympa":       `Mailing lists`,
	"uwsgi":       `answer of uWSGI`,
}

// TestRecipes: every configuration that "fcgisup init" knows runs Debian's program at once, in the default sandbox, behind
// the server block of docs/programs.md.
func TestRecipes(t *testing.T) {
	inTurn(t, heavy)
	b := newWholeBox(t)
	b.installPrograms(t)
	b.startNginx(t)
	names := b.recipeNames(t)
	config := "apps:\n"
	recipes := map[string]recipe{}
	for _, name := range names {
		recipes[name] = b.recipe(t, name)
		config += strings.TrimPrefix(recipes[name].config, "apps:\n")
		b.setUp(t, name)
	}
	b.configure(t, config)
	b.run(t, "fcgisup", "apply")
	for _, name := range names {
		b.write(t, "/etc/nginx/sites-enabled/"+name+".conf", recipes[name].serverBlock(name), 0o644)
	}
	b.reloadNginx(t)

	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			want, known := recipeAnswers[name]
			if !known {
				t.Fatalf("recipeAnswers has nothing for %q", name)
			}
			began := time.Now()
			b.answers(t, name, recipes[name].try, want)
			first := time.Since(began)
			b.moreOf(t, name)
			t.Logf("%s: %d lines of YAML, right at once: %t, first answer after %.1f s, exposure %s",
				name, strings.Count(recipes[name].config, "\n"), !t.Failed(), first.Seconds(), b.exposure(t, recipes[name].apps[0]))
			for _, app := range recipes[name].apps {
				b.run(t, "systemctl", "stop", app+"-fastcgi.target")
			}
		})
	}
}

// exposure is what systemd says of an app's service.
func (b *box) exposure(t *testing.T, app string) string {
	t.Helper()
	level := exposure.FindStringSubmatch(b.run(t, "systemd-analyze", "security", "--no-pager", service(app, 1)))
	if level == nil {
		t.Fatal("systemd-analyze security rates nothing")
	}
	return level[1]
}

// moreOf asks for what a program must do besides one page.
func (b *box) moreOf(t *testing.T, name string) {
	switch name {
	case "dokuwiki":
		b.answers(t, name, "/lib/tpl/dokuwiki/images/logo.png", "PNG")
	case "php":
		b.answers(t, name, "/site.css", "color: black")
	case "qgis", "qgis-xvfb":
		b.answers(t, name, "/qgis?MAP=/srv/maps/project.qgs&SERVICE=WMS&VERSION=1.3.0&REQUEST=GetMap&LAYERS=points&STYLES=&CRS=EPSG:4326&BBOX=0,0,20,20&WIDTH=100&HEIGHT=100&FORMAT=image/png", "PNG")
	case "rt":
		b.ticketSendsMail(t)
	case "uwsgi":
		if out := b.run(t, "fcgisup", "check", "--app", "uwsgi"); !strings.Contains(out, "OK") {
			t.Errorf("check: %s", out)
		}
	}
}

// preforked are the recipes in Perl, and why a program is run without a template; empty: it is forked. Dancer's plackup is
// told not to have a pool of its own.
var preforked = map[string]string{
	"catalyst":    "",
	"dancer":      "",
	"mojolicious": `forks its workers itself`,
	"munin":       `taint mode`,
	"plackup":     `forks its workers itself`,
	"rt":          "",
	"smokeping":   "",
	"sympa":       `has opened /\S+/sympa for reading and writing before it accepts`,
}

var ownWorkers = regexp.MustCompile(`(?m)^    workers: .*\n`)

// TestRecipesPreforked: with prefork: perl each of Debian's Perl programs answers as before, forked from a template, or
// without one for a reason that status names.
func TestRecipesPreforked(t *testing.T) {
	inTurn(t, heavy)
	b := newWholeBox(t)
	b.installPrograms(t)
	b.startNginx(t)
	config := "apps:\n"
	recipes := map[string]recipe{}
	for name := range preforked {
		recipes[name] = b.recipe(t, name)
		own := ownWorkers.ReplaceAllString(strings.TrimPrefix(recipes[name].config, "apps:\n"), "")
		config += strings.ReplaceAll(own, "    command:", "    workers: {min: 2, max: 3, prefork: perl}\n    command:")
		b.setUp(t, name)
	}
	config = strings.Replace(config, "plackup -s FCGI /srv/myapp/bin/app.psgi", "plackup -s FCGI --manager= /srv/myapp/bin/app.psgi", 1)
	b.configure(t, config)
	b.run(t, "fcgisup", "apply")
	for name, r := range recipes {
		b.write(t, "/etc/nginx/sites-enabled/"+name+".conf", r.serverBlock(name), 0o644)
	}
	b.reloadNginx(t)

	for name, reason := range preforked {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				b.answers(t, name, recipes[name].try, recipeAnswers[name])
			}
			within(t, time.Minute, func() error {
				st, err := b.status(recipes[name].apps[0], 1)
				switch template := st.Template; {
				case err != nil:
					return err
				case template == nil:
					return errors.New("status has no template")
				case reason == "" && template.State != control.TemplateReady, reason != "" && template.State != control.TemplateFailed,
					!regexp.MustCompile(reason).MatchString(template.Reason):
					return fmt.Errorf("the template is %+v, want the reason %q", *template, reason)
				}
				return nil
			})
			b.answers(t, name, recipes[name].try, recipeAnswers[name])
			for _, app := range recipes[name].apps {
				b.run(t, "systemctl", "stop", app+"-fastcgi.target")
			}
		})
	}
}

// TestRequestTrackerWithExim does in a box what docs/start.md tells an administrator to do, and docs/request-tracker.md after
// that, with the other mail server of Debian.
func TestRequestTrackerWithExim(t *testing.T) {
	inTurn(t, heavy)
	b := newWholeBox(t)
	b.installPrograms(t)
	b.startNginx(t)
	steps := stepsOf(t, "start.md")
	if len(steps) < 6 || !strings.HasPrefix(steps[0], "apt-get install ") {
		t.Fatalf("docs/start.md has the steps %q", steps)
	}
	install, steps, remove := steps[0], steps[1:len(steps)-1], steps[len(steps)-1]
	b.step(t, install) // testdata/install-programs has installed the packages: apt agrees
	b.run(t, "bash", "-c", `set -e
		export DEBIAN_FRONTEND=noninteractive
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
		rm -f /var/lib/man-db/auto-update # man-db's trigger reads every page of the machine
		dpkg --purge --force-depends postfix
		echo 'exim4-config exim4/dc_eximconfig_configtype select local delivery only; not on a network' | debconf-set-selections
		dpkg -i /var/cache/fcgisup-tests/*.deb
		systemctl daemon-reload && systemctl start exim4`)
	said := ""
	for _, step := range steps {
		said = b.step(t, step)
	}
	if !regexp.MustCompile(`(?m)^rt@1 +up( +\S+){5} +1 `).MatchString(said) {
		t.Errorf("after a kill status shows no restart:\n%s", said)
	}
	for _, step := range stepsOf(t, "request-tracker.md") {
		b.step(t, step)
	}
	r := b.recipe(t, "rt")
	b.write(t, "/etc/nginx/sites-enabled/rt.conf", r.serverBlock("rt"), 0o644)
	b.reloadNginx(t)
	b.answers(t, "rt", r.try, recipeAnswers["rt"])
	b.ticketSendsMail(t)
	b.run(t, "rm", "/etc/nginx/sites-enabled/rt.conf")
	b.step(t, remove)
	if left := b.running(t, "rt-fastcgi*"); len(left) > 0 {
		t.Errorf("after remove there are still %q", left)
	}
}

// stepsOf are the blocks of commands of a page.
func stepsOf(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	return blocks(string(text), "sh")
}

// step runs a block of commands. One that asks over HTTP is repeated: nginx has the signal to reload before it has reloaded.
func (b *box) step(t *testing.T, block string) (said string) {
	t.Helper()
	run := func() (err error) {
		said, err = b.shell(block)
		return err
	}
	if !strings.Contains(block, "curl ") {
		if err := run(); err != nil {
			t.Fatal(err)
		}
		return said
	}
	within(t, 2*time.Minute, func() error {
		err := run()
		if err == nil && !strings.Contains(said, "200\n") {
			err = fmt.Errorf("%s prints %s", block, said)
		}
		return err
	})
	return said
}

// ticketSendsMail creates a ticket, and waits for RT's reply in the mailbox of who asked for it.
func (b *box) ticketSendsMail(t *testing.T) {
	t.Helper()
	b.run(t, "useradd", "-m", "reader")
	form := "user=root&pass=password&content=" + strings.ReplaceAll("id: ticket/new\nQueue: General\nRequestor: reader@localhost\nSubject: paper jam\nText: please", "\n", "%0A")
	request := func() (reply, error) {
		return b.post("rt", "/rt/REST/1.0/ticket/new", form)
	}
	got, err := request()
	if err != nil || !strings.Contains(got.body, "Ticket 1 created") {
		t.Fatalf("a new ticket: %v, %v\n%s", got, err, b.journal(service("rt", 1)))
	}
	within(t, time.Minute, func() error {
		mail, _ := b.try("cat", "/var/mail/reader")
		if !strings.Contains(mail, "paper jam") {
			return fmt.Errorf("the mailbox holds %q\n%s", mail, b.journal(service("rt", 1)))
		}
		return nil
	})
}

// recipe is what "fcgisup init NAME -" prints, taken apart.
type recipe struct {
	config, try string
	server      []string
	apps        []string
}

func (b *box) recipeNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for line := range strings.Lines(b.run(t, "fcgisup", "init", "--list")) {
		if name := strings.Fields(line)[0]; name != "NAME" {
			names = append(names, name)
		}
	}
	if len(names) < len(recipeAnswers) {
		t.Fatalf("init --list names %d programs, want %d", len(names), len(recipeAnswers))
	}
	return names
}

var appLine = regexp.MustCompile(`(?m)^  ([a-z0-9-]+):$`)

func (b *box) recipe(t *testing.T, name string) recipe {
	t.Helper()
	file := b.run(t, "fcgisup", "init", name, "-")
	var r recipe
	header, config, _ := strings.Cut(file, "apps:\n")
	r.config = "apps:\n" + config
	for line := range strings.Lines(header) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "# ")), ": "); key {
		case "Server":
			r.server = append(r.server, value)
		case "Try":
			r.try = value
		}
	}
	for _, match := range appLine.FindAllStringSubmatch(config, -1) {
		r.apps = append(r.apps, match[1])
	}
	return r
}

func (r recipe) serverBlock(name string) string {
	block := "server {\n\tlisten unix:" + siteSocket(name) + ";\n"
	for _, line := range r.server {
		block += "\t" + line + "\n"
	}
	for _, app := range r.apps {
		block += "\tinclude snippets/" + app + "-location.conf;\n"
	}
	return block + "}\n"
}

// setUp runs testdata/programs/NAME.sh in the box: what an administrator has made before.
func (b *box) setUp(t *testing.T, name string) {
	t.Helper()
	b.copyFrom(t, "../../testdata/programs/"+name+".sh", "/run/setup-"+name, 0o755)
	b.run(t, "/run/setup-"+name)
}

// answers asks for a page until the first answer, which must be right.
func (b *box) answers(t *testing.T, name, path, want string) {
	t.Helper()
	got, err := b.as(http.MethodGet, name, path, "")
	if err != nil || got.status != http.StatusOK || !regexp.MustCompile(want).MatchString(got.body) {
		t.Errorf("%s of %s: %v, %v; want 200 and %s\n%s", path, name, got, err, want, b.explain(name))
	}
}

func (b *box) post(name, path, form string) (reply, error) {
	return b.as(http.MethodPost, name, path, form)
}

// as asks as the user that the set-up scripts know; a program that waits for its first start gets two minutes.
func (b *box) as(method, name, path, form string) (reply, error) {
	args := []string{"curl", "-s", "-m", "120", "-u", "admin:secret", "-X", method, "-H", "Host: " + hostOf(name), "--unix-socket", siteSocket(name), "-w", "\n%{http_code}", "http://box" + path}
	if form != "" {
		args = append(args, "--data", form)
	}
	out, code := b.try(args...)
	if code != 0 {
		return reply{}, fmt.Errorf("curl: exit %d", code)
	}
	at := strings.LastIndexByte(out, '\n')
	var got reply
	_, err := fmt.Sscan(out[at+1:], &got.status)
	got.body = out[:at]
	return got, err
}

func hostOf(name string) string {
	if name == "sympa" {
		return "lists.example.org"
	}
	return "box"
}

func (b *box) explain(name string) string {
	status, _ := b.try("fcgisup", "status", name)
	doctor, _ := b.try("fcgisup", "doctor")
	return status + doctor + b.journal(service(name, 1))
}

// TestRecipesNeedTheirPackages fails, rather than skips, where testdata/install-programs has not been run.
func TestRecipesNeedTheirPackages(t *testing.T) {
	for _, file := range []string{"/usr/share/request-tracker5/libexec/rt-server.fcgi", "/usr/lib/cgi-bin/qgis_mapserv.fcgi"} {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%v: run testdata/install-programs", err)
		}
	}
}
