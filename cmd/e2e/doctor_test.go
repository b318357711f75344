package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDoctor provokes every finding on real systemd and nginx, several at a time, each under names of its own.
func TestDoctor(t *testing.T) {
	inTurn(t, long)
	b := newBox(t)
	b.installPrograms(t, "web", "hand")
	b.startNginx(t)
	site := "server {\n\tlisten unix:/run/site-web.sock;\n"
	for _, app := range []string{"web", "plain", "port", "tmp"} {
		site += "\tinclude snippets/" + app + "-location.conf;\n"
	}
	b.write(t, "/etc/nginx/sites-enabled/web.conf", site+"}\n", 0o644)
	b.configure(t, applyConfig(2)+soundConfig)
	b.apply(t)

	// The order matters: each leaves the host worse.
	t.Run("a sound host", b.doctorSound)
	t.Run("a configuration of root's", b.doctorUnreadable)
	t.Run("what does not stay up", b.doctorRunning)
	t.Run("a configured host", b.doctorConfigured)
	t.Run("a host made by hand", b.doctorByHand)
	t.Run("crashes", b.doctorCrashes)
	t.Run("not root", b.doctorNotRoot)
	t.Run("without systemd and nginx", b.doctorWithout)
	t.Run("a broken nginx", b.doctorBrokenNginx)
}

// soundConfig is one app of each form.
const soundConfig = `
  plain: {command: [/opt/apps/web.pl], instances: 3, listen: /run/plain%i.sock, systemd: {supervise: false}, nginx: {location: /plain}}
  port: {command: [/opt/apps/web.pl], instances: 2, activation: eager, listen: "127.0.0.1:9201", nginx: {location: /port, balance: hash $uri}}
  tmp: {command: [/opt/apps/web.pl], activation: fleet, workers: 2, listen: /var/tmp/tmp%i.sock, nginx: {location: /tmp}}
`

// finding is what doctor --json says of one thing that is wrong.
type finding struct{ ID, Severity, Subject, Message, Fix string }

// doctor is what fcgisup doctor finds, as "SEVERITY ID SUBJECT" by that key.
func (b *box) doctor(t *testing.T, want int, argv ...string) map[string]finding {
	t.Helper()
	out, code := b.try(append(argv, "fcgisup", "doctor", "--json")...)
	var found []finding
	if err := json.Unmarshal([]byte(out), &found); err != nil || code != want {
		t.Fatalf("doctor: exit %d, want %d; %v\n%s", code, want, err, out)
	}
	all := map[string]finding{}
	for _, f := range found {
		key := fmt.Sprintf("%s %s %s", f.Severity, f.ID, f.Subject)
		if all[key] == f {
			t.Errorf("%s is said twice", key)
		}
		if !strings.HasSuffix(f.Message, ".") || strings.Contains(f.Fix, "{}") {
			t.Errorf("%s: %+v", key, f)
		}
		all[key] = f
	}
	return all
}

// finds checks that all of these findings are there, "SEVERITY ID SUBJECT" each.
func finds(t *testing.T, found map[string]finding, keys ...string) {
	t.Helper()
	var missing []string
	for _, key := range keys {
		if _, ok := found[key]; !ok {
			missing = append(missing, key)
		}
	}
	if missing != nil {
		t.Errorf("missing:\n%s\nfound:\n%s", strings.Join(missing, "\n"), strings.Join(keysOf(found), "\n"))
	}
}

func keysOf(found map[string]finding) []string {
	var keys []string
	for key, f := range found {
		keys = append(keys, key+"\n\t"+f.Message+"\n\t"+f.Fix)
	}
	slices.Sort(keys)
	return keys
}

// doctorSound: what apply has made is sound, asleep and awake, and doctor wakes nothing.
func (b *box) doctorSound(t *testing.T) {
	if found := b.doctor(t, exitDone); len(found) > 0 {
		t.Errorf("asleep:\n%s", strings.Join(keysOf(found), "\n"))
	}
	if awake := slices.Concat(b.services(t, "web"), b.services(t, "plain"), b.services(t, "tmp")); len(awake) > 0 {
		t.Errorf("doctor has woken %v", awake)
	}
	for _, path := range []string{"/", "/plain/", "/port/", "/tmp/"} {
		b.ok(t, "web", path)
	}
	out := b.run(t, "fcgisup", "doctor")
	if !strings.HasPrefix(out, "nothing to fix; looked at /etc/fcgisup/fcgisup.yaml, ") || !strings.Contains(out, " (7 FastCGI locations), the kernel\n") {
		t.Errorf("awake:\n%s", out)
	}
}

// doctorConfig is a configuration that this host does not fit.
const doctorConfig = `
  user: {command: [/opt/apps/web.pl], user: nosuch, group: nogroup-here, socket: {user: nobody-here, group: www-data}}
  gone: {command: [/opt/apps/gone.pl], directory: /srv/gone, environment_file: /etc/default/gone, socket: {backlog: 70000}}
  mode: {command: [/opt/apps/mode.pl]}
  script: {command: [/opt/apps/script.pl]}
  deps: {command: [/opt/apps/web.pl], after: [nosuch.service], wants: [bad.service], requires: [masked.service]}
  lone: {command: [/opt/apps/web.pl], instances: 2, listen: "127.0.0.1:9301"}
`

func (b *box) doctorConfigured(t *testing.T) {
	b.write(t, "/opt/apps/mode.pl", "#!/usr/bin/perl\n", 0o644)
	b.write(t, "/opt/apps/script.pl", "#!/usr/local/bin/nosuch-perl\n", 0o755)
	b.write(t, "/etc/systemd/system/bad.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n", 0o644)
	b.run(t, "ln", "-s", "/dev/null", "/etc/systemd/system/masked.service")
	b.configure(t, applyConfig(2)+soundConfig+"  lone: {command: [/opt/apps/web.pl], instances: 2, listen: \"127.0.0.1:9301\"}\n")
	b.apply(t)
	b.try("systemctl", "start", "bad.service")
	b.write(t, "/etc/fcgisup/fcgisup.yaml", strings.Replace(applyConfig(2)+soundConfig+doctorConfig, "lone: {command: [/opt/apps/web.pl], instances: 2", "lone: {command: [/opt/apps/web.pl], instances: 1", 1), 0o644)
	b.run(t, "sh", "-c", "echo '# mine' >>/etc/nginx/snippets/web-location.conf; rm /etc/nginx/conf.d/lone-upstream.conf; systemctl stop port-fastcgi@2.socket; systemctl disable -q lone-fastcgi.target; echo '# mine' >>/etc/systemd/system/web-fastcgi@.socket")
	found := b.doctor(t, exitFail)
	finds(t, found,
		"error user-missing app user",
		"error group-missing app user",
		"error command-missing app gone",
		"error directory-missing app gone",
		"error environment-file-missing app gone",
		"warning backlog-above-somaxconn app gone",
		"error command-not-executable app mode",
		"error interpreter-missing app script",
		"warning dependency-not-found app deps",
		"warning dependency-failed app deps",
		"error dependency-not-found app deps",
		"note not-applied app deps",
		"error socket-stopped port-fastcgi@2.socket",
		"warning drift /etc/nginx/snippets/web-location.conf",
		"warning drift /etc/nginx/conf.d/lone-upstream.conf",
		"warning drift /etc/systemd/system/lone-fastcgi@2.socket.d/listen.conf",
		"warning app-unreached app lone",
		"warning not-enabled lone-fastcgi.target",
		"warning daemon-reload-needed web-fastcgi@{1..2}.socket",
	)
	if out, code := b.try("fcgisup", "doctor"); code != exitFail || !strings.Contains(out, "\nwarnings\n") {
		t.Errorf("exit %d\n%s", code, out)
	}
	b.write(t, "/etc/fcgisup/fcgisup.yaml", "apps: {web: {comand: x}}\n", 0o644)
	if out, code := b.try("fcgisup", "doctor"); code != exitUsage || !strings.Contains(out, "fcgisup.yaml:1:") {
		t.Errorf("a broken configuration: exit %d\n%s", code, out)
	}
	b.remove(t, "/etc/fcgisup/fcgisup.yaml")
}

// doctorUnits are hand-written units, each with a fault of its own.
var doctorUnits = map[string]string{
	"seed@.socket":    "[Install]\nWantedBy=sockets.target\n[Socket]\nListenStream=/run/seed%i.sock\nSocketUser=www-data\nSocketMode=0660\n",
	"seed@.service":   "[Service]\nUser=www-data\nExecStart=/opt/apps/hand.pl\nStandardInput=socket\nRestart=always\n",
	"open.socket":     "[Socket]\nListenStream=/run/open.sock\nListenStream=0.0.0.0:9911\nBacklog=100000\n",
	"shut.socket":     "[Socket]\nListenStream=/run/shut.sock\nSocketMode=0600\n",
	"deep.socket":     "[Socket]\nListenStream=/run/deep/er/x.sock\nSocketMode=0666\nDirectoryMode=0700\n",
	"folder.socket":   "[Socket]\nListenStream=/run/folder/x.sock\nSocketMode=0660\nSocketUser=www-data\n",
	"folder.service":  "[Service]\nExecStart=/opt/apps/hand.pl\nStandardInput=socket\nRuntimeDirectory=folder\n",
	"lost.socket":     "[Socket]\nListenStream=/run/lost.sock\nSocketMode=0660\n",
	"tmp.socket":      "[Socket]\nListenStream=/tmp/tmp.sock\nSocketMode=0660\nSocketUser=www-data\n",
	"tmp.service":     "[Service]\nExecStart=/opt/apps/hand.pl\nPrivateTmp=yes\n",
	"blind.socket":    "[Socket]\nListenStream=/run/blind/x.sock\nSocketMode=0660\nSocketUser=www-data\n",
	"gone.socket":     "[Socket]\nListenStream=/run/gone.sock\nSocketMode=0660\n",
	"gone.service":    "[Service]\nExecStart=/opt/apps/gone.pl\nUser=nosuch\nGroup=nosuch\nStandardInput=socket\n",
	"orphan.socket":   "[Socket]\nListenStream=/run/orphan.sock\nSocketMode=0660\n",
	"own.service":     "[Service]\nExecStart=/usr/bin/spawn-fcgi -n -s /run/own.sock -U www-data -- /opt/apps/hand.pl\n",
	"rooted.socket":   "[Socket]\nListenStream=/run/rooted.sock\nSocketMode=0660\n",
	"rooted.service":  "[Service]\nExecStart=/opt/apps/hand.pl\nStandardInput=socket\nRootDirectory=/srv/no-root\n",
	"needs.socket":    "[Socket]\nListenStream=/run/needs.sock\nSocketMode=0660\n",
	"needs.service":   "[Service]\nExecStart=/opt/apps/hand.pl\nStandardInput=socket\nReadWritePaths=/srv/no-path\nStandardError=file:/srv/no-logs/a\nLoadCredential=a:/srv/no-secret\n",
	"before.socket":   "[Socket]\nListenStream=/run/before.sock\nSocketMode=0660\n",
	"before.service":  "[Service]\nExecStartPre=/opt/apps/no-helper\nExecStart=/opt/apps/hand.pl\nStandardInput=socket\n",
	"chdir.socket":    "[Socket]\nListenStream=/run/chdir.sock\nSocketMode=0660\n",
	"chdir.service":   "[Service]\nExecStart=/opt/apps/hand.pl\nStandardInput=socket\nUser=www-data\nWorkingDirectory=/srv/closed\n",
	"script.socket":   "[Socket]\nListenStream=/run/script.sock\nSocketMode=0660\n",
	"script.service":  "[Service]\nExecStart=/usr/bin/perl -w /opt/apps/no-script.pl\nStandardInput=socket\n",
	"again.socket":    "[Socket]\nListenStream=/run/again.sock\nSocketMode=0660\n",
	"again.service":   "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStartPre=/bin/false\nExecStart=/opt/apps/hand.pl\nStandardInput=socket\nRestart=always\nRestartSec=100ms\n",
	"stopped.socket":  "[Socket]\nListenStream=/run/stopped.sock\n",
	"sharing.socket":  "[Socket]\nListenStream=/run/sharing.sock\nSocketMode=0660\n",
	"sharing.service": "[Service]\nExecStart=/opt/apps/flip.pl 2\nStandardInput=socket\n",
	"alone.socket":    "[Socket]\nListenStream=/run/alone.sock\nSocketMode=0660\n",
	"alone.service":   "[Service]\nExecStart=/opt/apps/flip.pl 1\nStandardInput=socket\n",
}

// flipProgram makes its listening socket non-blocking, as asynchronous frameworks do, in so many processes.
const flipProgram = `#!/usr/bin/perl
use Fcntl;
fcntl(STDIN, F_SETFL, fcntl(STDIN, F_GETFL, 0) | O_NONBLOCK);
fork for 2 .. $ARGV[0];
sleep;
`

// doctorNginx passes to all of them.
const doctorNginx = `upstream seed { server unix:/var/run/seed1.sock; server unix:/run/seed2.sock; server unix:/run/seed3.sock; }
upstream kept { least_conn; server unix:/run/open.sock max_conns=1 max_fails=0; server unix:/run/lost.sock max_fails=0; keepalive 4; }
server {
	listen unix:/run/site-hand.sock;
	location /seed { fastcgi_pass seed; }
	location /kept { fastcgi_keep_conn on; fastcgi_pass kept; }
	location /shut { fastcgi_pass unix:/run/shut.sock; }
	location /deep { fastcgi_pass unix:/run/deep/er/x.sock; }
	location /stopped { fastcgi_pass unix:/run/stopped.sock; }
	location /tmp { fastcgi_pass unix:/tmp/tmp.sock; }
	location /nobody { fastcgi_pass unix:/run/nobody.sock; }
	location /port { fastcgi_pass localhost:9912; }
	location /blind { fastcgi_pass unix:/run/blind/x.sock; }
	location /own { fastcgi_pass unix:/run/own.sock; }
	location /started { fastcgi_pass unix:/run/started.sock; }
	location /orphan { fastcgi_pass unix:/run/orphan.sock; }
	location /any { fastcgi_pass $arg_where; }
}
`

func (b *box) doctorByHand(t *testing.T) {
	b.write(t, "/opt/apps/flip.pl", flipProgram, 0o755)
	b.run(t, "mkdir", "-p", "-m", "0700", "/srv/closed")
	var sockets []string
	for name, text := range doctorUnits {
		b.write(t, "/etc/systemd/system/"+name, text, 0o644)
		service := strings.TrimSuffix(name, ".socket") + ".service"
		if _, has := doctorUnits[service]; !has && strings.HasSuffix(name, ".socket") && name != "orphan.socket" {
			b.write(t, "/etc/systemd/system/"+service, strings.Replace(doctorUnits["seed@.service"], "www-data", "root", 1), 0o644)
		}
		if strings.HasSuffix(name, ".socket") && !slices.Contains([]string{"stopped.socket", "orphan.socket", "seed@.socket"}, name) {
			sockets = append(sockets, name)
		}
	}
	b.write(t, "/etc/systemd/system/nginx.service.d/tmp.conf", "[Service]\nPrivateTmp=yes\nTemporaryFileSystem=/run/blind\n", 0o644)
	b.write(t, "/etc/nginx/conf.d/hand.conf", doctorNginx, 0o644)
	b.run(t, "systemctl", "daemon-reload")
	b.run(t, append([]string{"systemctl", "start", "nginx.service", "seed@1.socket", "seed@2.socket", "seed@3.socket"}, sockets...)...)
	b.run(t, "systemctl", "start", "sharing.service", "alone.service", "own.service")
	b.run(t, "sh", "-c", "spawn-fcgi -s /run/started.sock -U www-data -- /opt/apps/hand.pl >/dev/null 2>&1")
	b.run(t, "systemctl", "start", "--no-block", "again.service")
	b.run(t, "systemctl", "restart", "nginx.service")
	b.remove(t, "/run/lost.sock")
	b.run(t, "touch", "-d", "1 minute", "/etc/nginx/conf.d/hand.conf")
	within(t, 20*time.Second, func() error {
		if !b.exists("/run/own.sock") {
			return errors.New("own.service has not opened its socket")
		}
		if len(b.nginxWorkers(t)) != 2 {
			return errors.New("nginx has no workers yet")
		}
		if flips := b.processesLike(t, "^/usr/bin/perl /opt/apps/flip.pl 2"); len(flips) != 2 {
			return fmt.Errorf("flip.pl: %v", flips)
		}
		return nil
	})
	const at = "/etc/nginx/conf.d/hand.conf:"
	found := b.doctor(t, exitFail)
	finds(t, found,
		"note no-configuration fcgisup",
		"warning start-limit seed@{1..3}.service",
		"warning trigger-limit seed@{1..3}.socket",
		"warning not-enabled seed@{1..3}.socket",
		"warning not-enabled shut.socket",
		"warning upstream-round-robin "+at+"1",
		"warning upstream-max-fails "+at+"1",
		"warning next-upstream-unbound "+at+"1",
		"warning upstream-keepalive "+at+"2",
		"warning upstream-without-zone "+at+"2",
		"warning upstream-max-conns "+at+"2",
		"warning backlog-above-somaxconn open.socket",
		"warning socket-world-writable open.socket",
		"warning socket-open-to-network open.socket",
		"error web-user-denied "+at+"7",
		"error web-user-denied "+at+"8",
		"error socket-stopped stopped.socket",
		"error socket-file-missing lost.socket",
		"error socket-in-runtime-directory folder.socket",
		"error private-tmp "+at+"10",
		"warning private-tmp tmp.service",
		"error pass-unserved "+at+"11",
		"error pass-unserved "+at+"12",
		"error web-server-blind "+at+"13",
		"note pass-without-unit "+at+"14",
		"warning pass-without-unit "+at+"15",
		"error service-not-found orphan.socket",
		"error command-missing gone.service",
		"error user-missing gone.service",
		"error group-missing gone.service",
		"note pass-variable "+at+"17",
		"warning nginx-not-reloaded nginx",
		"warning listener-nonblocking sharing.socket",
		"note listener-nonblocking alone.socket",
		"error directory-missing rooted.service",
		"error path-missing needs.service",
		"error directory-missing needs.service",
		"error command-missing before.service",
		"error directory-closed chdir.service",
		"error command-missing script.service",
	)
	within(t, 20*time.Second, func() error { // systemd has started it a few times
		if out, code := b.try("fcgisup", "check", "/run/again.sock"); code != 2 || !strings.Contains(out, "again.service") {
			return fmt.Errorf("a service that fails each time: exit %d, %s", code, out)
		}
		return nil
	})
	b.run(t, "systemctl", "stop", "again.service") // it would take a core from what follows
	if out, code := b.try("fcgisup", "check", "/run/script.sock"); code != 0 || !strings.Contains(out, "sleeping") {
		t.Errorf("a socket that was not used: exit %d, %s", code, out)
	}
	if got := found["error web-user-denied "+at+"8"].Message; !strings.Contains(got, "it cannot search /run/deep (0700 root:root)") {
		t.Error(got)
	}
	if got := found["note pass-without-unit "+at+"14"].Message; !strings.Contains(got, " of own.service)") {
		t.Error(got)
	}
	if _, wrong := found["warning socket-world-writable deep.socket"]; wrong {
		t.Error("deep.socket is in a directory that only root may search")
	}
	b.fixesHold(t, found)
}

// fixesHold does what findings advise, as far as it is commands.
func (b *box) fixesHold(t *testing.T, found map[string]finding) {
	t.Helper()
	keys := []string{
		"warning start-limit seed@{1..3}.service",
		"warning trigger-limit seed@{1..3}.socket",
		"error socket-stopped stopped.socket",
		"error socket-file-missing lost.socket",
		"error socket-in-runtime-directory folder.socket",
		"warning socket-world-writable open.socket",
		"error web-user-denied /etc/nginx/conf.d/hand.conf:7",
		"warning not-enabled seed@{1..3}.socket",
		"warning private-tmp tmp.service",
	}
	for _, key := range keys {
		command, _, _ := strings.Cut(strings.TrimPrefix(found[key].Fix, "move the socket to /run; or "), "; better")
		b.run(t, "bash", "-c", command)
	}
	after := b.doctor(t, exitFail)
	for _, key := range keys {
		if _, still := after[key]; still {
			t.Errorf("%s is still there after: %s", key, found[key].Fix)
		}
	}
}

// doctorCrashes: sockets that systemd has given up on.
func (b *box) doctorCrashes(t *testing.T) {
	b.write(t, "/opt/apps/crash.sh", "#!/bin/sh\nexit 1\n", 0o755)
	for name, text := range map[string]string{
		"crash@.socket":  "[Socket]\nListenStream=/run/crash%i.sock\nSocketMode=0660\n",
		"crash@.service": "[Unit]\nStartLimitIntervalSec=1h\n[Service]\nExecStart=/opt/apps/crash.sh\nStandardInput=socket\nRestart=always\n",
		"spin@.socket":   "[Socket]\nListenStream=/run/spin%i.sock\nSocketMode=0660\nTriggerLimitIntervalSec=1h\nTriggerLimitBurst=20\n",
		"spin@.service":  "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/opt/apps/crash.sh\nStandardInput=socket\n",
	} {
		b.write(t, "/etc/systemd/system/"+name, text, 0o644)
	}
	b.run(t, "systemctl", "daemon-reload")
	sockets := []string{"crash@1.socket", "crash@2.socket", "spin@1.socket"}
	b.run(t, append([]string{"systemctl", "start"}, sockets...)...)
	for _, path := range []string{"crash1", "crash2", "spin1"} {
		_, _ = b.ask("/run/" + path + ".sock")
	}
	within(t, time.Minute, func() error {
		for _, unit := range sockets {
			if state := b.property(t, unit, "ActiveState"); state != "failed" {
				return fmt.Errorf("%s is %s", unit, state)
			}
		}
		return nil
	})
	found := b.doctor(t, exitFail)
	finds(t, found, "error socket-failed crash@{1..2}.socket", "error socket-failed spin@1.socket")
	for key, words := range map[string]string{"crash@{1..2}.socket": "(service-start-limit-hit)", "spin@1.socket": "(trigger-limit-hit)"} {
		if got := found["error socket-failed "+key].Message; !strings.Contains(got, words) {
			t.Error(got)
		}
	}
	_, reset, _ := strings.Cut(found["error socket-failed crash@{1..2}.socket"].Fix, "then ")
	b.copyFrom(t, appPath(t, "hello.pl"), "/opt/apps/crash.sh", 0o755)
	b.run(t, "bash", "-c", reset)
	if _, err := b.ask("/run/crash2.sock"); err != nil {
		t.Errorf("after %s: %v", reset, err)
	}
}

// doctorNotRoot: what another user cannot see is said, and the rest is seen.
func (b *box) doctorNotRoot(t *testing.T) {
	found := b.doctor(t, exitFail, "runuser", "-u", "nobody", "--")
	finds(t, found,
		"note nginx-not-read nginx",
		"note web-user-not-tried nginx",
		"note processes-not-read /proc",
		"warning upstream-round-robin /etc/nginx/conf.d/hand.conf:1",
		"error pass-unserved /etc/nginx/conf.d/hand.conf:11",
		"error socket-failed spin@1.socket",
	)
	// www-data is nginx's user.
	finds(t, b.doctor(t, exitFail, "runuser", "-u", "www-data", "--"), "error web-user-denied /etc/nginx/conf.d/hand.conf:8")
}

func (b *box) doctorWithout(t *testing.T) {
	found := b.doctor(t, exitDone, "unshare", "--mount", "sh", "-c", `mount -t tmpfs tmpfs /run && mount --bind /dev/null /usr/sbin/nginx && exec "$@"`, "sh")
	finds(t, found, "note no-systemd systemd", "note no-nginx nginx")
}

func (b *box) doctorBrokenNginx(t *testing.T) {
	b.write(t, "/etc/nginx/conf.d/broken.conf", "upstream none { }\n", 0o644)
	b.write(t, "/etc/other/nginx.conf", "pid /run/other.pid;\nevents { }\n", 0o644)
	b.run(t, "sh", "-c", "nginx -c /etc/other/nginx.conf >/dev/null 2>&1")
	found := b.doctor(t, exitFail)
	finds(t, found, "error nginx-refuses nginx", "note nginx-other-configuration nginx", "warning upstream-round-robin /etc/nginx/conf.d/hand.conf:1")
	if got := found["error nginx-refuses nginx"].Message; !strings.Contains(got, "no servers are inside upstream") {
		t.Error(got)
	}
}
