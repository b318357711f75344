package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

// Paths are the control sockets of all supervisors below Root.
func Paths(listens func(path string) bool) []string {
	return slices.DeleteFunc(AllPaths(), func(path string) bool { return Abandoned(listens, path) })
}

// AllPaths returns the control sockets below Root, also those that killed supervisors have left behind.
func AllPaths() []string {
	paths, _ := filepath.Glob(filepath.Join(Root, "*", ControlName)) // fails for a bad pattern only
	return paths
}

// Abandoned reports whether a supervisor that was killed has left a control socket
// behind: systemd keeps the directory of a service that has ended. The kernel's list
// has all listeners but those of other network namespaces, so where that does not
// have it a connection decides.
func Abandoned(listens func(path string) bool, path string) bool {
	if listens(path) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	conn, err := dialControl(ctx, path)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, unix.ECONNREFUSED)
}

// controlClient speaks HTTP over one control socket.
func controlClient(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dialControl(ctx, path) },
		DisableKeepAlives: true,
	}}
}

func dialControl(ctx context.Context, path string) (net.Conn, error) {
	if folder := filepath.Dir(path); filepath.Dir(folder) == Root && filepath.Base(path) == ControlName {
		return dialOwned(ctx, Root, filepath.Base(folder))
	}
	return (&net.Dialer{}).DialContext(ctx, "unix", path) // an operator has named it
}

// statusTimeout bounds the wait for one supervisor's answer.
const statusTimeout = 5 * time.Second

// Fetch asks a supervisor about all its instances, with these apps configured.
func Fetch(ctx context.Context, apps []fcgisup.App, path string) ([]Status, error) {
	return statusFrom(ctx, path, statusTarget, speaker(apps, path))
}

// FetchAny believes a supervisor whatever it says of any app: an operator has named it.
func FetchAny(ctx context.Context, path string) ([]Status, error) {
	return statusFrom(ctx, path, statusTarget, func(string, int) bool { return true })
}

// FetchFew believes a supervisor for what the name of its socket's directory says, and for
// a bounded number of instances that are not configured.
func FetchFew(ctx context.Context, apps []fcgisup.App, path string) ([]Status, error) {
	return statusFrom(ctx, path, statusTarget, fewStrangers(apps, speaks(apps, filepath.Base(filepath.Dir(path)))))
}

// askedAtOnce bounds the supervisors that are asked at the same time.
const askedAtOnce = 64

// FetchAll asks many supervisors; each has an answer or a failure at its place.
func FetchAll(ctx context.Context, apps []fcgisup.App, paths []string) (answers [][]Status, failures []error) {
	answers, failures = make([][]Status, len(paths)), make([]error, len(paths))
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	for i, path := range paths {
		group.Go(func() error {
			answers[i], failures[i] = Fetch(ctx, apps, path)
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	return answers, failures
}

// FetchInstance asks about one, a number of its app. A supervisor of an earlier
// version tells all.
func FetchInstance(ctx context.Context, apps []fcgisup.App, path string, number int) ([]Status, error) {
	return statusFrom(ctx, path, statusTarget+"?instance="+strconv.Itoa(number), speaker(apps, path))
}

const statusTarget = "/status"

func statusFrom(ctx context.Context, path, target string, may func(app string, number int) bool) ([]Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var all []Status
	err := exchange(ctx, path, http.MethodGet, target, func(answer io.Reader) (err error) {
		all, err = readStatus(answer, may)
		return err
	})
	return all, err
}

// longestError bounds an answer that is not a status, in bytes.
const longestError = 64 << 10

// longestRefusal bounds what of it is shown, in bytes.
const longestRefusal = 4 << 10

// Ask asks a supervisor; into gets the answer's JSON.
func Ask(ctx context.Context, path, method, target string, into any) error {
	return exchange(ctx, path, method, target, func(answer io.Reader) error {
		if err := json.NewDecoder(answer).Decode(into); !errors.Is(err, io.EOF) {
			return err
		}
		return nil
	})
}

// exchange asks a supervisor, and has its answer read.
func exchange(ctx context.Context, path, method, target string, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://fcgisup"+target, nil)
	if err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	resp, err := controlClient(path).Do(req)
	if err != nil {
		return unreachable(path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var said struct{ Error string }
		if json.NewDecoder(io.LimitReader(resp.Body, longestError)).Decode(&said) != nil || said.Error == "" {
			said.Error = resp.Status
		}
		return errors.New(refusal(said.Error))
	}
	if err := read(io.LimitReader(resp.Body, MaxAnswerSize)); err != nil {
		return fmt.Errorf("cannot read the answer of %s: %w", path, err)
	}
	return nil
}

// refusal makes an error that another process has sent printable, in one line.
func refusal(s string) string {
	return fcgisup.PrintableAtMost(strings.ReplaceAll(strings.TrimSpace(s), "\n", "; "), longestRefusal)
}
