package recipe

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed recipes/*.yaml
var files embed.FS

// Recipe is one program's configuration and what to know about it.
type Recipe struct {
	Name  string
	Title string
	// Packages are those of Debian 12, mail server and data base included where the program needs one.
	Packages []string
	// Server holds lines for nginx's server block, besides the include of the generated location.
	Server []string
	// Try is a path that answers once the program works.
	Try string
	// Notes are the sentences of the header, one a line.
	Notes []string
	// File is the whole file, header included; Config is the configuration below the header.
	File, Config string
}

// All returns the recipes, sorted by name.
func All() []Recipe {
	names, err := fs.Glob(files, "recipes/*.yaml")
	if err != nil {
		panic(err) // the pattern is constant
	}
	all := make([]Recipe, len(names))
	for i, name := range names {
		content, err := files.ReadFile(name)
		if err != nil {
			panic(err) // embedded
		}
		all[i] = parse(strings.TrimSuffix(path.Base(name), ".yaml"), string(content))
	}
	// As names, not as files: "-" comes before the dot.
	slices.SortFunc(all, func(a, b Recipe) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Find returns the recipe of that name.
func Find(name string) (Recipe, bool) {
	for _, r := range All() {
		if r.Name == name {
			return r, true
		}
	}
	return Recipe{}, false
}

// parse splits a file into its header, which ends with the first line that is not a comment, and its configuration.
func parse(name, file string) Recipe {
	r := Recipe{Name: name, File: file}
	rest := file
	for strings.HasPrefix(rest, "# ") {
		line, below, _ := strings.Cut(rest, "\n")
		r.header(strings.TrimPrefix(line, "# "))
		rest = below
	}
	r.Config = rest
	return r
}

func (r *Recipe) header(line string) {
	key, value, _ := strings.Cut(line, ": ")
	switch {
	case r.Title == "":
		r.Title = line
	case key == "Packages":
		r.Packages = strings.Fields(value)
	case key == "Server":
		r.Server = append(r.Server, value)
	case key == "Try":
		r.Try = value
	default:
		r.Notes = append(r.Notes, line)
	}
}
