package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// They are set by the build of a release: -ldflags "-X main.version=1.2.3".
var version, commit, commitDate string

// build is where the program comes from. What is not known is empty.
type build struct {
	Version    string `json:"version"`
	Commit     string `json:"commit,omitempty"`
	CommitDate string `json:"commit_date,omitempty"`
	Go         string `json:"go"`
	Platform   string `json:"platform"`
}

// thisBuild is a release, or the commit for a build from a checkout.
func thisBuild() build {
	b := build{Version: version, Commit: commit, CommitDate: commitDate, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok && b.Commit == "" {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.CommitDate = s.Value
			}
		}
	}
	if b.Version == "" {
		b.Version = "0.0.0"
		if b.Commit != "" {
			b.Version += "+" + b.Commit[:min(12, len(b.Commit))]
		}
	}
	return b
}

func (b build) String() string {
	details := []string{b.Go, b.Platform}
	if b.Commit != "" {
		from := "commit " + b.Commit[:min(12, len(b.Commit))]
		if b.CommitDate != "" {
			from += " of " + b.CommitDate
		}
		details = append([]string{from}, details...)
	}
	return fmt.Sprintf("fcgisup %s (%s)", b.Version, strings.Join(details, ", "))
}

func versionText() string { return thisBuild().Version }

func (c *cli) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version and the commit",
		Long:    "version prints the version, the commit of the sources with its date, the version\nof Go, and the platform.",
		Example: "  fcgisup version\n  fcgisup version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return json.NewEncoder(c.Out).Encode(thisBuild())
			}
			_, err := fmt.Fprintln(c.Out, thisBuild())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON object with version, commit, commit_date, go and platform")
	return cmd
}
