package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// writable is a file that decides what runs, and that the wrong users can change.
type writable struct {
	subject, path string
	// hurts says what those who can write it decide.
	hurts string
	trust *fcgisup.TrustError
}

// gatherWritable checks what decides which programs run as root or as an app's
// user: the configuration, the environment files, commands run as root and
// programs that get alerts. read is the configuration that the units read.
func (f *facts) gatherWritable(cfg *fcgisup.Config, read string) {
	root := func(subject, path string) { f.checkWritable(subject, path, 0, "can have any program run as root") }
	root("the configuration", read)
	if own, err := filepath.Abs(cfg.Path); err == nil && own != read {
		f.checkWritable("the configuration", own, os.Geteuid(), "can have any program run by those who use it")
	}
	for _, t := range cfg.Alerts.To {
		if len(t.Exec) > 0 {
			root("alert "+t.Name, t.Exec[0])
		}
	}
	for _, a := range cfg.Apps {
		uid, known := fcgisup.UserID(a.User)
		if !known {
			continue // a finding of its own
		}
		if file := strings.TrimPrefix(a.EnvironmentFile, "-"); file != "" {
			f.checkWritable("app "+a.Name, file, uid, "can have any program run as user "+a.User)
		}
		if uid != 0 {
			continue
		}
		for _, arg := range a.Command { // a script is an argument of its interpreter
			if filepath.IsAbs(arg) {
				root("app "+a.Name, arg)
			}
		}
	}
}

// checkWritable leaves out what is not there or may not be looked at.
func (f *facts) checkWritable(subject, path string, uid int, hurts string) {
	var trust *fcgisup.TrustError
	if errors.As(fcgisup.CheckTrust(path, uid), &trust) {
		f.writable = append(f.writable, writable{subject, path, hurts, trust})
	}
}

// findWritable: files that decide what runs, and that the wrong users can write.
func findWritable(f *facts) (found []finding.Finding) {
	for _, w := range f.writable {
		one := finding.Finding{
			Subject: w.subject,
			Message: w.trust.Error() + ": those who can write " + w.path + " " + w.hurts + ".",
			Fix:     "chown root " + term.ShellWord(w.trust.Path) + " && chmod go-w " + term.ShellWord(w.trust.Path),
		}
		if w.trust.Anyone {
			one.Severity = finding.Error
		}
		found = append(found, one)
	}
	return found
}
