package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
)

// TestMain lets this binary be the process that speaks to a service.
func TestMain(m *testing.M) {
	if os.Getenv("ALERT_TEST_ROLE") == "speak" {
		os.Exit(SendOne(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

func courier(env ...string) Sender {
	return Sender{Self: []string{"/proc/self/exe"}, Environ: append([]string{"PATH=/usr/bin:/bin", "ALERT_TEST_ROLE=speak"}, env...)}
}

// message is one with all there can be.
func message() Notification {
	n := Notification{ID: "web1-1", Event: Down, Host: "web1", At: epoch, Apps: []AppNews{{App: "rt", Instances: 5, Down: 5, Changed: 5, Whole: true, News: []InstanceNews{
		{Instance: 1, Health: "down", DownSince: epoch, DownSeconds: 60, Error: "it broke"},
	}}}}
	n.Title, n.Text = n.title(), n.text()
	return n
}

func urlFile(t *testing.T, url string) fcgisup.Receiver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(path, []byte("# for the tests\n"+url+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return fcgisup.Receiver{Name: "url", URLFile: path}
}

// script is a receiver that runs a shell script.
func script(t *testing.T, text string) fcgisup.Receiver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return fcgisup.Receiver{Name: "page", Exec: []string{path, "one word", "$HOME"}}
}

// closedPort is a loopback address that refuses.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestExec: the program gets argv as it stands, JSON on standard input, variables, and none of ours.
func TestExec(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SECRET_URL", "x")
	to := script(t, `cat >`+dir+`/in; env >`+dir+`/env; printf '%s\n' "$@" >`+dir+`/argv; pwd >`+dir+`/pwd`)
	all := []fcgisup.Receiver{to, {Name: "mail", URLEnv: "MAIL_URL"}}
	c := courier("MAIL_URL=smtp://user:secret@mail.example", "NOTIFY_SOCKET=/run/notify", "LANG=C.UTF-8")
	n := message()
	if err := c.Deliver(t.Context(), all, to, n); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var got Notification
	if err := json.Unmarshal([]byte(read("in")), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(n, got); diff != "" {
		t.Error(diff)
	}
	if argv := read("argv"); argv != "one word\n$HOME\n" {
		t.Errorf("argv %q", argv)
	}
	env := read("env")
	for _, want := range []string{"FCGISUP_EVENT=down\n", "FCGISUP_ID=web1-1\n", "FCGISUP_HOST=web1\n", "FCGISUP_APPS=rt\n", "FCGISUP_TITLE=DOWN: rt (all 5 instances) on web1\n", "FCGISUP_TEXT=rt: 5 of 5", "LANG=C.UTF-8\n"} {
		if !strings.Contains(env, want) {
			t.Errorf("the environment has no %q:\n%s", want, env)
		}
	}
	for _, ban := range []string{"MAIL_URL", "secret", "NOTIFY_SOCKET"} {
		if strings.Contains(env, ban) {
			t.Errorf("the environment has %s:\n%s", ban, env)
		}
	}
	if pwd := read("pwd"); pwd != "/\n" {
		t.Errorf("runs in %s", pwd)
	}
}

// TestExecFails: what a program did wrong is said in one line; what it says of tokens and URLs is not.
func TestExecFails(t *testing.T) {
	tests := map[string]struct{ script, want string }{
		"exit code":    {"exit 3", "exit status 3"},
		"last line":    {"echo first >&2; echo 'cannot page: no modem' >&2; exit 1", "exit status 1: cannot page: no modem"},
		"signal":       {"kill -9 $$", "signal: killed"},
		"a URL":        {"echo 'curl: (6) https://user:pass@hooks.example/T00/B00: no host' >&2; exit 6", "exit status 6: curl: (6) https://… no host"},
		"a token":      {"echo 'bad key AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw' >&2; exit 1", "exit status 1: bad key …"},
		"terminal":     {`printf '\033[31mred\033[0m' >&2; exit 1`, `exit status 1: \x1b[31mred\x1b[0m`},
		"a flood":      {"yes flood | head -c 3000000 >&2; echo end >&2; exit 1", "exit status 1: end"},
		"reads naught": {"exec 0<&-; exit 0", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := fmt.Sprint(courier().Deliver(t.Context(), nil, script(t, test.script), message()))
			if test.want == "" {
				test.want = "<nil>"
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	if err := courier().Deliver(t.Context(), nil, fcgisup.Receiver{Exec: []string{"/no/such/program", "arg"}}, message()); err == nil || err.Error() != "cannot run /no/such/program: no such file or directory" {
		t.Errorf("a missing program: %v", err)
	}
}

// gone waits until a process has ended.
func gone(t *testing.T, pidFile string) {
	t.Helper()
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

// hang delivers to a program that makes the file ready and then hangs, with a longer timeout each time until it has come to that.
func hang(ready string, deliver func(timeout time.Duration) error) error {
	for timeout := time.Second; ; timeout *= 2 {
		err := deliver(timeout)
		if _, missing := os.Stat(ready); missing == nil || timeout > time.Minute {
			return err
		}
	}
}

// TestExecHangs: a program that hangs is killed with all it has started.
func TestExecHangs(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	to := script(t, "trap '' TERM; sleep 1000 & echo $! >"+pid+".new; mv "+pid+".new "+pid+"; wait")
	err := hang(pid, func(timeout time.Duration) error {
		c := courier()
		c.Timeout = timeout
		return c.Deliver(t.Context(), nil, to, message())
	})
	if err == nil || err.Error() != "timed out and was killed" {
		t.Errorf("%v", err)
	}
	gone(t, pid)
}

// TestExecLeavesBehind: what a good program leaves behind does not hold up the next message, nor stay.
func TestExecLeavesBehind(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	if err := courier().Deliver(t.Context(), nil, script(t, "sleep 1000 & echo $! >"+pid), message()); err != nil {
		t.Errorf("%v", err)
	}
	gone(t, pid)
}

// TestExecInterrupted: Close ends a delivery.
func TestExecInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	if err := courier().Deliver(ctx, nil, script(t, "sleep 1000"), message()); err == nil || !strings.HasPrefix(err.Error(), "interrupted") {
		t.Errorf("%v", err)
	}
}

// TestGeneric: a webhook gets title and text.
func TestGeneric(t *testing.T) {
	got := make(chan string, 2)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + " " + string(body)
	}))
	defer hook.Close()
	n := message()
	address := strings.TrimPrefix(hook.URL, "http://")
	if err := courier().Deliver(t.Context(), nil, urlFile(t, "generic://"+address+"/hook?disabletls=yes"), n); err != nil {
		t.Fatal(err)
	}
	if body := <-got; body != "/hook "+n.Title+"\n\n"+n.Text {
		t.Errorf("got %q", body)
	}
	c := courier("HOOK=generic://" + address + "/json?disabletls=yes&template=json")
	to := fcgisup.Receiver{URLEnv: "HOOK"}
	if err := c.Deliver(t.Context(), []fcgisup.Receiver{to}, to, n); err != nil {
		t.Fatal(err)
	}
	body := <-got
	var form map[string]string
	if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "/json ")), &form); err != nil || form["title"] != n.Title || form["message"] != n.Text {
		t.Errorf("got %s, %v", body, err)
	}
}

// TestServiceHangs: a mail server that never says a word is given up, although the library would wait.
func TestServiceHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := courier()
	c.Timeout = time.Second
	err = c.Deliver(t.Context(), nil, urlFile(t, "smtp://user:hunter22@"+l.Addr().String()+"/?from=a@example.org&to=b@example.org"), message())
	if err == nil || err.Error() != "timed out and was killed" {
		t.Errorf("%v", err)
	}
}

// TestSpeakerDies: however the process ends, and whatever it prints, nothing of it is shown but the end; and
// the URL is on none of its ways but standard input.
func TestSpeakerDies(t *testing.T) {
	const url = "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=@secretchannel"
	const hangs = "timed out and was killed"
	dir := t.TempDir()
	seen, ready := filepath.Join(dir, "seen"), filepath.Join(dir, "ready")
	for end, want := range map[string]string{
		"cat >&2; exit 2":     "exit status 2",
		"cat; exit 1":         "exit status 1",
		"cat; kill -ABRT $$":  "signal: aborted",
		`echo '{"error":""}'`: "<nil>",
		"tee /dev/fd/2; : >" + ready + "; sleep 1000":                               hangs,
		`printf '{"error":"Post %s"}' "$(cat | grep -o 'telegram:[^"?]*')"; exit 1`: "Post telegram://…",
	} {
		c := courier("OTHER_URL=" + url)
		c.Self = []string{"/bin/sh", "-c", "tr '\\0' ' ' </proc/$$/cmdline >" + seen + "; env >>" + seen + "; " + end}
		to := urlFile(t, url)
		deliver := func(timeout time.Duration) error {
			c.Timeout = timeout
			return c.Deliver(t.Context(), []fcgisup.Receiver{to, {URLEnv: "OTHER_URL"}}, to, message())
		}
		var got string
		if want == hangs {
			got = fmt.Sprint(hang(ready, deliver))
		} else {
			got = fmt.Sprint(deliver(time.Minute))
		}
		if got != want {
			t.Errorf("%s: %q, want %q", end, got, want)
		}
		text, err := os.ReadFile(seen)
		if err != nil || strings.Contains(string(text), "AAHdq") {
			t.Errorf("%v, or the URL is in argv or environment:\n%s", err, text)
		}
	}
}

func TestSecretFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "url")
	write := func(text string, mode os.FileMode, owner int) func() {
		return func() {
			os.Remove(path)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path, owner, owner); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	me := os.Geteuid()
	tests := map[string]struct {
		make func()
		want string
	}{
		"good":         {write("\n# mail\n ntfy://h/t \r\n", 0o600, me), ""},
		"readable":     {write("ntfy://h/t", 0o644, me), path + " has mode 0644: others can use the secret in it (chmod 600 " + path + ")"},
		"group writes": {write("ntfy://h/t", 0o660, me), path + " has mode 0660: others can use the secret in it (chmod 600 " + path + ")"},
		"empty":        {write("# nothing\n", 0o600, me), "cannot use " + path + ": holds no URL"},
		"two":          {write("ntfy://h/t\nntfy://h/u\n", 0o600, me), "cannot use " + path + ": holds more than one line; each receiver has one URL"},
		"control":      {write("ntfy://h/\x00t", 0o600, me), "cannot use " + path + ": holds a control character or is not UTF-8"},
		"large":        {write(strings.Repeat("x", maxURL+1), 0o600, me), "cannot use " + path + ": holds more than 8 KiB"},
		"missing":      {func() { os.Remove(path) }, "cannot read the URL: open " + path + ": no such file or directory"},
		"a pipe":       {func() { os.Remove(path); _ = syscall.Mkfifo(path, 0o600) }, "cannot read the URL: " + path + " is not a regular file"},
	}
	if me == 0 {
		tests["root's, group reads"] = struct {
			make func()
			want string
		}{write("ntfy://h/t", 0o640, 0), ""}
		tests["another user's"] = struct {
			make func()
			want string
		}{write("ntfy://h/t", 0o600, 65534), path + " belongs to user 65534: that user could redirect the alerts (chown it to root, or to the monitor's user)"}
	}
	for name, test := range tests {
		test.make()
		url, err := secretURL(fcgisup.Receiver{URLFile: path}, nil)
		got := ""
		if err != nil {
			got = err.Error()
		} else if url != "ntfy://h/t" {
			t.Errorf("%s: read %q", name, url)
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	if _, err := secretURL(fcgisup.Receiver{URLEnv: "NO_SUCH"}, func(string) string { return "" }); err == nil || err.Error() != "the environment has no NO_SUCH" {
		t.Errorf("no variable: %v", err)
	}
}
