package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor/alert"
	"github.com/fcgisup/fcgisup/units"
)

// monitorFacts are about the host's monitor and whom it tells.
type monitorFacts struct {
	unit units.ServiceUnit
	// due tells that there is something for it to watch.
	due bool
	// token is what is wrong with its token file, nil if nothing is.
	token error
	// unreachable are the targets of alerts that cannot be told.
	unreachable []unreachableReceiver
}

// unreachableReceiver is whom no alert reaches, why, and what to do.
type unreachableReceiver struct{ name, why, fix string }

// gatherFailing asks the supervisors that run which instances have no worker
// that lives. Those that sleep have no supervisor, and are not woken.
func (f *facts) gatherFailing(ctx context.Context) {
	paths := control.AllPaths()
	apps := make([]fcgisup.App, len(f.apps))
	for i, a := range f.apps {
		apps[i] = a.App
	}
	answers, failures := control.FetchAll(ctx, apps, paths)
	denied := false
	for i := range paths {
		for _, st := range answers[i] {
			if st.State == control.InstanceFailing {
				f.failing = append(f.failing, st)
			}
			if st.Template != nil && st.Template.State == control.TemplateFailed {
				f.unforked = append(f.unforked, st)
			}
			if st.Denial != nil {
				f.denied = append(f.denied, st)
			}
		}
		switch err := failures[i]; {
		case err == nil, errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist): // it has ended
		case !errors.Is(err, fs.ErrPermission):
			f.note("instance-not-asked", paths[i], "It did not answer: "+err.Error()+".", "fcgisup status")
		case !denied:
			denied = true
			f.note("instance-not-asked", control.Root, "Its control sockets belong to the users of the apps, so not all instances were asked for their status.", "sudo fcgisup doctor")
		}
	}
}

// gatherMonitor looks at what the monitor needs. file is the configuration that its unit reads.
func (f *facts) gatherMonitor(cfg *fcgisup.Config, file string) {
	_, err := os.Stat(file)
	f.monitor.due = err == nil
	if path := cfg.Monitor.TokenFile; path != "" {
		_, err := term.ReadToken(path)
		if errors.Is(err, fs.ErrPermission) && !term.IsRoot() {
			f.note("token-not-read", path, "Whether the monitor can use the token is unknown: it is not readable.", "sudo fcgisup doctor")
		} else {
			f.monitor.token = err
		}
	}
	for _, t := range cfg.Alerts.To {
		if d := f.receiverProblem(t); d != nil {
			d.name = t.Name
			f.monitor.unreachable = append(f.monitor.unreachable, *d)
		}
	}
}

// receiverProblem says why a target cannot be told, nil if it seems to be able to hear.
func (f *facts) receiverProblem(t fcgisup.Receiver) *unreachableReceiver {
	switch t.Kind() {
	case "url_file":
		err := alert.CheckFile(t.URLFile)
		if errors.Is(err, fs.ErrPermission) && !term.IsRoot() {
			f.note("alert-not-tried", "alert "+t.Name, "Only root can test whether "+t.URLFile+" can be used.", "sudo fcgisup doctor")
			return nil
		}
		if err != nil {
			file := term.ShellWord(t.URLFile)
			return &unreachableReceiver{why: err.Error(), fix: "chown root: " + file + " && chmod 600 " + file + ", with the URL on a line of its own"}
		}
	case "url_env":
		if !inMonitorEnvironment(t.URLEnv) {
			f.note("alert-variable", "alert "+t.Name, monitorEnvironment+" does not set "+t.URLEnv+"; other sources of the variable were not examined.", "fcgisup alert test "+t.Name+" with that environment")
		}
	case "exec":
		info, err := os.Stat(t.Exec[0])
		if err == nil && (info.IsDir() || info.Mode().Perm()&0o111 == 0) {
			err = errors.New(t.Exec[0] + " is not a program (" + fcgisup.Permissions(info) + ")")
		}
		if err != nil && (term.IsRoot() || !errors.Is(err, fs.ErrPermission)) {
			return &unreachableReceiver{why: "cannot run it: " + err.Error(), fix: "install the program and chmod 755 " + term.ShellWord(t.Exec[0]) + ", or fix alerts.to"}
		}
	}
	return nil
}

// monitorEnvironment is the EnvironmentFile= of the monitor's unit.
const monitorEnvironment = "/etc/default/fcgisup-monitor"

func inMonitorEnvironment(name string) bool {
	text, err := os.ReadFile(monitorEnvironment)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), name+"=") {
			return true
		}
	}
	return false
}

// WhyFailing is why an instance failed last, in a sentence without its end.
func WhyFailing(st control.Status) string {
	last := st.LastFailure
	if last == nil {
		return "it has no running worker"
	}
	if last.Cause == control.ListenSocket {
		return strings.TrimRight(last.Detail, ".\n ")
	}
	why := "it has no running worker: " + cmp.Or(last.Detail, string(last.Cause))
	switch text := control.FirstLines(last); {
	case text != "":
		why += "; it printed: " + text
	case last.Cause != control.SpawnError: // else it has not begun
		why += "; it printed nothing. Its output on the error stream of FastCGI is in the error log of nginx"
	}
	return strings.TrimRight(why, ".\n ")
}
