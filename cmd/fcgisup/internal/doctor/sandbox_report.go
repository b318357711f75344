package doctor

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// ReportNeeds searches this host for what an app needs and prints it.
func ReportNeeds(ctx context.Context, env *term.Env, app fcgisup.App) error {
	waiting := env.Progress("searching what app %s needs", app.Name)
	needs := needsOf(ctx, app)
	waiting.Done()
	return printNeeds(env.Out, app, needs)
}

// printNeeds says what there is, and configuration that leaves it to the app.
func printNeeds(w io.Writer, app fcgisup.App, n sandboxNeeds) error {
	var b strings.Builder
	fmt.Fprintf(&b, "app %s, user %s, sandbox: %s\n", app.Name, cmp.Or(n.user, "(that of fcgisup)"), app.Systemd.Sandbox)
	list := func(heading string, items ...string) {
		if len(items) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s\n", heading)
		for i, item := range items {
			if i == maxNamed {
				fmt.Fprintf(&b, "  and %d more\n", len(items)-i)
				break
			}
			fmt.Fprintf(&b, "  %s\n", fcgisup.Printable(item))
		}
	}
	list("Programs with privileges from their file; strict removes the privileges, so they fail:", n.helpers...)
	list("Directories that its user can write; basic and strict make them read-only:", n.protected...)
	if n.home != "" {
		list("Its user's home; strict hides it:", n.home)
	}
	list("Sockets in /tmp; basic and strict give the service a private /tmp:", n.temporary...)
	list("Directories that its user can write, and that stay writable:", n.writable...)
	for _, m := range n.missing {
		list("Ignored, because it does not exist ("+m.key+"):", m.value)
	}
	if n.incomplete {
		fmt.Fprintf(&b, "\nThe list is incomplete: it took longer than %v.\n", needsTimeout)
	}
	b.WriteString("\n" + n.paste(app))
	_, err := io.WriteString(w, b.String())
	return err
}

// paste is configuration of the app.
func (n sandboxNeeds) paste(app fcgisup.App) string {
	var b strings.Builder
	service := func(sandbox string, lines []string) {
		fmt.Fprintf(&b, "systemd:\n  sandbox: %s\n", sandbox)
		if len(lines) > 0 {
			b.WriteString("  service:\n")
		}
		for _, line := range lines {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	shared, writes := []string{}, n.protected
	if len(n.temporary) > 0 {
		shared = append(shared, `PrivateTmp: "no" # if it connects to a socket there`)
	}
	strict := shared
	if n.home != "" {
		strict = append(strict[:len(strict):len(strict)], "ProtectHome: read-only")
	}
	paths := func(all []string) []string {
		if len(all) == 0 {
			return nil
		}
		return []string{"ReadWritePaths: [" + strings.Join(quotedPaths(all), ", ") + "]"}
	}
	home := writes
	if n.home != "" {
		home = append(home[:len(home):len(home)], n.home)
	}
	fmt.Fprintf(&b, "# For apps.%s. If it needs one of the programs above:\n", app.Name)
	if len(n.helpers) == 0 {
		b.Reset()
		fmt.Fprintf(&b, "# For apps.%s:\n", app.Name)
		service("strict", append(strict, paths(home)...))
		return b.String()
	}
	service("basic", append(shared[:len(shared):len(shared)], paths(writes)...))
	b.WriteString("# else\n")
	service("strict", append(strict, paths(home)...))
	return b.String()
}

// quotedPaths are for a YAML list, of which systemd takes each for a list of its own.
func quotedPaths(all []string) []string {
	quoted := make([]string, len(all))
	for i, p := range all {
		quoted[i] = p
		if strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-") != "" {
			quoted[i] = fmt.Sprintf("%q", fmt.Sprintf("%q", p))
		}
	}
	return quoted
}

// strictTakes says what strict takes from an app that its configuration does not give back; empty: nothing.
func (n sandboxNeeds) strictTakes(app fcgisup.App) string {
	if app.Systemd.Sandbox != fcgisup.Strict {
		return ""
	}
	set := app.Systemd.Service
	var parts []string
	add := func(what string, items ...string) {
		if len(items) == 0 {
			return
		}
		more := ""
		if len(items) > 3 {
			more = fmt.Sprintf(" and %d more", len(items)-3)
			items = items[:3]
		}
		parts = append(parts, what+" ("+strings.Join(items, ", ")+more+")")
	}
	add("set-user-ID and set-group-ID programs", n.helpers...)
	given := strings.Fields(strings.Join(set["ReadWritePaths"], " "))
	for i, p := range given {
		given[i] = strings.TrimLeft(p, "-+")
	}
	var lost []string
	for _, dir := range n.protected {
		if _, changed := set["ProtectSystem"]; !changed && !below(dir, given...) {
			lost = append(lost, dir)
		}
	}
	add("writing to directories of its user", lost...)
	if _, changed := set["ProtectHome"]; n.home != "" && !changed {
		add("its user's home", n.home)
	}
	if _, changed := set["PrivateTmp"]; !changed {
		add("sockets in /tmp", n.temporary...)
	}
	if len(parts) == 0 {
		return ""
	}
	return "sandbox: strict forbids it " + strings.Join(parts, "; ")
}

// WarnOfSandbox prints what an app needs, as far as this host shows it, and its sandbox takes.
func WarnOfSandbox(ctx context.Context, w io.Writer, path string, app fcgisup.App) {
	a := appFacts{App: app}
	a.gatherNeeds(ctx)
	f := &facts{apps: []appFacts{a}}
	for _, one := range append(findSandbox(f), findIgnoredPaths(f)...) {
		fmt.Fprintf(w, "%s: warning: apps.%s: %s\n  hint: %s\n", path, app.Name, fcgisup.Printable(one.Message), fcgisup.Printable(one.Fix))
	}
}
