package webserver

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
)

// rendered is the file of the app that these lines of a configuration describe, and the keys of its notes.
func rendered(t *testing.T, kind Kind, keys string) (text string, notes []string) {
	t.Helper()
	cfg, err := fcgisup.Parse("test", []byte("apps:\n  app:\n    command: [/x]\n    "+strings.ReplaceAll(keys, "\n", "\n    ")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	file, all, err := Render(kind, cfg.Apps[0], "fcgisup gen "+string(kind)+" app")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		notes = append(notes, n.Key+": "+n.Why)
	}
	return string(file.Data), notes
}

// TestParams: nginx's variables become the server's; what has no counterpart is named and left out, never dropped in silence.
func TestParams(t *testing.T) {
	t.Parallel()
	const keys = `nginx: {location: /a.b, params: {X_URI: $uri, X_MIX: "1 $args%$request_method", X_AGENT: $http_user_agent, X_REST: $fcgisup, X_NONE: $nginx_version, X_NAME: $fastcgi_script_name, X_INFO: <$fastcgi_path_info>, QUERY_STRING: $args, HTTPS: "on"}}`
	want := map[Kind][]string{
		Apache: {
			`X_URI "%{REQUEST_URI}"`, `X_MIX "1 %{QUERY_STRING}\\%%{REQUEST_METHOD}"`, `X_AGENT "%{HTTP:user-agent}"`, `X_NAME "/a.b"`,
			`&& %{REQUEST_URI} =~ m#^/a\\.b(.*)$#" X_INFO "<$1>"`, `HTTPS "on"`,
		},
		Caddy: {
			"env X_URI {http.request.uri.path}\n", "env X_MIX `1 {http.request.uri.query}%{http.request.method}`\n", "env X_AGENT {http.request.header.user-agent}\n",
			"env X_NAME /a.b\n", "env X_INFO `<{http.regexp.app.1}>`\n", "env HTTPS on\n",
		},
		HAProxy: {
			"set-param X_URI %[path,url_dec]\n", "set-param X_MIX '1 %[query]%%%[method]'\n", "set-param X_AGENT %[req.hdr(user-agent)]\n",
			"set-param X_NAME /a.b\n", "set-param HTTPS on\n",
		},
		Lighttpd: {`"X_NAME" => "/a.b",`},
	}
	missing := map[Kind][]string{
		Apache: {"X_NONE: $nginx_version", "X_REST: $fcgisup"}, Caddy: {"X_NONE: $nginx_version", "X_REST: $fcgisup"},
		HAProxy:  {"X_INFO: $fastcgi_path_info", "X_NONE: $nginx_version", "X_REST: $fcgisup"},
		Lighttpd: {"HTTPS: it sends a value of its own", "X_AGENT: $http_user_agent", "X_INFO: $fastcgi_path_info", "X_MIX: $args", "X_NONE: $nginx_version", "X_REST: $fcgisup", "X_URI: $uri"},
	}
	for _, kind := range Kinds {
		text, notes := rendered(t, kind, keys)
		for _, line := range want[kind] {
			if !strings.Contains(text, line) {
				t.Errorf("%s: no %s in\n%s", kind, line, text)
			}
		}
		var expected []string
		for _, key := range missing[kind] {
			expected = append(expected, "apps.app.nginx.params."+key)
			if name, _, _ := strings.Cut(key, ":"); !strings.Contains(text, "# nginx.params."+name+": ") {
				t.Errorf("%s: no comment about %s in\n%s", kind, name, text)
			}
		}
		if diff := cmp.Diff(expected, notes); diff != "" {
			t.Errorf("%s: notes (-want +got):\n%s", kind, diff)
		}
		if strings.Contains(text, " QUERY_STRING ") {
			t.Errorf("%s: QUERY_STRING is what the server sends itself:\n%s", kind, text)
		}
	}
}

// TestBalance: each way of nginx has its counterpart, or a note and least_conn.
func TestBalance(t *testing.T) {
	t.Parallel()
	for balance, want := range map[string][4]string{
		"least_conn":                  {"lbmethod=bybusyness", "lb_policy least_conn", "balance leastconn", ""},
		"round_robin":                 {"lbmethod=byrequests", "lb_policy round_robin", "balance roundrobin", `fastcgi.balance = "round-robin"`},
		"random":                      {"lbmethod=bybusyness", "lb_policy random_choose 2", "balance random(2)", ""},
		"ip_hash":                     {"!lbmethod=bybusyness", "lb_policy ip_hash", "balance source", `fastcgi.balance = "sticky"`},
		"hash $request_uri":           {"!lbmethod=bybusyness", "lb_policy uri_hash", "balance hash pathq", `fastcgi.balance = "hash"`},
		"hash $http_x_tenant":         {"!lbmethod=bybusyness", "lb_policy header x-tenant", "balance hash req.hdr(x-tenant)", "!# nginx.balance"},
		"hash $uri$args consistent":   {"!lbmethod=bybusyness", "!lb_policy least_conn", "!balance leastconn", "!# nginx.balance"},
		"hash $cookie_sid consistent": {"!lbmethod=bybusyness", "!lb_policy least_conn", "hash-type consistent", "!# nginx.balance"},
	} {
		for i, kind := range Kinds {
			text, notes := rendered(t, kind, "nginx: {balance: "+balance+"}")
			line, noted := strings.CutPrefix(want[i], "!")
			if !strings.Contains(text, line) || (len(notes) == 1) != noted {
				t.Errorf("%s for %s: notes %v\n%s\nwant %q", balance, kind, notes, text, want[i])
			}
		}
	}
}

// TestRefused: what would mean something else to the server is an error that names the key.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind      Kind
		app, keys string
		want      string
	}{
		{Apache, "app", "listen: '/run/a|b.sock'", `cannot render apps.app.listen for Apache httpd: the path /run/a|b.sock has one of | " \ ${`},
		{Apache, "app", "nginx: {location: /a*}", "cannot render apps.app.nginx.location for Apache httpd: /a* has one of * ? [, which are patterns"},
		{HAProxy, "app", "listen: '/run/$x.sock'", "cannot render apps.app.listen for HAProxy: the path /run/$x.sock has a $, which is a variable"},
		{Caddy, "app", "listen: '/run/`\\.sock'", "cannot render apps.app.listen for Caddy: \"unix//run/`\\\\.sock\" has a backslash and a back quote"},
		{Lighttpd, "app", `listen: '/run/a\'`, `cannot render apps.app.listen for lighttpd: "/run/a\\" has a backslash before a quote or at the end`},
		{Apache, strings.Repeat("a", 50), "instances: 1", "has 58 characters, 52 at most"},
	} {
		cfg, err := fcgisup.Parse("test", []byte("apps: {"+test.app+": {command: [/x], "+test.keys+"}}"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = Render(test.kind, cfg.Apps[0], "x"); err == nil || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s of %s: %v\nwant %s", test.kind, test.keys, err, test.want)
		}
	}
}

// TestConnections: an instance gets as many requests as its workers may take, and automatic workers are not held back.
func TestConnections(t *testing.T) {
	t.Parallel()
	for keys, want := range map[string]string{
		"workers: 3\nweb: {connections: 1}":           "max=3 acquire=2000",
		"workers: {min: 1, max: 4, spare: 1}":         "max=40 acquire=2000",
		"workers: auto":                               "max=10000 acquire=2000",
		"limits: {queue_wait: 0s}\nactivation: eager": "max=10 acquire=60000",
	} {
		if text, _ := rendered(t, Apache, keys); !strings.Contains(text, want+" ") {
			t.Errorf("%s: no %s in\n%s", keys, want, text)
		}
	}
}
