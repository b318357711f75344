package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor"
)

// believed is what a socket may say of what it says: below controlRoot no more
// than its folder's name. The folder is its app's user's, who must not speak for
// other apps.
func (m *monitoring) believed(apps []fcgisup.App, socket string, all []supervisor.Status) []supervisor.Status {
	if slices.Contains(m.controls, socket) {
		return all
	}
	return heard(apps, filepath.Base(filepath.Dir(socket)), all)
}

// mostStrangers are the unconfigured instances that one folder may speak for.
const mostStrangers = 64

// heard is what of all a folder may say.
func heard(apps []fcgisup.App, folder string, all []supervisor.Status) []supervisor.Status {
	may := speaks(apps, folder)
	strangers := 0
	return slices.DeleteFunc(all, func(st supervisor.Status) bool {
		if !may(st.App, st.Instance) {
			return true
		}
		if a := named(apps, st.App); a == nil || st.Instance > a.Instances {
			strangers++
			return strangers > mostStrangers
		}
		return false
	})
}

// speaks tells for whom a folder may. "rt-1" is rt@1's, as systemd makes it, or
// that of all instances of an app "rt-1", as run does without --instance. Where
// both can be it is rt@1's: then systemd has made it, whose folders for "rt-1"
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
	switch one := named(apps, app); {
	case one != nil && n <= one.Instances:
		return instance
	case named(apps, folder) != nil:
		return whole
	case one != nil:
		return instance
	}
	return func(a string, number int) bool { return whole(a, number) || instance(a, number) }
}

// named is the app of a name, nil if none is configured.
func named(apps []fcgisup.App, name string) *fcgisup.App {
	if i := slices.IndexFunc(apps, func(a fcgisup.App) bool { return a.Name == name }); i >= 0 {
		return &apps[i]
	}
	return nil
}
