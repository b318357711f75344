package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/startup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/fcgi"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// Exit codes of check, which are those of a Nagios plugin.
const (
	nagiosOK       = 0
	nagiosWarning  = 1
	nagiosCritical = 2
	NagiosUnknown  = 3
)

var nagiosWords = []string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

// ExitCode is that of a check that ended with an error and a command's code: what is not a result is unknown.
func ExitCode(code int, err error) int {
	if code != term.ExitDone && !term.Said(err) {
		return NagiosUnknown
	}
	return code
}

// checkAtOnce bounds the probes under way.
const checkAtOnce = 64

// Checker is one "fcgisup check".
type Checker struct {
	*term.Env
	app         string
	json        bool
	timeout     time.Duration
	params      map[string]string
	request     fcgi.Request
	expect      string
	body        string
	changed     func(flag string) bool
	supervisors control.Supervisors
	host        peer.Surveyor
	acceptors   peer.Acceptors
	starters    startup.Starters
}

// checked is the result for one backend, and its JSON.
type checked struct {
	Instance  string `json:"instance,omitempty"`
	Address   string `json:"address"`
	Result    string `json:"result"`
	Class     string `json:"class,omitempty"`
	Error     string `json:"error,omitempty"`
	Status    int    `json:"status,omitempty"`
	AppStatus uint32 `json:"app_status,omitempty"`
	Stderr    string `json:"stderr,omitempty"`
	// Answer is how a wrong answer begins.
	Answer   string `json:"answer,omitempty"`
	Sleeping bool   `json:"sleeping,omitempty"`
	// Note says what was not asked, and why.
	Note string `json:"note,omitempty"`
	// Hint is the next step after an error.
	Hint            string  `json:"hint,omitempty"`
	DurationSeconds float64 `json:"duration_seconds"`

	network string
	code    int
	err     error
}

// New asks the supervisors of this host.
func New(env *term.Env) *Checker {
	return &Checker{Env: env, supervisors: control.Supervisors{Root: control.Root}}
}

// Define adds the flags of "fcgisup check".
func (k *Checker) Define(f *pflag.FlagSet) {
	f.StringVar(&k.supervisors.Extra, "control", "", "`PATH` of an additional control socket, beside those below "+control.Root+"; not with ADDRESS")
	f.StringVar(&k.app, "app", "", "`NAME` of the app (default all); not with ADDRESS")
	f.BoolVar(&k.json, "json", false, "JSON array of objects with address, result, status, error and others")
	f.DurationVar(&k.timeout, "timeout", 5*time.Second, "`DURATION` of each request at most")
	f.StringVar(&k.request.Path, "path", "", "`PATH` of the request (default: a ping)")
	f.StringVar(&k.request.ScriptName, "script-name", "", "`PREFIX` of the path where the application is mounted")
	f.StringVar(&k.request.Method, "method", "", "`METHOD` of the request (default GET)")
	f.StringVar(&k.request.Host, "host", "", "`NAME` of the virtual host (default localhost)")
	f.StringToStringVar(&k.params, "param", nil, "additional CGI parameter `KEY=VALUE`; repeatable")
	f.StringVar(&k.expect, "expect", "", "`STATUS` that is expected, such as 200-299,304 (default 200-399)")
	f.StringVar(&k.body, "body", "", "`REGEXP` that the body must match")
}

// target is a backend to ask.
type target struct {
	name    string
	request fcgi.Request
	timeout time.Duration
	// status asks the supervisor, asleep finds an instance that has none yet. They are nil
	// for a target that is not a supervised instance of the configuration.
	status func(ctx context.Context, fresh bool) control.Reply
	asleep func() bool
	// failure returns why the service that systemd starts for the socket fails, nil if it does not.
	failure func(ctx context.Context) *control.Failure
	// host finds the listener of an address in the kernel's tables.
	host *peer.Surveyor
	// acceptors finds the processes that hold the listeners of this host.
	acceptors *peer.Acceptors
}

// Run asks the addresses, or the instances of the configuration; changed reports whether a flag was given.
func (k *Checker) Run(ctx context.Context, args []string, changed func(flag string) bool) error {
	k.changed = changed
	if k.timeout <= 0 {
		return term.Usage(fmt.Errorf("--timeout: %s is not positive", k.timeout))
	}
	if _, nameless := k.params[""]; nameless {
		return term.Usage(errors.New("--param needs a name before the ="))
	}
	defer k.starters.Close()
	targets, err := k.targets(ctx, args)
	if err != nil {
		return err
	}
	results := make([]checked, len(targets))
	var group errgroup.Group
	group.SetLimit(checkAtOnce)
	waiting := k.Progress("backends checked: 0 of %d", len(targets))
	var asked atomic.Int64
	for i, t := range targets {
		group.Go(func() error {
			results[i] = t.ask(ctx)
			waiting.Set("backends checked: %d of %d", asked.Add(1), len(targets))
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	waiting.Done()
	if err := k.print(results); err != nil {
		return err
	}
	worst := nagiosOK
	for _, r := range results {
		worst = max(worst, r.code)
	}
	if worst == nagiosOK {
		return nil
	}
	return term.Exit(worst)
}

func (t target) ask(ctx context.Context) checked {
	r := checked{Instance: t.name, Address: t.request.Address, network: t.request.Network}
	before, st, known := t.look(ctx, false)
	switch {
	case st != nil && st.State == control.Sleeping:
		r.Sleeping = true
	case st == nil && t.asleep != nil && t.asleep():
		r.sleeps(ctx, t)
	case known && st != nil && st.State == control.Saturated && before.served > 0:
		r.busy(before) // a probe would wait, and be answered after its timeout
	case t.request.Path == "" && !t.pinged(st):
		r.askNothing(ctx, t, st)
	default:
		sent := time.Now()
		r.probe(ctx, t)
		class := fcgi.ClassOf(r.err)
		if known && (class == fcgi.Timeout || class == fcgi.Full) {
			if after, _, known := t.look(ctx, true); known {
				r.excuse(before, after, sent)
			}
		}
		r.explain(st)
	}
	r.advise()
	r.Result = nagiosWords[r.code]
	return r
}

func (r *checked) probe(ctx context.Context, t target) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	response, err := fcgi.Probe(ctx, t.request)
	r.Status, r.AppStatus = response.Status, response.AppStatus
	r.Stderr = strings.ToValidUTF8(string(response.Stderr), "\uFFFD")
	r.DurationSeconds = response.Elapsed.Seconds()
	if err != nil {
		r.err = err
		r.Class, r.Error = string(fcgi.ClassOf(err)), err.Error()
		r.Answer = fcgisup.Printable(string(response.Excerpt))
		r.code = severity(fcgi.ClassOf(err))
	}
}

// explain adds why no worker lives, which its supervisor knows and a probe does not.
func (r *checked) explain(st *control.Status) {
	if r.err == nil || st == nil || st.State != control.InstanceFailing || st.LastFailure == nil {
		return
	}
	r.code = nagiosCritical
	r.Error = fmt.Sprintf("the instance is failing: %s, %s (%s)", st.LastFailure.Cause, st.LastFailure.Detail, r.Error)
}

// severity: a worker that says it is busy, or whose queue is full, is not down.
func severity(c fcgi.Class) int {
	switch c {
	case fcgi.Full, fcgi.Overloaded:
		return nagiosWarning
	default:
		return nagiosCritical
	}
}

func (k *Checker) targets(ctx context.Context, args []string) ([]target, error) {
	if len(args) == 0 {
		return k.configured(ctx)
	}
	if k.supervisors.Extra != "" {
		return nil, term.Usage(errors.New("--control and ADDRESS exclude each other: --control is for the instances of the configuration"))
	}
	if k.app != "" {
		return nil, term.Usage(errors.New("--app and ADDRESS exclude each other: --app is for the instances of the configuration"))
	}
	r := k.request
	r.Params = k.params
	if err := k.applyExpect(&r); err != nil {
		return nil, term.Usage(err)
	}
	var supervised map[fcgisup.Address]fcgisup.Instance
	if r.Path == "" {
		supervised = k.supervisedAt()
	}
	var all []target
	for _, arg := range args {
		a, err := fcgisup.ParseAddress(arg)
		if err != nil {
			return nil, term.Usage(err)
		}
		r.Network, r.Address = a.Network, a.Addr
		t := target{request: r, timeout: k.timeout, host: &k.host, acceptors: &k.acceptors}
		t.failure = func(ctx context.Context) *control.Failure { return k.starters.At(ctx, a) }
		if in, ok := supervised[a]; ok {
			t.status = func(ctx context.Context, fresh bool) control.Reply { return k.supervisors.Of(ctx, in, fresh) }
			t.asleep = func() bool { return k.asleep(in) }
			t.failure = func(ctx context.Context) *control.Failure { return k.starters.Of(ctx, in) }
		}
		all = append(all, t)
	}
	return all, nil
}

// applyExpect lets the flags replace what a request expects. A ping has no answer
// to expect anything of, and shows no parameter to an application.
func (k *Checker) applyExpect(r *fcgi.Request) error {
	if r.Path == "" {
		for _, flag := range []string{"expect", "body", "script-name", "method", "host", "param"} {
			if k.changed(flag) {
				return &term.ExitError{Code: term.ExitUsage, Hint: "add --path /", Cause: fmt.Errorf("--%s needs --path: without it check sends a ping", flag)}
			}
		}
	}
	if k.expect != "" {
		ranges, err := fcgisup.ParseStatuses(k.expect)
		if err != nil {
			return fmt.Errorf("--expect: %w", err)
		}
		r.Expect.Status = ranges
	}
	if k.body != "" {
		re, err := regexp.Compile(k.body)
		if err != nil {
			return fmt.Errorf("--body: %w", err)
		}
		r.Expect.Body = re
	}
	return nil
}

// configured are the instances of the configuration, asked as it says but for the flags.
func (k *Checker) configured(ctx context.Context) ([]target, error) {
	cfg, err := k.LoadHere()
	if err != nil {
		return nil, err
	}
	apps := cfg.Apps
	if k.app != "" {
		a, err := term.PickApp(cfg, k.app)
		if err != nil {
			return nil, err
		}
		apps = []fcgisup.App{a}
	}
	k.supervisors.Apps = cfg.Apps
	if err := k.supervisors.Reached(ctx); err != nil {
		return nil, err
	}
	var all []target
	for _, a := range apps {
		for _, in := range a.Expand() {
			r := peer.ProbeRequest(a, in)
			if err := k.override(&r); err != nil {
				return nil, term.Usage(err)
			}
			t := target{name: in.String(), request: r, timeout: a.Health.Timeout, host: &k.host, acceptors: &k.acceptors}
			t.status = func(ctx context.Context, fresh bool) control.Reply { return k.supervisors.Of(ctx, in, fresh) }
			if a.Systemd.Supervise {
				t.asleep = func() bool { return k.asleep(in) }
			}
			t.failure = func(ctx context.Context) *control.Failure { return k.starters.Of(ctx, in) }
			if k.changed("timeout") {
				t.timeout = k.timeout
			}
			all = append(all, t)
		}
	}
	return all, nil
}

func (k *Checker) override(r *fcgi.Request) error {
	for flag, set := range map[string]func(){
		"path":        func() { r.Path = k.request.Path },
		"script-name": func() { r.ScriptName = k.request.ScriptName },
		"method":      func() { r.Method = k.request.Method },
		"host":        func() { r.Host = k.request.Host },
	} {
		if k.changed(flag) {
			set()
		}
	}
	if len(k.params) > 0 {
		merged := map[string]string{}
		for _, m := range []map[string]string{r.Params, k.params} {
			for name, v := range m {
				merged[name] = v
			}
		}
		r.Params = merged
	}
	return k.applyExpect(r)
}

func (k *Checker) print(results []checked) error {
	if k.json {
		e := json.NewEncoder(k.Out)
		e.SetIndent("", "  ")
		return e.Encode(results)
	}
	w := tabwriter.NewWriter(k.Out, 0, 0, 2, ' ', 0)
	for _, r := range results {
		where := r.Address
		if r.Instance != "" {
			where = r.Instance + "  " + r.Address
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Result, where, r.text())
	}
	return w.Flush()
}

func (r checked) text() string {
	hint := ""
	if r.Hint != "" {
		hint = "; " + r.Hint
	}
	took := time.Duration(r.DurationSeconds * float64(time.Second)).Round(10 * time.Microsecond)
	switch {
	case r.Sleeping:
		return "sleeping, not asked"
	case r.Note != "":
		return r.Note
	case r.Error != "" && r.Answer != "":
		return fmt.Sprintf("%s: %s; the answer begins: %s", r.Class, fcgisup.Printable(r.Error), r.Answer)
	case r.Error != "":
		return fmt.Sprintf("%s: %s%s", r.Class, fcgisup.Printable(r.Error), hint)
	case r.Status != 0:
		return fmt.Sprintf("status %d in %s", r.Status, took)
	}
	return fmt.Sprintf("alive, in %s", took)
}
