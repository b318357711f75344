package prefork

import (
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

func wait(n int) time.Duration { return time.Duration(n) * time.Second }

func TestMachine(t *testing.T) {
	t.Parallel()
	lost := func(blamed bool) Event { return Event{Kind: Lost, Reason: "gone", Blamed: blamed} }
	for name, c := range map[string]struct {
		events []Event
		want   control.TemplateState
		reason string
		again  time.Duration // 0: not in this generation, or not failed
	}{
		"nothing was tried":              {},
		"loads":                          {[]Event{{Kind: Begun}}, control.TemplateStarting, "", 0},
		"is the template":                {[]Event{{Kind: Begun}, {Kind: Kept}}, control.TemplateReady, "", 0},
		"accepts by itself":              {[]Event{{Kind: Begun}, {Kind: Refused, Reason: "taint mode"}}, control.TemplateFailed, "taint mode", 0},
		"cannot be loaded here":          {[]Event{{Kind: Refused, Reason: "no directory"}}, control.TemplateFailed, "no directory", 0},
		"is refused only once":           {[]Event{{Kind: Begun}, {Kind: Refused, Reason: "a"}, {Kind: Refused, Reason: "b"}, {Kind: Begun}}, control.TemplateFailed, "a", 0},
		"ends while it loads":            {[]Event{{Kind: Begun}, lost(false)}, control.TemplateFailed, "gone", wait(1)},
		"ends as the template":           {[]Event{{Kind: Begun}, {Kind: Kept}, lost(true)}, control.TemplateFailed, "gone", wait(1)},
		"is not tried too early":         {[]Event{{Kind: Begun}, lost(true), {Kind: Begun}}, control.TemplateFailed, "gone", wait(1)},
		"is not kept without a try":      {[]Event{{Kind: Kept}}, "", "", 0},
		"is ended, and may be tried":     {[]Event{{Kind: Begun}, {Kind: Kept}, {Kind: Dropped}}, "", "", 0},
		"stays refused when it is ended": {[]Event{{Kind: Begun}, {Kind: Refused, Reason: "a"}, {Kind: Dropped}}, control.TemplateFailed, "a", 0},
		"is not lost twice":              {[]Event{{Kind: Begun}, lost(true), lost(true)}, control.TemplateFailed, "gone", wait(1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(1, 0)
			var m Machine
			for _, ev := range c.events {
				m = m.Step(ev, now, wait)
			}
			if m.State != c.want || m.Reason != c.reason || c.again != 0 != !m.Again.IsZero() || c.again != 0 && m.Again != now.Add(c.again) {
				t.Errorf("it is %q for the reason %q, again at %v; want %q, %q and after %v", m.State, m.Reason, m.Again, c.want, c.reason, c.again)
			}
			if m.State == control.TemplateReady && m.MayBegin(now.Add(time.Hour)) {
				t.Error("a second template may begin")
			}
		})
	}
}

// What the template is to blame for ends the attempts; what others have done does not.
func TestMachineGivesUp(t *testing.T) {
	t.Parallel()
	for _, blamed := range []bool{true, false} {
		now := time.Unix(1, 0)
		var m Machine
		n := 0
		for ; n < 10 && m.MayBegin(now); n++ {
			m = m.Step(Event{Kind: Begun}, now, wait)
			m = m.Step(Event{Kind: Lost, Blamed: blamed}, now, wait)
			now = now.Add(time.Hour)
		}
		if want := map[bool]int{true: attempts, false: 10}[blamed]; n != want {
			t.Errorf("blamed %t: %d attempts, want %d", blamed, n, want)
		}
	}
}

func TestMachineForgets(t *testing.T) {
	t.Parallel()
	now := time.Unix(1, 0)
	var m Machine
	for range 2 * attempts {
		m = m.Step(Event{Kind: Begun}, now, wait)
		m = m.Step(Event{Kind: Kept}, now, wait)
		now = now.Add(proven)
		m = m.Step(Event{Kind: Lost, Blamed: true}, now, wait)
		now = m.Again
		if m.Again.IsZero() {
			t.Fatal("a template that ends once in a while is given up")
		}
	}
}
