package main

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestJSONDocumented: each command that shows state has --json, and an example of it.
func TestJSONDocumented(t *testing.T) {
	t.Parallel()
	shows := regexp.MustCompile(`^(Show|Probe|Diagnose|Print the version)`)
	n := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if shows.MatchString(cmd.Short) {
			n++
			if cmd.Flags().Lookup("json") == nil || !strings.Contains(cmd.Example, "--json") {
				t.Errorf("%s shows state, and its help has no --json or no example of it", cmd.CommandPath())
			}
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(testRoot())
	if n < 5 {
		t.Errorf("only %d commands show state", n)
	}
}

// TestVersion: both forms, on one line each.
func TestVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"version"}, `^fcgisup \S+ \((commit [0-9a-f]{12}( of \S+)?, )?go\S+, linux/\w+\)\n$`},
		{[]string{"version", "--json"}, `^\{"version":"[^"]+",("commit":"[0-9a-f]+",("commit_date":"[^"]+",)?)?"go":"[^"]+","platform":"linux/\w+"\}\n$`},
	} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), c.args, stdio{strings.NewReader(""), &out, &errs}); code != 0 || !regexp.MustCompile(c.want).MatchString(out.String()) {
			t.Errorf("%v: exit code %d, %q, %q", c.args, code, out.String(), errs.String())
		}
	}
}
