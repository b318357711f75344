package fcgisup

import "testing"

func TestRunsOn(t *testing.T) {
	t.Parallel()
	cfg, err := Parse("x", []byte(`apps: {a: {command: /x, listen: "*:9000", hosts: [App1.example, short, 10.0.0.7, "[fd00::7]", "10.0.0.8 backup"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	a := cfg.Apps[0]
	for _, test := range []struct {
		name string
		want bool
	}{
		{"app1.example", true},
		{"app1", true},
		{"APP1", true},
		{"app", false},
		{"app1.other", false},
		{"short.example", true},
		{"10.0.0.7", true},
		{"10.0.0", false},
		{"10", false},
		{"10.0.0.70", false},
		{"fd00::7", true},
		{"10.0.0.8", true},
		{"web", false},
		{"", false},
	} {
		if got := a.RunsOn([]string{"other", test.name}); got != test.want {
			t.Errorf("%q: %t", test.name, got)
		}
	}
	if !(App{}).RunsOn(nil) {
		t.Error("an app without hosts runs on none")
	}
	if !a.Hosts[4].Backup || a.Hosts[2].Backup {
		t.Errorf("hosts: %+v", a.Hosts)
	}
	if got := a.AddressOn(a.Hosts[3], 2).String(); got != "[fd00::7]:9001" {
		t.Errorf("instance 2 is at %s", got)
	}
}
