package recipe

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed page.md
var intro string

// page returns docs/programs.md.
func page() string {
	var b strings.Builder
	b.WriteString(intro)
	b.WriteString("\n| `fcgisup init` | program | Debian packages |\n|---|---|---|\n")
	for _, r := range All() {
		fmt.Fprintf(&b, "| [`%s`](#%[1]s) | %s | %s |\n", r.Name, r.Title, strings.Join(r.Packages, " "))
	}
	for _, r := range All() {
		r.section(&b)
	}
	return b.String()
}

func (r Recipe) section(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", r.Name, r.Title)
	for _, note := range r.Notes {
		fmt.Fprintf(b, "\n%s\n", note)
	}
	fmt.Fprintf(b, "\n```sh\napt-get install --no-install-recommends %s\n```\n", strings.Join(r.Packages, " "))
	fmt.Fprintf(b, "\n```yaml\n%s```\n", r.Config)
	fmt.Fprintf(b, "\n```nginx\n%s```\n\nThen ask for `%s`.\n", r.serverBlock(), r.Try)
}

// serverBlock is the server block of nginx that mounts the program.
func (r Recipe) serverBlock() string {
	var b strings.Builder
	b.WriteString("server {\n    listen 80;\n")
	server := r.Server
	if len(server) == 0 || !strings.HasPrefix(server[0], "server_name") {
		server = append([]string{"server_name example.org;"}, server...)
	}
	for _, line := range server {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	for _, app := range r.apps() {
		fmt.Fprintf(&b, "    include snippets/%s-location.conf;\n", app)
	}
	b.WriteString("}\n")
	return b.String()
}

// apps returns the names of the configuration's apps: the keys two columns in.
func (r Recipe) apps() []string {
	var names []string
	for line := range strings.Lines(r.Config) {
		name, found := strings.CutPrefix(strings.TrimRight(line, "\n"), "  ")
		if name, key := strings.CutSuffix(name, ":"); found && key && !strings.HasPrefix(name, " ") {
			names = append(names, name)
		}
	}
	return names
}
