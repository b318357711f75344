package units

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
)

// TestSocketOf: properties as systemd 252 sends them.
func TestSocketOf(t *testing.T) {
	got := socketOf("rt@1.socket", properties{
		"LoadState": "loaded", "ActiveState": "failed", "SubState": "failed", "Result": "trigger-limit-hit",
		"FragmentPath": "/etc/systemd/system/rt@.socket", "NeedDaemonReload": true, "UnitFileState": "disabled",
		"WantedBy": []string{"sockets.target"}, "Backlog": uint32(4096), "SocketMode": uint32(0o660), "Accept": true,
		"Listen":                   [][]any{{"Stream", "/run/rt1.sock"}, {"Datagram", "/run/x"}, {"Stream", "[::]:9000"}, {"Stream", "@abstract"}, {"Stream"}},
		"TriggerLimitIntervalUSec": uint64(2_000_000), "TriggerLimitBurst": uint32(20), "Triggers": []string{"rt@1.service"},
	})
	want := SocketUnit{
		Unit: Unit{
			State: State{"rt@1.socket", "failed", "failed"}, Load: "loaded", Result: "trigger-limit-hit",
			File: "/etc/systemd/system/rt@.socket", Stale: true, FileState: "disabled", Wanted: true,
		},
		Listen: []fcgisup.Address{{Network: "unix", Addr: "/run/rt1.sock"}, {Network: "tcp", Addr: "[::]:9000"}},
		Accept: true, Backlog: 4096, Mode: 0o660, Service: "rt@1.service", Trigger: RateLimit{2 * time.Second, 20},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// A systemd that has other properties, or of other types.
	if got := socketOf("x.socket", properties{"Backlog": "many", "Listen": 5}); got.Backlog != 0 || got.Listen != nil || got.Service != "" {
		t.Errorf("got %+v", got)
	}
}

func TestServiceOf(t *testing.T) {
	got := serviceOf("a.service", properties{
		"LoadState": "loaded", "StartLimitIntervalUSec": uint64(math.MaxUint64), "StartLimitBurst": uint32(5), "PrivateTmp": true,
		"ExecStart": [][]any{{"/opt/a", []string{"/opt/a"}, false}}, "User": "x", "Group": "y",
		"RuntimeDirectory": []string{"a", "b/c"}, "RuntimeDirectoryPreserve": "no", "StandardInput": "socket", "ExecMainStatus": int32(203),
	})
	if got.Exit != 203 {
		t.Errorf("it ended with %d", got.Exit)
	}
	if got.Program != "/opt/a" || got.User != "x" || got.Group != "y" {
		t.Errorf("it runs %s as %s and %s", got.Program, got.User, got.Group)
	}
	rooted := serviceOf("a.service", properties{"ExecStart": [][]any{{"/opt/a"}, {}}, "RootDirectory": "/srv", "DynamicUser": true, "User": "a"})
	if rooted.Program != "" || rooted.User != "" {
		t.Errorf("in a root of its own it runs %s as %s", rooted.Program, rooted.User)
	}
	if !got.Start.Set() || got.Start.Interval < 24*365*time.Hour || !got.PrivateTmp || !got.OnStdin || cmp.Diff(got.RuntimeDirectories, []string{"/run/a", "/run/b/c"}) != "" {
		t.Errorf("got %+v", got)
	}
	if got := serviceOf("a.service", properties{"RuntimeDirectory": []string{"a"}, "RuntimeDirectoryPreserve": "yes"}); got.RuntimeDirectories != nil {
		t.Errorf("preserved directories %v", got.RuntimeDirectories)
	}
	for _, off := range []properties{{}, {"StartLimitIntervalUSec": uint64(0), "StartLimitBurst": uint32(5)}, {"StartLimitIntervalUSec": uint64(1), "StartLimitBurst": uint32(0)}} {
		if serviceOf("a.service", off).Start.Set() {
			t.Errorf("%v is a limit", off)
		}
	}
}
