//go:build man

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// packagers are the commands of a build with the tag man, that of make man. The
// library for Markdown would be a tenth of a supervisor's memory.
func (c *cli) packagers() []*cobra.Command { return []*cobra.Command{c.manCommand()} }

// manCommand writes the manual; it is for packagers, so --help does not list it.
func (c *cli) manCommand() *cobra.Command {
	const example = "bin/fcgisup-man man dist/man"
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages",
		Long: `man writes a page of section 1 for each command into DIR, and fcgisup.yaml(5).
The date is that of $SOURCE_DATE_EPOCH, else of the commit, so that two builds
are equal. Only the program that make man builds has this command.`,
		Example: "  " + example,
		Args:    cobra.ArbitraryArgs, // a hint must not send to fcgisup, which lacks the command
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &term.ExitError{Code: term.ExitUsage, Hint: example, Cause: fmt.Errorf("man takes one DIR, got %d arguments", len(args))}
			}
			date, err := c.buildDate()
			if err != nil {
				return term.Usage(err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			forMarkdown(root)
			root.Long += manCommands(root)
			if completion, _, err := root.Find([]string{"completion"}); err == nil {
				for _, shell := range completion.Commands() {
					shell.Hidden = true // one page describes all
				}
			}
			header := &doc.GenManHeader{Section: "1", Source: "fcgisup " + versionText(), Manual: "fcgisup", Date: &date}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("cannot write the man pages: %w", err)
			}
			page := md2man.Render([]byte(configurationPage(date)))
			if err := os.WriteFile(filepath.Join(args[0], "fcgisup.yaml.5"), page, 0o644); err != nil {
				return fmt.Errorf("cannot write the man pages: %w", err)
			}
			return nil
		},
	}
}

// manCommands is a section that lists them with their pages.
func manCommands(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("\n\n# COMMANDS\n")
	for _, sub := range root.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(&b, "**fcgisup-%s(1)**\n:   %s\n\n", sub.Name(), manText(sub.Short))
		}
	}
	return b.String()
}

// buildDate is when the sources were made, never now: https://reproducible-builds.org/specs/source-date-epoch/
func (c *cli) buildDate() (time.Time, error) {
	if text := c.Getenv("SOURCE_DATE_EPOCH"); text != "" {
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
	if details := manDetails[cmd.CommandPath()]; details != "" {
		cmd.Long += "\n\n" + details
	}
	cmd.Long = manParagraphs(cmd.Long)
	for _, set := range []*pflag.FlagSet{cmd.LocalNonPersistentFlags(), cmd.PersistentFlags()} {
		set.VisitAll(func(f *pflag.Flag) { f.Usage = manText(f.Usage) })
	}
	for _, sub := range cmd.Commands() {
		forMarkdown(sub)
	}
}

// manParagraphs escapes paragraphs, and keeps the lines of lists, which are indented.
func manParagraphs(s string) string {
	var b strings.Builder
	list := false
	for line := range strings.Lines(s) {
		if indented := strings.HasPrefix(line, "  "); indented != list {
			list = indented
			b.WriteString("\n```\n")
		}
		if !list {
			line = manText(line)
		}
		b.WriteString(line)
	}
	if list {
		b.WriteString("\n```\n")
	}
	return b.String()
}

// configurationPage is fcgisup.yaml(5) as md2man reads it: man pages have lists of terms where the web has tables.
func configurationPage(date time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%% \"fcgisup.yaml\" \"5\" \"%s\" \"fcgisup %s\" \"fcgisup\"\n", date.Format("Jan 2006"), versionText())
	b.WriteString("# NAME\nfcgisup.yaml - configuration of fcgisup\n\n")
	b.WriteString("# SYNOPSIS\n$FCGISUP_CONFIG, ./" + fcgisup.LocalConfig + ", " + fcgisup.SystemConfig + "\n\n")
	b.WriteString("# DESCRIPTION\nYAML. An unknown key is an error; fcgisup validate names every mistake. " +
		"Every key but command has a default. NAME is a name that you give.\n\n# KEYS\n")
	for _, k := range fcgisup.Reference() {
		fmt.Fprintf(&b, "**%s**: %s", manText(k.Path), manText(k.Kind))
		if k.Default != "" {
			fmt.Fprintf(&b, "; default %s", manText(k.Default))
		}
		fmt.Fprintf(&b, "\n:   %s\n\n", manText(k.Doc))
	}
	b.WriteString("# EXAMPLE\n```\n" + string(fcgisup.Example) + "```\n\n# SEE ALSO\nfcgisup(1), fcgisup-validate(1), fcgisup-init(1)\n")
	return b.String()
}

// manText escapes what Markdown would take.
func manText(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`).Replace(s)
}
