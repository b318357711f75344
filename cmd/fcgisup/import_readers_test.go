package main

import (
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// TestImportSaysWhoReads: a configuration with secrets is not readable by apps, and import says so.
func TestImportSaysWhoReads(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, want := range map[string]bool{"secret": true, "plain": false} {
		text := "[fcgi-program:a]\ncommand=/bin/true\nsocket=unix:///run/a.sock\n"
		if want {
			text += "environment=DB_PASSWORD=\"x\"\n"
		}
		writeFile(t, name+".conf", text)
		got := fcgisupRun("import", name+".conf", "--out", name+".yaml")
		if got.code != term.ExitDone || strings.Contains(got.out, "chgrp GROUP "+name+".yaml && chmod 640 "+name+".yaml\n") != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
