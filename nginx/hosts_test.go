package nginx

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
)

func hostsApp(t *testing.T, more string) fcgisup.App {
	t.Helper()
	cfg, err := fcgisup.Parse("x", []byte(`apps: {a: {command: /x, instances: 2, listen: "*:9000", hosts: [app1.example, 10.0.0.7, "fd00::7 backup"]`+more+`}}`))
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Apps[0]
}

func TestHosts(t *testing.T) {
	t.Parallel()
	app := hostsApp(t, `, nginx: {resolver: 10.0.0.53 valid=10s, read_timeout: 3s}`)
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{}, `app1.example:9000 10.0.0.7:9000 [fd00::7]:9000|backup app1.example:9001 10.0.0.7:9001 [fd00::7]:9001|backup`},
		{Options{DownHosts: map[string]bool{"10.0.0.7": true}}, `app1.example:9000 10.0.0.7:9000|down [fd00::7]:9000|backup app1.example:9001 10.0.0.7:9001|down [fd00::7]:9001|backup`},
		{Options{Resolve: true}, `app1.example:9000|resolve 10.0.0.7:9000 [fd00::7]:9000|backup app1.example:9001|resolve 10.0.0.7:9001 [fd00::7]:9001|backup`},
	} {
		up, locations := parse(t, Render(app, test.options))
		var got []string
		for _, args := range values(up, "server") {
			if !slices.Equal(args[1:3], []string{"max_fails=3", "fail_timeout=5s"}) {
				t.Errorf("server %q", args)
			}
			got = append(got, strings.Join(append(args[:1:1], args[3:]...), "|"))
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%+v:\n%s, want\n%s", test.options, text, test.want)
		}
		if resolver := values(up, "resolver"); (len(resolver) == 1) != test.options.Resolve || test.options.Resolve && !slices.Equal(resolver[0], []string{"10.0.0.53", "valid=10s"}) {
			t.Errorf("resolver %q", resolver)
		}
		for name, want := range map[string]string{
			"fastcgi_connect_timeout": "1500ms", "fastcgi_next_upstream": "error timeout http_503", "fastcgi_next_upstream_timeout": "3s", "fastcgi_next_upstream_tries": "2",
		} {
			if got := values(locations[0], name); len(got) != 1 || strings.Join(got[0], " ") != want {
				t.Errorf("%s %q, want %s", name, got, want)
			}
		}
	}
}

// TestHostsTimeouts: the time for connecting is shorter than the one after which no other host is tried, which is no longer than
// either of nginx's timeouts for an answer.
func TestHostsTimeouts(t *testing.T) {
	t.Parallel()
	for _, read := range []string{"1ms", "999ms", "5s", "1h"} {
		_, locations := parse(t, Render(hostsApp(t, ", nginx: {read_timeout: "+read+"}"), Options{}))
		var times []time.Duration
		for _, name := range []string{"fastcgi_connect_timeout", "fastcgi_next_upstream_timeout", "fastcgi_read_timeout"} {
			d, err := time.ParseDuration(values(locations[0], name)[0][0])
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, d)
		}
		if times[0] <= 0 || times[0] > times[1] || times[1] > times[2] || times[1] > usualSend {
			t.Errorf("read_timeout %s: %v", read, times)
		}
	}
}

func TestResolves(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"nginx version: nginx/1.22.1": false, "nginx version: nginx/1.27.2": false, "nginx version: nginx/1.27.3": true,
		"nginx version: nginx/1.28.0 (Ubuntu)": true, "nginx version: nginx/2.0.0": true, "nginx version: openresty/1.29.2.1": false, "": false,
	} {
		if resolves(version) != want {
			t.Errorf("%q: %t", version, !want)
		}
	}
}
