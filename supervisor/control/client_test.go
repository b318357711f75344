package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
)

// listOfInstances are the first instances of rt.
func listOfInstances(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"app":"rt","instance":%d}`, i+1))
	}
	return strings.Join(all, ",")
}

func manyWorkers(instances int) string {
	workers := strings.TrimSuffix(strings.Repeat("{},", fcgisup.MaxWorkers), ",")
	var all []string
	for i := range instances {
		all = append(all, fmt.Sprintf(`{"instance":%d,"workers":[%s]}`, i+1, workers))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func object(keys int) string {
	var all []string
	for i := range keys {
		all = append(all, fmt.Sprintf(`"k%d":1`, i))
	}
	return "{" + strings.Join(all, ",") + "}"
}

// TestStatusAnswer: an answer that would take all memory is refused while it is read.
func TestStatusAnswer(t *testing.T) {
	some := func(n int, what string) string { return strings.TrimSuffix(strings.Repeat(what+",", n), ",") }
	for name, c := range map[string]struct {
		body string
		want int // -1: an error
	}{
		"none":                   {`[]`, 0},
		"as many as there can":   {"[" + listOfInstances(fcgisup.MaxInstances) + "]", fcgisup.MaxInstances},
		"one more":               {"[" + some(fcgisup.MaxInstances+1, `{}`) + "]", -1},
		"as many workers":        {`[{"workers":[` + some(fcgisup.MaxWorkers, `{"pid":1}`) + `]}]`, 1},
		"one twice":              {`[{"app":"rt","instance":1},{"app":"rt","instance":1}]`, -1},
		"many values":            {`[{"missing":[` + some(mostValues+1, `""`) + `]}]`, -1},
		"many counters":          {`[{"restarts":` + object(mostCounters+1) + `}]`, -1},
		"commas in a text":       {`[{"address":"` + strings.Repeat(`,\"[`, mostValues) + `"}]`, 1},
		"one worker more":        {`[{"workers":[` + some(fcgisup.MaxWorkers+1, `{}`) + `]}]`, -1},
		"too many workers":       {manyWorkers(101), -1},
		"a long one":             {`[{"app":"` + strings.Repeat("x", longestStatus) + `"}]`, -1},
		"an object":              {`{}`, -1},
		"null":                   {`null`, -1},
		"something else in it":   {`[1]`, -1},
		"one that does not end":  {`[{"app":"rt"}`, -1},
		"more than it may be":    {"[" + strings.Repeat(" ", MaxAnswerSize) + "]", -1},
		"not in the order asked": {`][`, -1},
	} {
		t.Run(name, func(t *testing.T) {
			path := answering(t, c.body)
			var all []Status // without statusTimeout: a race detector may need more
			err := exchange(t.Context(), path, http.MethodGet, statusTarget, func(answer io.Reader) (err error) {
				all, err = readStatus(answer, speaker(nil, path))
				return err
			})
			if (err != nil) != (c.want < 0) || err == nil && len(all) != c.want || err != nil && all != nil {
				t.Errorf("%d instances, %v; want %d", len(all), err, c.want)
			}
		})
	}
}

// TestDialOwned: root connects to sockets that are in the directory itself.
func TestDialOwned(t *testing.T) {
	root := t.TempDir()
	other := filepath.Join(root, "other.sock")
	for _, dir := range []string{"rt-1", "linked-1", "file-1", "dead-1"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := func(dir string) string { return filepath.Join(root, dir, ControlName) }
	for _, path := range []string{other, at("rt-1")} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: at("dead-1"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	for link, to := range map[string]string{at("linked-1"): other, filepath.Join(root, "directory-1"): filepath.Join(root, "rt-1")} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("file-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	for dir, want := range map[string]string{
		"rt-1": "", "linked-1": errNoSocket.Error(), "file-1": errNoSocket.Error(), "directory-1": "not a directory", "none-1": "no such file", "dead-1": "connection refused",
	} {
		conn, err := dialOwned(t.Context(), root, dir)
		switch {
		case err == nil && want != "":
			t.Errorf("%s: connected", dir)
		case err != nil && (want == "" || strings.Contains(err.Error(), "/proc/") || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", dir, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestHeard: a directory speaks for what its name says, by the configuration.
func TestHeard(t *testing.T) {
	apps := []fcgisup.App{{Name: "rt", Instances: 2}, {Name: "web-2", Instances: 3}, {Name: "web", Instances: 1}, {Name: "rt-1", Instances: 1}}
	for _, c := range []struct {
		dir, app string
		number   int
		want     bool
	}{
		{"rt-1", "rt", 1, true},
		{"rt-1", "rt", 2, false},
		{"rt-1", "rt-1", 1, false}, // that one's is rt-1-1
		{"rt-1", "rt-1", 7, false},
		{"rt-1-1", "rt-1", 1, true},
		{"rt-3", "rt", 3, true}, // from before a scale-down
		{"rt-3", "rt-3", 1, false},
		{"rt-01", "rt", 1, false},
		{"rt-1", "web", 1, false},
		{"rt", "rt", 2, true},
		{"web-2", "web-2", 3, true}, // fcgisup run --app web-2: there is no web@2
		{"web-2", "web", 2, false},
		{"new-1", "new", 1, true},
		{"new-1", "new", 2, false},
		{"new-1", "new-1", 2, true},
		{"new-1", "rt", 1, false},
		{"-1", "", 1, false},
	} {
		may := speaker(apps, filepath.Join(Root, c.dir, ControlName))
		if may(c.app, c.number) != c.want {
			t.Errorf("%s speaks for %s@%d: %v", c.dir, c.app, c.number, !c.want)
		}
	}
	few, got := fewStrangers(apps, speaks(apps, "rt")), 0
	for n := range 1000 {
		if few("rt", 1000-n) {
			got++
		}
	}
	if got != mostStrangers+2 || !few("rt", 1) {
		t.Errorf("%d instances", got)
	}
	socket := answering(t, `[{"app":"any","instance":1}]`)
	if got, err := FetchAny(t.Context(), socket); err != nil || len(got) != 1 {
		t.Errorf("a socket that the operator named is not believed: %v, %v", got, err)
	}
	if got, err := FetchFew(t.Context(), apps, socket); err != nil || len(got) != 0 {
		t.Errorf("another is: %v, %v", got, err)
	}
}

// answering is a socket that answers everything with a body.
func answering(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return path
}

// TestShortStatus: what people read is cut, and is not kept whole.
func TestShortStatus(t *testing.T) {
	long := strings.Repeat("ä", MaxConfigError)
	lines := `["first"` + strings.Repeat(`,"x"`, 2*mostLines) + `]`
	all, err := Fetch(t.Context(), nil, answering(t, `[{"app":"a","instance":1,"config_error":"`+long+`","missing":`+lines+`,
		"last_failure":{"output":`+lines+`,"evidence":["`+long+`"]}}]`))
	if err != nil {
		t.Fatal(err)
	}
	st := all[0]
	if len(st.ConfigError) > MaxConfigError || len(st.Missing) != mostLines || len(st.LastFailure.Output) != mostLines || len(st.LastFailure.Evidence[0]) > MaxConfigError {
		t.Errorf("%d, %d, %d, %d", len(st.ConfigError), len(st.Missing), len(st.LastFailure.Output), len(st.LastFailure.Evidence[0]))
	}
}

// TestDialForeign: a socket that is neither root's nor its directory's owner's is not asked.
func TestDialForeign(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gives sockets to other users; run as root")
	}
	root := t.TempDir()
	dir := filepath.Join(root, "rt-1")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, ControlName)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		dir, socket int
		ok          bool
	}{{0, 0, true}, {1000, 1000, true}, {1000, 0, true}, {0, 1000, false}, {1000, 1001, false}} {
		if err := errors.Join(os.Chown(dir, c.dir, 0), os.Chown(path, c.socket, 0)); err != nil {
			t.Fatal(err)
		}
		conn, err := dialOwned(t.Context(), root, "rt-1")
		if (err == nil) != c.ok {
			t.Errorf("directory of %d, socket of %d: %v", c.dir, c.socket, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	for owner, ok := range map[int]bool{0: true, 1000: true, 1001: false} {
		if err := os.Chown(dir, owner, 0); err != nil {
			t.Fatal(err)
		}
		if err := OwnedByApp(dir, fcgisup.App{User: "1000"}); (err == nil) != ok {
			t.Errorf("directory of %d: %v", owner, err)
		}
	}
}

// TestRefusalIsALine: a control socket of others writes no line of its own on a terminal.
func TestRefusalIsALine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "x\nfcgisup: all fine\r\nhint: \x1b[31mcurl" + strings.Repeat("y", 2*longestRefusal)})
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	err = exchange(t.Context(), path, http.MethodGet, "/status", nil)
	if err == nil || strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > longestRefusal+100 || !strings.HasPrefix(err.Error(), "x; fcgisup") {
		t.Errorf("%.200q", err)
	}
}
