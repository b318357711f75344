package alert

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// TestRefusedConfiguration: a monitor that began with the last accepted configuration sends an alert that says why, and
// another one when the configuration is read again, after a restart as well.
func TestRefusedConfiguration(t *testing.T) {
	t.Parallel()
	m, now := newMachine(), epoch
	var sent []string
	observe := func(d time.Duration, accepted *monitor.Accepted) {
		for end := now.Add(d); now.Before(end); now = now.Add(5 * time.Second) {
			r := frame("U", now)
			r.Accepted = accepted
			m.observe(takeSnapshot(r), now)
			for _, n := range m.notifications(rules{hold: time.Minute}, now) {
				sent = append(sent, n.Title)
				if n.Event == Down && !strings.Contains(n.Text, "fcgisup.yaml:7:5: unknown key") {
					t.Errorf("the alert does not say why: %s", n.Text)
				}
			}
		}
	}
	observe(2*time.Minute, &monitor.Accepted{Error: "runs with the last accepted configuration of 2026-01-01 12:00:00: fcgisup.yaml:7:5: unknown key", Since: now})
	observe(2*time.Minute, nil)
	if want := []string{"DOWN: fcgisup-configuration on web1", "UP: fcgisup-configuration on web1"}; !slices.Equal(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
}
