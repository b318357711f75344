package control

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

// mostStrangers are the unconfigured instances that one directory may speak for.
const mostStrangers = 64

// fewStrangers returns may for the configured instances and the first others.
func fewStrangers(apps []fcgisup.App, may func(app string, number int) bool) func(app string, number int) bool {
	strangers := 0
	return func(app string, number int) bool {
		if !may(app, number) {
			return false
		}
		if a := AppNamed(apps, app); a == nil || number > a.Instances {
			strangers++
			return strangers <= mostStrangers
		}
		return true
	}
}

// speaks tells for whom a directory may. "rt-1" is rt@1's, as systemd makes it, or
// that of all instances of an app "rt-1", as run does without --instance. Where
// both can be it is rt@1's: then systemd has made it, whose directories for "rt-1"
// have one more number.
func speaks(apps []fcgisup.App, folder string) func(app string, number int) bool {
	app, n := "", 0
	if i := strings.LastIndexByte(folder, '-'); i > 0 {
		if k, err := strconv.Atoi(folder[i+1:]); err == nil && k > 0 && strconv.Itoa(k) == folder[i+1:] {
			app, n = folder[:i], k
		}
	}
	instance := func(a string, number int) bool { return n > 0 && a == app && number == n }
	whole := func(a string, _ int) bool { return a == folder }
	switch one := AppNamed(apps, app); {
	case one != nil && n <= one.Instances:
		return instance
	case AppNamed(apps, folder) != nil:
		return whole
	case one != nil:
		return instance
	}
	return func(a string, number int) bool { return whole(a, number) || instance(a, number) }
}

// AppNamed is the app of a name, nil if none is configured.
func AppNamed(apps []fcgisup.App, name string) *fcgisup.App {
	if i := slices.IndexFunc(apps, func(a fcgisup.App) bool { return a.Name == name }); i >= 0 {
		return &apps[i]
	}
	return nil
}

// speaker returns of whom a control socket may speak, to every command: below
// Root those of its directory's name, since the directory is its app's
// user's, who must not speak for other apps; elsewhere, where an operator has named
// it, all. apps are those configured, nil if not known.
func speaker(apps []fcgisup.App, path string) func(app string, number int) bool {
	if folder := filepath.Dir(path); filepath.Dir(folder) == Root {
		return speaks(apps, filepath.Base(folder))
	}
	return func(string, int) bool { return true }
}

// OwnedByApp refuses a directory of a user who is neither root, the app's nor our own.
func OwnedByApp(dir string, app fcgisup.App) error {
	uid, known := fcgisup.UserID(app.User)
	if app.User == "" || !known {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return nil // the connection says it better
	}
	if owner := int(st.Uid); owner != 0 && owner != uid && owner != os.Geteuid() {
		return fmt.Errorf("%s belongs to %s, not to the app's user %s", dir, fcgisup.UserName(owner), app.User)
	}
	return nil
}
