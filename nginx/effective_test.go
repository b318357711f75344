package nginx

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
)

// dump is what nginx -T prints of a configuration with all that matters in it.
const dump = `# configuration file /etc/nginx/nginx.conf:
user web web;
worker_processes auto;
events { worker_connections 10; }
http {
	map $uri $x { default 0; "~^/a{2}" 1; }
	fastcgi_next_upstream_tries 3;
	include conf.d/*.conf;
	include locations/shared.conf; # configuration file /etc/nginx/nginx.conf:
	server {
		location / {
			fastcgi_pass first;
			fastcgi_keep_conn on;
			if ($x) { fastcgi_pass unix:/run/b.sock; fastcgi_next_upstream timeout; }
		}
		include locations/*.conf;
	}
	server { include /etc/nginx/locations/shared.conf; fastcgi_keep_conn on; }
}

# configuration file /etc/nginx/conf.d/first.conf:
upstream first {
	zone first 64k;
	least_conn;
	keepalive 8;
	server unix:///run/a1.sock max_fails=0 fail_timeout=0 max_conns=2;
	server unix:/run/a2.sock: max_fails=3 fail_timeout=1m30s weight=2 backup;
	server 127.0.0.1:9000 down;
	server example.net;
}
upstream unused { server unix:/run/x.sock; }

# configuration file /etc/nginx/locations/shared.conf:
location /shared { fastcgi_pass $backend; }
# configuration file /etc/nginx/conf.d/first.conf:
location /port { fastcgi_pass localhost:9001; }
`

func TestParseDump(t *testing.T) {
	got, err := ParseDump([]byte(dump))
	if err != nil {
		t.Fatal(err)
	}
	const main, first, shared = "/etc/nginx/nginx.conf", "/etc/nginx/conf.d/first.conf", "/etc/nginx/locations/shared.conf"
	eight := 8
	unix := func(path string) fcgisup.Address { return fcgisup.Address{Network: "unix", Addr: path} }
	tcp := func(at string) fcgisup.Address { return fcgisup.Address{Network: "tcp", Addr: at} }
	both := func(keep bool) []Pass {
		return []Pass{
			{Place: Place{shared, 1}, Target: "$backend", Variable: true, KeepConn: keep, RetriesErrors: true, Tries: 3},
			{Place: Place{shared, 3}, Target: "localhost:9001", Address: tcp("localhost:9001"), KeepConn: keep, RetriesErrors: true, Tries: 3},
		}
	}
	want := &Effective{
		User: "web", Group: "web", Includes: []string{"/etc/nginx/conf.d/*.conf", "/etc/nginx/locations/shared.conf"}, Files: []string{main, first, shared},
		Passes: append(append(append(both(false),
			Pass{Place: Place{main, 11}, Target: "first", Upstream: "first", KeepConn: true, RetriesErrors: true, Tries: 3},
			Pass{Place: Place{main, 13}, Target: "unix:/run/b.sock", Address: unix("/run/b.sock"), KeepConn: true, Tries: 3}),
			both(false)...), both(true)...),
		Upstreams: []Upstream{{
			Place: Place{first, 1}, Name: "first", Zone: true, Balance: "least_conn", Keepalive: &eight,
			Servers: []Server{
				{Place: Place{first, 5}, Address: unix("/run/a1.sock"), MaxConns: 2},
				{Place: Place{first, 6}, Address: unix("/run/a2.sock"), MaxFails: 3, FailTimeout: 90 * time.Second, Backup: true},
				{Place: Place{first, 7}, Address: tcp("127.0.0.1:9000"), MaxFails: 1, FailTimeout: 10 * time.Second, Down: true},
				{Place: Place{first, 8}, MaxFails: 1, FailTimeout: 10 * time.Second},
			},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for path, want := range map[string]bool{
		"/etc/nginx/conf.d/new.conf": true, "/etc/nginx/conf.d/a/new.conf": false, "/etc/nginx/other/new.conf": false, "/etc/nginx/locations/shared.conf": true,
		"/etc/nginx/locations/a.conf": false, // included in a server block
	} {
		if got.Reads(path) != want {
			t.Errorf("Reads(%s) is %v", path, !want)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "30": 30 * time.Second, "30s": 30 * time.Second, "1m30s": 90 * time.Second, "500ms": 500 * time.Millisecond, "1h 1m": 61 * time.Minute,
		"1M": 30 * 24 * time.Hour, "": 0, "x": 0, "1x": 0, "99999999999999999999": 0,
	} {
		if got := duration(text); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// TestReadFiles: from the files it is the same, and what is missing is left out.
func TestReadFiles(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	text := "include gone.conf;\nworker_processes 1;\nhttp { include sites/*; include gone.conf; }\n"
	if err := os.MkdirAll(filepath.Join(dir, "sites"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{config: text, filepath.Join(dir, "sites/a"): "server { fastcgi_pass unix:/run/a.sock; }"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadFiles(config)
	if err != nil || !got.OneWorker || len(got.Passes) != 1 || got.Passes[0].String() != filepath.Join(dir, "sites/a")+":1" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ReadFiles(filepath.Join(dir, "nosuch")); err == nil || !strings.HasPrefix(err.Error(), "cannot read the configuration of nginx: ") {
		t.Errorf("of none: %v", err)
	}
}

func TestRead(t *testing.T) {
	got, err := Read(t.Context(), script(t, `test "$*" = "-q -T" && echo 'nginx: [warn] odd' >&2 && printf '# configuration file /x/nginx.conf:\nhttp { server { fastcgi_pass unix:/run/a.sock; } }\n'`))
	if err != nil || len(got.Passes) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for body, want := range map[string]string{
		"echo 'nginx: [emerg] no servers are inside upstream in /a:1' >&2; exit 1": "nginx refuses the configuration: [emerg] no servers are inside upstream in /a:1",
		"exit 0": "cannot read the configuration of nginx: nginx -T printed none",
	} {
		if _, err := Read(t.Context(), script(t, body)); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestBuilt(t *testing.T) {
	for said, want := range map[string]Build{
		"nginx version: nginx/1.22.1\\nconfigure arguments: --prefix=/usr --conf-path=/etc/nginx/nginx.conf --user=nginx --x": {"1.22.1", "/etc/nginx/nginx.conf", "nginx"},
		"nginx version: openresty/1.27.1.2":                   {"1.27.1.2", "", "nobody"},
		"nginx version: nginx/1.29.7 (Ubuntu)\\nbuilt by gcc": {"1.29.7", "", "nobody"},
	} {
		got, err := Built(t.Context(), script(t, "printf '"+said+"\\n' >&2"))
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v", said, got, err)
		}
	}
}

// TestParseDumpEnds: neither files that include each other twice nor what the parser stumbles over get far.
func TestParseDumpEnds(t *testing.T) {
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, "# configuration file /f%d:\nhttp { include /f%d; include /f%[2]d; }\n", i, i+1)
	}
	b.WriteString("# configuration file /f50:\nhttp {}\n")
	if _, err := ParseDump([]byte(b.String())); err != nil {
		t.Error(err)
	}
	b.Reset()
	for i := range 50 {
		fmt.Fprintf(&b, "# configuration file /f%d:\ninclude /f%d; include /f%[2]d;\n", i, i+1)
	}
	if _, err := ParseDump([]byte(b.String() + "# configuration file /f50:\nhttp {}\n")); err != nil {
		t.Error(err)
	}
	if _, err := ParseDump([]byte("# configuration file /a:\nif () { }\n")); err == nil || !strings.Contains(err.Error(), "the parser fails") {
		t.Errorf("what the parser cannot take: %v", err)
	}
}

// FuzzParseDump: whatever nginx prints, there is an answer.
func FuzzParseDump(f *testing.F) {
	f.Add(dump)
	f.Add("# configuration file a:\ninclude a;\n")
	f.Add("# configuration file a:\nhttp { upstream { server; } if { fastcgi_pass; } content_by_lua_block { x } }\n")
	f.Add("# configuration file a:\nif ( ) { } if (")
	f.Fuzz(func(_ *testing.T, dump string) {
		if got, err := ParseDump([]byte(dump)); err == nil && got == nil {
			panic("neither")
		}
	})
}
