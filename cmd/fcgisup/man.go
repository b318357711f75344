package main

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// manCommand writes the manual; it is for packagers (make man), so --help does not list it.
func (c *cli) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages",
		Long: `man writes a page of section 1 for each command into DIR. The date is that of
$SOURCE_DATE_EPOCH, else of the commit, so that two builds are equal.`,
		Example: "  fcgisup man dist/man",
		Args:    cobra.ExactArgs(1),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := c.buildDate()
			if err != nil {
				return usage(err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			forMarkdown(root)
			if completion, _, err := root.Find([]string{"completion"}); err == nil {
				for _, shell := range completion.Commands() {
					shell.Hidden = true // one page tells of all
				}
			}
			header := &doc.GenManHeader{Section: "1", Source: "fcgisup " + versionText(), Manual: "fcgisup", Date: &date}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("cannot write the man pages: %w", err)
			}
			return nil
		},
	}
}

// buildDate is when the sources were made, never now: https://reproducible-builds.org/specs/source-date-epoch/
func (c *cli) buildDate() (time.Time, error) {
	if text := c.getenv("SOURCE_DATE_EPOCH"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("$SOURCE_DATE_EPOCH is %q, not a number of seconds", text)
		}
		return time.Unix(seconds, 0).UTC(), nil
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key != "vcs.time" {
				continue
			}
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				return t.UTC(), nil
			}
		}
	}
	return time.Unix(0, 0).UTC(), nil
}

// forMarkdown escapes the texts, which cobra/doc takes for Markdown: a * would vanish, a <name> too. Flags get
// their placeholder's name, for which --help reads the same back quotes.
func forMarkdown(cmd *cobra.Command) {
	escape := strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`).Replace
	cmd.Long = escape(cmd.Long)
	for _, set := range []*pflag.FlagSet{cmd.LocalNonPersistentFlags(), cmd.PersistentFlags()} {
		set.VisitAll(func(f *pflag.Flag) { f.Usage = escape(f.Usage) })
	}
	for _, sub := range cmd.Commands() {
		forMarkdown(sub)
	}
}
