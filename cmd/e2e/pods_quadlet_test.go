//go:build programs

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const quadletConfig = `apps:
  hello:
    command: /usr/local/bin/hello.fcgi
    instances: 2
    workers: 2
    limits: {stop_timeout: 10s, idle_timeout: 4s}
`

// quadlet: the socket units that "gen quadlet" renders start containers with the first request, which end when they are idle
// and start again; no request fails over that, nor over a restart. Debian 12's podman has no Quadlet, so the service is made of
// the .container file as Quadlet's documentation says.
func (b *box) quadlet(t *testing.T) {
	b.configure(t, quadletConfig)
	b.run(t, "fcgisup", "gen", "quadlet", "--image", "localhost/hello:1.2", "--out", "/run/gen")
	b.run(t, "sh", "-ec", "cp /run/gen/quadlet/*.socket /run/gen/quadlet/*.target /etc/systemd/system/")
	b.write(t, "/etc/systemd/system/hello-fastcgi@.service", serviceOf(t, b.read("/run/gen/quadlet/hello-fastcgi@.container")), 0o644)
	b.run(t, "systemctl", "daemon-reload")
	b.run(t, "systemctl", "start", "hello-fastcgi.target")
	if running := b.services(t, "hello"); len(running) != 0 {
		t.Fatalf("before the first request run %v", running)
	}
	address := b.path("/run/hello1.sock")
	ask := func() error {
		text, err := fcgiAsk("unix", address, "/sleep?ms=30", nil, nil)
		if err == nil && !strings.Contains(text, "slept 30") {
			err = fmt.Errorf("answered %q", text)
		}
		return err
	}
	for range 2 {
		began := time.Now()
		if err := ask(); err != nil {
			t.Fatalf("the first request: %v\n%s", err, b.journal(service("hello", 1)))
		}
		t.Logf("woken by a request, which was answered after %v", time.Since(began).Round(time.Millisecond))
		if out := b.run(t, "podman", "ps", "--format", "{{.Image}}"); !strings.Contains(out, "localhost/hello:1.2") {
			t.Errorf("no container runs: %s", out)
		}
		within(t, waitLimit, func() error {
			if running := b.services(t, "hello"); len(running) != 0 {
				return errors.New("it does not go to sleep")
			}
			return nil
		})
	}
	l := startLoad(3, ask)
	l.goesOn(t, 20)
	for range rounds(t, 1) {
		b.run(t, "systemctl", "restart", service("hello", 1))
		l.goesOn(t, 20)
	}
	l.end(t, "quadlet: restart")
}

// serviceOf does what Podman's generator does with a .container file, for the keys that are in it.
func serviceOf(t *testing.T, text string) string {
	t.Helper()
	run := []string{"/usr/bin/podman", "run", "--cidfile=%t/%N.cid", "--replace", "--rm", "-d", "--pull=never"}
	var image, exec, section string
	var rest strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, _ := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "#"), line == "":
		case strings.HasPrefix(line, "["):
			if section = line; section != "[Container]" {
				rest.WriteString(line + "\n")
			}
		case section != "[Container]":
			rest.WriteString(line + "\n")
		case key == "Image":
			image = value
		case key == "ContainerName":
			run = append(run, "--name="+value)
		case key == "Exec":
			exec = value
		case key == "PodmanArgs":
			run = append(run, value)
		case key == "Volume", key == "Tmpfs", key == "Network":
			run = append(run, "--"+strings.ToLower(key)+"="+value)
		case line == "ReadOnly=true":
			run = append(run, "--read-only", "--read-only-tmpfs=false")
		case key == "DropCapability":
			run = append(run, "--cap-drop="+value)
		case line == "NoNewPrivileges=true":
			run = append(run, "--security-opt=no-new-privileges")
		case line == "Notify=true":
			run = append(run, "--sdnotify=container")
		default:
			t.Fatalf("unknown to this test: %s", line)
		}
	}
	return rest.String() + "Type=notify\nNotifyAccess=all\nKillMode=mixed\nDelegate=yes\n" +
		"ExecStart=" + strings.Join(append(run, image, exec), " ") + "\n" +
		"ExecStop=/usr/bin/podman rm -f -i --cidfile=%t/%N.cid\nExecStopPost=-/usr/bin/podman rm -f -i --cidfile=%t/%N.cid\n" +
		"ExecStopPost=-/bin/rm -f %t/%N.cid\n"
}
