package chaos

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// unit is a keeper that is real systemd.
type unit struct {
	app  string
	name string // of the service
}

// install generates the units of an app, once, and makes the member's keeper.
func (f *fleet) install(ctx context.Context, m *member) error {
	if m.instance == 1 {
		out := filepath.Join(f.dir, "units")
		if _, err := command(ctx, f.opt.Fcgisup, "gen", "units", m.app, "--config", m.conf.path, "--out", out); err != nil {
			return err
		}
		script := `cp -r "$1/systemd/." /etc/systemd/system/ && systemctl daemon-reload`
		if _, err := command(ctx, "sh", "-ec", script, "sh", out); err != nil {
			return err
		}
	}
	m.control = fmt.Sprintf("/run/fcgisup/%s-%d/control.sock", m.app, m.instance)
	m.keeper = &unit{app: m.app, name: fmt.Sprintf("%s-fastcgi@%d.service", m.app, m.instance)}
	return nil
}

func (u *unit) start(ctx context.Context) error {
	if _, err := command(ctx, "systemctl", "start", u.app+"-fastcgi.target"); err != nil {
		return err
	}
	for end := time.Now().Add(startPatience); u.pid() == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%s does not start:\n%s", u.name, u.log(end.Add(-startPatience), time.Now()))
		}
	}
	return nil
}

func (u *unit) pid() int {
	out, err := command(context.Background(), "systemctl", "show", "-p", "MainPID", "--value", u.name)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		return 0
	}
	return pid
}

func (u *unit) reload(ctx context.Context) error {
	_, err := command(ctx, "systemctl", "reload", u.name)
	return err
}

func (u *unit) log(from, to time.Time) string {
	out, err := command(context.Background(), "journalctl", "-q", "--no-pager", "-o", "short-precise", "-u", u.name,
		fmt.Sprintf("--since=@%d", from.Unix()), fmt.Sprintf("--until=@%d", to.Unix()+1))
	if err != nil {
		return err.Error()
	}
	return out
}

func (u *unit) stop(ctx context.Context) error {
	_, err := command(ctx, "systemctl", "stop", u.app+"-fastcgi.target")
	return err
}
