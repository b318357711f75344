package term

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// suggestWithin is how many letters a command may be mistyped by, as cobra's own default.
const suggestWithin = 2

// UsageArgs makes every complaint about arguments a usage error in our words.
func UsageArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if check(cmd, args) == nil {
				return nil
			}
			return badArgs(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		UsageArgs(sub)
	}
}

// badArgs says what a command takes, as its usage line does.
func badArgs(cmd *cobra.Command, args []string) error {
	path := strings.TrimPrefix(cmd.CommandPath(), "fcgisup ")
	if cmd.HasAvailableSubCommands() && len(args) > 0 {
		return unknownCommand(cmd, args[0])
	}
	_, takes, _ := strings.Cut(cmd.Use, " ")
	takes = strings.ReplaceAll(takes, "APP[@N]", "APP or APP@N")
	if outer, ok := strings.CutPrefix(takes, "["); ok && strings.Index(outer, "]") == len(outer)-1 {
		takes = strings.TrimSuffix(outer, "]")
	}
	switch {
	case takes == "":
		return usageOf(cmd, fmt.Errorf("%s takes no arguments, got %q", path, args[0]))
	case len(args) == 0:
		return usageOf(cmd, fmt.Errorf("%s needs %s", path, takes))
	}
	return usageOf(cmd, fmt.Errorf("%s takes %s, got %d arguments", path, takes, len(args)))
}

func unknownCommand(parent *cobra.Command, name string) error {
	err := fmt.Errorf("unknown command %q", strings.TrimPrefix(parent.CommandPath()+" "+name, "fcgisup "))
	parent.SuggestionsMinimumDistance = suggestWithin
	if like := parent.SuggestionsFor(name); len(like) > 0 {
		return &ExitError{Code: ExitUsage, Hint: "did you mean: " + parent.CommandPath() + " " + strings.Join(like, ", ") + "?", Cause: err}
	}
	return usageOf(parent, err)
}

// BadFlag is a complaint about flags without the library's inner words.
func BadFlag(cmd *cobra.Command, err error) error {
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return usageOf(cmd, err)
	}
	kinds := map[string]string{
		"int": "is not a number", "duration": "is not a duration such as 30s or 5m", "bool": "is neither true nor false",
		"stringToString": "is not KEY=VALUE",
	}
	why := kinds[wrong.GetFlag().Value.Type()]
	if why == "" {
		return usageOf(cmd, err)
	}
	return usageOf(cmd, fmt.Errorf("--%s: %q %s", wrong.GetFlag().Name, wrong.GetValue(), why))
}

// usageOf marks what was typed wrong for a command, whose help is the next step.
func usageOf(cmd *cobra.Command, err error) error {
	return &ExitError{Code: ExitUsage, Hint: helpHint(cmd.CommandPath()), Cause: err}
}

// OwnWords has the library's commands, help and completion, refuse what they do
// not know as all others do.
func OwnWords(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Run = nil
			cmd.RunE = func(_ *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				if err != nil || len(rest) > 0 {
					return unknownCommand(about, strings.Join(rest, " "))
				}
				about.InitDefaultHelpFlag()
				return about.Help()
			}
		case "completion":
			cmd.Args = cobra.ArbitraryArgs
			cmd.Example = "  fcgisup completion bash >/etc/bash_completion.d/fcgisup"
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				if len(args) > 0 {
					return unknownCommand(cmd, args[0])
				}
				return usageOf(cmd, errors.New("completion needs the name of a shell: bash, zsh, fish or powershell"))
			}
		}
	}
}
