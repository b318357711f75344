package service

import (
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

func TestCleanMapping(t *testing.T) {
	const program = "/usr/bin/fcgisup"
	if from, to, ok := cleanMapping("00400000-00b2e000 r-xp 00001000 08:01 1234   /usr/bin/fcgisup", program); !ok || from != 0x400000 || to != 0xb2e000 {
		t.Error(from, to, ok)
	}
	for _, line := range []string{
		"",
		"00400000-00b2e000 rw-p 00001000 08:01 1234 /usr/bin/fcgisup", // what is written would be lost
		"00400000-00b2e000 r-xp 00001000 08:01 1234 /lib/libc.so",
		"c000000000-c000400000 rw-p 00000000 00:00 0",
		"zz-00b2e000 r-xp 0 0 0 /usr/bin/fcgisup",
		"00b2e000-00400000 r-xp 0 0 0 /usr/bin/fcgisup",
	} {
		if _, _, ok := cleanMapping(line, program); ok {
			t.Errorf("%q would be given back", line)
		}
	}
}

// TestReleasePages runs on after its own code has been given back.
func TestReleasePages(t *testing.T) {
	for range 3 {
		ReleaseMemory()
	}
	if term.Plural(2, "page") != "2 pages" {
		t.Error("the program does not run as before")
	}
}
