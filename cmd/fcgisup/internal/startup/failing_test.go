package startup

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

// fakeServices is a systemd with some services.
type fakeServices map[string]units.Service

func (f fakeServices) List(context.Context, ...string) ([]units.State, error) {
	var all []units.State
	for name, s := range f {
		all = append(all, units.State{Name: name, Active: s.Active, Sub: s.Sub})
	}
	return all, nil
}

func (f fakeServices) Service(_ context.Context, name string) (units.Service, error) {
	return f[name], nil
}

// TestFailingServices: a service that systemd keeps restarting does not sleep.
func TestFailingServices(t *testing.T) {
	is := func(active, sub, result string, exit int, restarts uint32) units.Service {
		return units.Service{State: units.State{Active: active, Sub: sub}, Result: result, Exit: exit, Restarts: restarts, Began: time.Unix(1, 0)}
	}
	systemd := fakeServices{
		"a-fastcgi@1.service": is("activating", "auto-restart", "exit-code", units.NamespaceExit, 7), "a-fastcgi@2.service": is("inactive", "dead", "success", 0, 0),
		"a-fastcgi@3.service": is("failed", "failed", "timeout", 0, 0), "a-fastcgi@4.service": is("activating", "start", "success", 0, 0),
		"a-fastcgi@5.service": is("activating", "start", "success", 0, 9), "a-fastcgi@6.service": is("activating", "auto-restart", "signal", 9, 0),
		"a-fastcgi@7.service": is("inactive", "dead", "exit-code", 1, 9),
	}
	want := map[int]string{
		1: "systemd keeps restarting its service (7 times): exit code 226/NAMESPACE; the sandbox may forbid this: systemd cannot set up the mounts",
		3: "its service has failed: timeout; ", 5: "systemd has restarted its service 9 times; ",
	}
	var all []control.Status
	for n := 1; n <= 8; n++ {
		all = append(all, control.Status{App: "a", Instance: n, State: control.Sleeping})
	}
	FindFailing(t.Context(), systemd, all)
	for _, st := range all {
		says := want[st.Instance]
		switch {
		case says == "" && (st.State != control.Sleeping || st.LastFailure != nil):
			t.Errorf("%d is %s, %+v", st.Instance, st.State, st.LastFailure)
		case says != "" && (st.State != control.InstanceFailing || !strings.HasPrefix(st.LastFailure.Detail, says)):
			t.Errorf("%d is %s, %+v, want %s", st.Instance, st.State, st.LastFailure, says)
		}
	}
}

// TestDeniedMounts: where a directive names what is not there, that is the reason.
func TestDeniedMounts(t *testing.T) {
	missing := []string{"ReadWritePaths=/srv/x y"}
	if cause, fix := DeniedMounts("exit-code", 226, missing, "a"); cause != "the sandbox may forbid this: ReadWritePaths=/srv/x y does not exist" || fix != "create '/srv/x y', or write -/srv/x y in ReadWritePaths=" {
		t.Errorf("%q, %q", cause, fix)
	}
	if cause, _ := DeniedMounts("success", 0, missing, "a"); cause == "" {
		t.Error("between two starts nothing is known")
	}
	if cause, fix := DeniedMounts("exit-code", 1, nil, "a"); cause+fix != "" {
		t.Errorf("%q, %q", cause, fix)
	}
	if cause, fix := DeniedMounts("signal", 226, nil, "a"); cause+fix != "" {
		t.Errorf("%q, %q", cause, fix)
	}
}
