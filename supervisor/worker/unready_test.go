package worker

import (
	"strings"
	"testing"
	"time"
)

func TestReasonsOfTheUnready(t *testing.T) {
	for name, c := range map[string]struct {
		seen Unready
		want []string // all of them; none: no reason
	}{
		"crash":                      {Unready{Output: []string{"no such database"}}, nil},
		"a crash with an error page": {Unready{Output: []string{"Content-type: text/html", "<h1>Software error:</h1>"}}, nil},
		"own socket":                 {Unready{Timeout: time.Second, Own: []string{"/run/a.sock"}}, []string{"a socket of its own, /run/a.sock", "standard input", "remove"}},
		"own socket, then status 0":  {Unready{Clean: true, Own: []string{"127.0.0.1:80", "[::]:81"}}, []string{"127.0.0.1:80, [::]:81"}},
		"daemon":                     {Unready{Clean: true, Left: []string{"app, process 7"}}, []string{"background", "app, process 7", "foreground"}},
		"daemon with a socket":       {Unready{Clean: true, Left: []string{"app, process 7"}, Own: []string{"/run/a.sock"}}, []string{"background", "app, process 7", "/run/a.sock"}},
		"CGI":                        {Unready{Clean: true, Output: []string{"Content-Type: text/plain", "hi"}}, []string{"is CGI, not FastCGI", "fcgiwrap"}},
		"CGI with a status":          {Unready{Clean: true, Output: []string{"warning: old", "status: 200 OK"}}, []string{"is CGI"}},
		"prints HTTP":                {Unready{Clean: true, Output: []string{"HTTP/1.0 200 OK"}}, []string{"is CGI"}},
		"prints HTML and stays":      {Unready{Timeout: time.Second, Output: []string{"<!DOCTYPE html>"}}, []string{"prints a page", "not a FastCGI program"}},
		"status 0 at once":           {Unready{Clean: true, Output: []string{"done"}}, []string{"before it accepted", "forks"}},
		"nothing":                    {Unready{Timeout: time.Second}, []string{"does not accept", "standard input", "limits.start_timeout"}},
	} {
		got := c.seen.Reason()
		if (got == "") != (len(c.want) == 0) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q", name, got)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not in %q", name, want, got)
			}
		}
	}
}
