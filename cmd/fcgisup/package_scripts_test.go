package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPostinstWithoutAnswer: a systemd that does not answer does not leave the package half configured.
func TestPostinstWithoutAnswer(t *testing.T) {
	dir := t.TempDir()
	tool := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tool("systemctl", `[ "$1" != show ]`)
	tool("deb-systemd-helper", "")
	tool("deb-systemd-invoke", `echo "$@" >>`+dir+`/invoked`)
	script, err := os.ReadFile("../../.package/postinst")
	if err != nil {
		t.Fatal(err)
	}
	const booted = "/run/systemd/system" // here, it need not be
	if !bytes.Contains(script, []byte(booted)) {
		t.Fatalf("the script does not look for %s", booted)
	}
	tool("postinst", string(bytes.ReplaceAll(script, []byte(booted), []byte(dir))))
	run := exec.Command(filepath.Join(dir, "postinst"), "configure", "1.2.3")
	run.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
	out, err := run.CombinedOutput()
	if err != nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "systemctl reload") {
		t.Errorf("%v: %s", err, out)
	}
	if invoked, err := os.ReadFile(filepath.Join(dir, "invoked")); err != nil || string(invoked) != "restart fcgisup-monitor.service\n" {
		t.Errorf("%v: invoked %s", err, invoked)
	}
}
