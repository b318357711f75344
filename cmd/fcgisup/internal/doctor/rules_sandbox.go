package doctor

import (
	"context"
	"fmt"
	"strconv"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// gatherNeeds looks for what the sandbox takes, where that is asked for.
func (a *appFacts) gatherNeeds(ctx context.Context) {
	a.needs.missing = missingPaths(a.App)
	if a.Systemd.Sandbox == fcgisup.Strict {
		a.needs = needsOf(ctx, a.App)
	}
}

// findSandbox: what an app needs and its sandbox takes, as far as the host shows it.
func findSandbox(f *facts) (found []finding.Finding) {
	for _, a := range f.apps {
		if text := a.needs.strictTakes(a.App); text != "" {
			found = append(found, finding.Finding{
				Subject: "app " + a.Name, Message: text + ". Programs that use them fail, often without naming the cause.",
				Fix: "fcgisup sandbox " + term.ShellWord(a.Name) + " prints configuration that permits them; systemd: {sandbox: basic} is the default",
			})
		}
	}
	return found
}

// findIgnoredPaths: paths of a sandbox that are not there.
func findIgnoredPaths(f *facts) (found []finding.Finding) {
	for _, a := range f.apps {
		for _, m := range a.needs.missing {
			found = append(found, finding.Finding{
				Subject: "app " + a.Name, Message: m.key + ": " + m.value + " does not exist, so systemd ignores it.",
				Fix: "create " + term.ShellWord(m.value) + " and restart the service, or fix apps." + a.Name + "." + m.key,
			})
		}
	}
	return found
}

// findDenials: what workers said of being refused something.
func findDenials(f *facts) (found []finding.Finding) {
	for _, st := range f.denied {
		found = append(found, finding.Finding{
			Subject: st.App + "@" + strconv.Itoa(st.Instance),
			Message: fmt.Sprintf("The output of a worker reports a denial, which may come from the sandbox: %s.", st.Denial.Directive+forPath(st.Denial.Path)),
			Fix:     "apps." + st.App + ": " + st.Denial.Fix + ", then fcgisup apply " + term.ShellWord(st.App),
		})
	}
	return found
}

func forPath(path string) string {
	if path == "" {
		return ""
	}
	return ", " + path
}
