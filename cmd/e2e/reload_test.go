package e2e

import "testing"

// TestReloadTellsOfInstances: their number is not applied, and is said to be so.
func TestReloadTellsOfInstances(t *testing.T) {
	inTurn(t, light)
	s := newConfigured(t, "more", "command: [/bin/false]\nlisten: DIR/a%i.sock")
	s.configure(t, "more", "command: [/bin/false]\nlisten: DIR/a%i.sock\ninstances: 2")
	out, err := s.fcgisup("reload", "more")
	const want = "more@1 reloaded\nfcgisup: instances: 2 is not applied, 1 run: that takes a restart of fcgisup run, or under systemd fcgisup apply\n"
	if err != nil || out != want {
		t.Errorf("%v: %s", err, out)
	}
}
