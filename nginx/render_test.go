package nginx

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	crossplane "github.com/nginxinc/nginx-go-crossplane"
	"gopkg.in/yaml.v3"

	"github.com/fcgisup/fcgisup"
)

// parse reads the rendered files back: the upstream block and the location block.
func parse(t *testing.T, files []fcgisup.File) (upstream *crossplane.Directive, locations []*crossplane.Directive) {
	t.Helper()
	var blocks []*crossplane.Directive
	for _, f := range slices.Backward(files) {
		path := filepath.Join(t.TempDir(), "conf")
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
		payload, err := crossplane.Parse(path, &crossplane.ParseOptions{SkipDirectiveContextCheck: true, SkipDirectiveArgsCheck: true})
		if err != nil || len(payload.Config) != 1 || len(payload.Errors) != 0 {
			t.Fatalf("%s does not parse: %v %+v\n%s", f.Path, err, payload, f.Data)
		}
		unescape(payload.Config[0].Parsed)
		for _, d := range payload.Config[0].Parsed {
			if d.Directive != "map" {
				blocks = append(blocks, d)
			}
		}
	}
	return blocks[0], blocks[1:]
}

// unescape undoes the doubled backslash, which crossplane leaves as it is;
// that nginx does undo it TestLocation shows.
func unescape(directives crossplane.Directives) {
	for _, d := range directives {
		for i, arg := range d.Args {
			d.Args[i] = strings.ReplaceAll(arg, `\\`, `\`)
		}
		unescape(d.Block)
	}
}

// values are the arguments of all directives of a name in a block.
func values(block *crossplane.Directive, name string) [][]string {
	var all [][]string
	for _, d := range block.Block {
		if d.Directive == name {
			all = append(all, d.Args)
		}
	}
	return all
}

// FuzzRender: whatever a configuration may hold, the files parse back to it.
func FuzzRender(f *testing.F) {
	f.Add("rt_backend", "least_conn", "/", "PATH_INFO", "$uri", "/run/rt%i.sock")
	f.Add("odd#backend", `hash "$request_uri"'\ consistent`, `/odd "place"/100%/$x\`, "X", `it's "quoted" # \`, `/run/it's $x;{}#\%i.sock`)
	f.Add("b", "hash consistent", "/a b", "HTTPS", "", "127.0.0.1:9100")
	f.Add("b", `hash \`, "/#", "A", "\t", "[::]:9100")
	f.Fuzz(func(t *testing.T, name, how, place, key, value, listen string) {
		text, err := yaml.Marshal(map[string]any{"apps": map[string]any{"app": map[string]any{
			"command": "/x", "instances": 2, "listen": listen,
			"nginx": map[string]any{"upstream": name, "balance": how, "location": place, "params": map[string]string{key: value}},
		}}})
		if err != nil {
			t.Skip()
		}
		config, err := fcgisup.Parse("x", text)
		if err != nil {
			t.Skip()
		}
		app := config.Apps[0]
		checkRoundTrip(t, app, Render(app, Options{Generator: "fcgisup gen", Down: map[int]bool{2: true}}))
	})
}

func checkRoundTrip(t *testing.T, app fcgisup.App, files []fcgisup.File) {
	t.Helper()
	up, locs := parse(t, files)
	if fillsUp(app) {
		checkBusy(t, app, locs)
		locs = locs[:len(locs)-1]
	}
	if !slices.Equal(up.Args, []string{app.Nginx.Upstream}) {
		t.Errorf("upstream %q, want %q", up.Args, app.Nginx.Upstream)
	}
	if strings.HasSuffix(app.Nginx.Location, "/") {
		checkLocations(t, app, locs, []string{app.Nginx.Location})
	} else {
		checkLocations(t, app, locs, []string{"=", app.Nginx.Location}, []string{app.Nginx.Location + "/"})
	}
	servers := values(up, "server")
	if len(servers) != app.Instances {
		t.Fatalf("%d servers, want %d", len(servers), app.Instances)
	}
	for i, args := range servers {
		want := []string{server(app.Instance(i + 1).Address), "max_fails=0"}
		if i == 1 {
			want = append(want, "down")
		}
		if !slices.Equal(args, want) {
			t.Errorf("server %q, want %q", args, want)
		}
	}
	if key, ok := strings.CutPrefix(app.Nginx.Balance, "hash "); ok {
		want := []string{key}
		if bare, ok := strings.CutSuffix(key, " consistent"); ok {
			want = []string{bare, "consistent"}
		}
		if got := values(up, "hash"); len(got) != 1 || !slices.Equal(got[0], want) {
			t.Errorf("hash %q, want %q", got, want)
		}
	}
}

// checkBusy: what could not connect is answered 503, and only that.
func checkBusy(t *testing.T, app fcgisup.App, locs []*crossplane.Directive) {
	t.Helper()
	busy := locs[len(locs)-1]
	if name := []string{"@" + app.Name + "_busy"}; !slices.Equal(busy.Args, name) {
		t.Fatalf("location %q, want %q", busy.Args, name)
	}
	for _, loc := range locs[:len(locs)-1] {
		if got := values(loc, "error_page"); len(got) != 1 || !slices.Equal(got[0], []string{"502", "=", busy.Args[0]}) {
			t.Errorf("error_page %q", got)
		}
	}
	if got := values(busy, "return"); len(got) != 1 || got[0][0] != "503" {
		t.Errorf("return %q", got)
	}
	if got := values(busy, "add_header"); len(got) != 1 || !slices.Equal(got[0], []string{"Retry-After", "2", "always"}) {
		t.Errorf("add_header %q", got)
	}
}

// checkLocations: there is one block for each of the names, all with the app's parameters.
func checkLocations(t *testing.T, app fcgisup.App, locs []*crossplane.Directive, names ...[]string) {
	t.Helper()
	if len(locs) != len(names) {
		t.Fatalf("%d locations, want %d", len(locs), len(names))
	}
	for i, loc := range locs {
		if !slices.Equal(loc.Args, names[i]) {
			t.Errorf("location %q, want %q", loc.Args, names[i])
		}
		seen := map[string]string{}
		for _, args := range values(loc, "fastcgi_param") {
			if _, twice := seen[args[0]]; twice {
				t.Errorf("%s is there twice", args[0])
			}
			seen[args[0]] = strings.Join(args[1:], " ")
		}
		for key, want := range app.Nginx.Params {
			if got := seen[key]; got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
	}
}

func example() fcgisup.App {
	app := fcgisup.Default("rt")
	app.Command = []string{"/usr/lib/rt"}
	return app
}

func TestBalance(t *testing.T) {
	for how, want := range map[string]string{
		"least_conn":                   "least_conn",
		"round_robin":                  "",
		"random":                       "random two least_conn",
		"ip_hash":                      "ip_hash",
		"hash $remote_addr":            "hash $remote_addr",
		"hash $request_uri consistent": "hash $request_uri consistent",
		"hash consistent":              "hash consistent",
		"hash ${uri}x":                 "hash ${uri}x",
	} {
		app := example()
		app.Nginx.Balance = how
		up, _ := parse(t, Render(app, Options{}))
		var got []string
		for _, d := range up.Block {
			if d.Directive != "server" && d.Directive != "zone" {
				got = append(got, strings.Join(append([]string{d.Directive}, d.Args...), " "))
			}
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s renders %q, want %q", how, got, want)
		}
	}
}

// TestServer: an address that means all of this host to a listener is one of it to a client.
func TestServer(t *testing.T) {
	for _, test := range []struct {
		listen fcgisup.Listen
		want   string
	}{
		{fcgisup.Listen{Path: "/run/x%i.sock"}, "unix:/run/x2.sock"},
		{fcgisup.Listen{Port: 80}, "127.0.0.1:81"},
		{fcgisup.Listen{Host: "0.0.0.0", Port: 80}, "127.0.0.1:81"},
		{fcgisup.Listen{Host: "::", Port: 80}, "[::1]:81"},
		{fcgisup.Listen{Host: "2001:db8::1", Port: 80}, "[2001:db8::1]:81"},
		{fcgisup.Listen{Host: "192.0.2.1", Port: 80}, "192.0.2.1:81"},
	} {
		if got := server(test.listen.Address(2)); got != test.want {
			t.Errorf("%v is server %s, want %s", test.listen, got, test.want)
		}
	}
}

// TestReadTimeout: whole seconds, never fewer than configured, never more than nginx takes.
func TestReadTimeout(t *testing.T) {
	for read, want := range map[time.Duration]string{
		0:                       "120s",
		90 * time.Second:        "90s",
		1500 * time.Millisecond: "2s",
		math.MaxInt64:           fmt.Sprint(math.MaxInt32/1000, "s"),
	} {
		app := example()
		app.Nginx.ReadTimeout = read
		_, locs := parse(t, Render(app, Options{}))
		if got := values(locs[0], "fastcgi_read_timeout"); len(got) != 1 || got[0][0] != want {
			t.Errorf("read_timeout %v renders %q, want %s", read, got, want)
		}
	}
}

// TestNextUpstream: a request that has timed out is not run a second time, and one that fails is tried twice at most.
func TestNextUpstream(t *testing.T) {
	_, locs := parse(t, Render(example(), Options{}))
	if got := values(locs[0], "fastcgi_next_upstream"); len(got) != 1 || !slices.Equal(got[0], []string{"error", "http_503"}) {
		t.Errorf("fastcgi_next_upstream is %q", got)
	}
	if got := values(locs[0], "fastcgi_next_upstream_tries"); len(got) != 1 || got[0][0] != "2" {
		t.Errorf("fastcgi_next_upstream_tries is %q", got)
	}
}

// TestHeader: no generator can write a second line.
func TestHeader(t *testing.T) {
	for _, f := range Render(example(), Options{Generator: "fcgisup gen\nload_module x;"}) {
		if first, _, _ := strings.Cut(string(f.Data), "\n"); first != "# Generated by: fcgisup gen load_module x;" {
			t.Errorf("%s begins with %q", f.Path, first)
		}
	}
}
