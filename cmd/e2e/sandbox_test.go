package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestProgramsInSandbox: each kind of program lives in the generated service with everything that
// sandbox: strict takes away, behind the generated nginx files.
func TestProgramsInSandbox(t *testing.T) {
	inTurn(t, busy)
	b := newBox(t)
	b.installPrograms(t)
	var apps []string
	config := "apps:\n"
	for _, p := range programs() {
		needFiles(t, p.needs...)
		apps = append(apps, p.name)
		config += b.boxed(t, p)
	}
	b.startNginx(t)
	b.deploy(t, config, apps...)

	for _, app := range apps {
		t.Run(app, func(t *testing.T) { b.lives(t, app) })
	}
}

// boxed copies a program, and the script it may run, into the box, and gives its part of the configuration.
func (b *box) boxed(t *testing.T, p program) string {
	t.Helper()
	command := p.command(t)[0]
	if !strings.HasPrefix(command, "/usr/") {
		b.copyFrom(t, command, "/opt/apps/"+p.name, 0o755)
		command = "/opt/apps/" + p.name
	}
	params := `SCRIPT_NAME: "", PATH_INFO: $uri`
	if source := p.params(t)["SCRIPT_FILENAME"]; source != "" {
		target := "/opt/apps/" + p.name + ".script"
		b.copyFrom(t, source, target, 0o755)
		params += ", SCRIPT_FILENAME: " + target
	}
	return fmt.Sprintf(`  %s:
    command: [%s]
    user: www-data
    group: www-data
    environment: {GREETING: hello}
    health: {interval: 500ms}
    systemd: {sandbox: strict}
    nginx: {params: {%s}}
`, p.name, command, params)
}

func (b *box) lives(t *testing.T, app string) {
	first, err := workerPID(b.ok(t, app, "/"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.upload(app, 200_000)(); err != nil {
		t.Errorf("upload: %v", err)
	}
	if page := b.ok(t, app, "/env?GREETING"); !strings.HasPrefix(page, "hello\n") {
		t.Errorf("/env?GREETING = %q", page)
	}
	if page := b.ok(t, app, "/big?bytes=1000000"); len(page) != 1_000_000 {
		t.Errorf("/big?bytes=1000000 gave %d bytes", len(page))
	}
	b.soon(t, app, pinged)
	b.kill(t, first)
	second, err := workerPID(b.ok(t, app, "/"))
	if err != nil || second == first {
		t.Errorf("after the kill of %d: %d, %v", first, second, err)
	}
	if got, err := b.status(app, 1); err != nil || got.Restarts["crash"] != 1 || got.Restarts["probe"] != 0 {
		t.Errorf("status %+v, %v; want one crash and no probe's restart", got, err)
	}
	b.run(t, "systemctl", "stop", app+"-fastcgi.target")
	defer b.logFailures(t)
	within(t, 20*time.Second, func() error {
		if state := b.property(t, service(app, 1), "ActiveState"); state != "inactive" {
			return fmt.Errorf("after stop the service is %s", state)
		}
		return nil
	})
}
