package supervise

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/accepted"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/capacity"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// runSource is what run supervises, from the command line.
type runSource struct {
	app      string
	instance int
	command  []string
	inline   deploy.InlineFlags
	changed  func(flag string) bool
	// path is the configuration file that was read, absolute, for reload.
	path string
	// text is what the file held when it was last found good.
	text atomic.Pointer[[]byte]
	// picked is the app of that text.
	picked atomic.Pointer[fcgisup.App]
	// kept is the text that Keep has seen last.
	kept *[]byte
	// variables are those that the configuration may use, nil for none.
	variables fcgisup.Variables
	// refused is what is wrong with the configuration, if it is that.
	refused error
}

func (s *runSource) define(f *pflag.FlagSet) {
	f.StringVar(&s.app, "app", "", "`NAME` of the app (default the only one)")
	f.IntVar(&s.instance, "instance", 0, "`NUMBER` of the instance (default all)")
	s.inline.Define(f, "that of fcgisup")
}

// load returns the app and the instances of it that are meant.
func (s *runSource) load(c *term.Env) (fcgisup.App, []fcgisup.Instance, error) {
	s.variables = c.Variables()
	a, err := s.find(c)
	if err != nil {
		return a, nil, err
	}
	return s.instances(a)
}

// loadAccepted is load from the copy of the configuration that was last accepted; note is what is said of it.
func (s *runSource) loadAccepted(c *term.Env) (a fcgisup.App, instances []fcgisup.Instance, note string, err error) {
	if s.refused == nil {
		return a, nil, "", errors.New("the configuration is valid")
	}
	places := []accepted.Copies{accepted.ByRoot}
	if own, ok := accepted.ByService(c, s.app); ok {
		places = append(places, own)
	}
	cfg, note := accepted.Instead(c, s.refused, places...)
	if cfg == nil {
		return a, nil, "", s.refused
	}
	s.path = cfg.Path
	s.text.Store(&cfg.Text)
	if a, err = s.pick(cfg); err == nil {
		a, instances, err = s.instances(a)
	}
	return a, instances, note, err
}

// instances are those of an app that are meant.
func (s *runSource) instances(a fcgisup.App) (fcgisup.App, []fcgisup.Instance, error) {
	if !s.changed("instance") {
		return a, a.Expand(), nil
	}
	// The number may exceed instances: the units decide how many there are.
	if s.instance < 1 || s.instance > fcgisup.MaxInstances {
		return a, nil, term.Usage(fmt.Errorf("--instance %d is not between 1 and %d", s.instance, fcgisup.MaxInstances))
	}
	return a, []fcgisup.Instance{a.Instance(s.instance)}, nil
}

// reuse is load from the text that a predecessor has found good.
func (s *runSource) reuse(c *term.Env, text []byte) (fcgisup.App, []fcgisup.Instance, error) {
	s.variables = c.Variables()
	if path, _, err := fcgisup.Find(c.Config, c.Getenv); err == nil { // to read again once it is fixed
		if s.path, err = filepath.Abs(path); err != nil {
			return fcgisup.App{}, nil, fmt.Errorf("cannot resolve the path %s: %w", path, err)
		}
	}
	cfg, err := fcgisup.Parse("the last accepted configuration", text, c.Variables())
	if err != nil {
		return fcgisup.App{}, nil, err
	}
	s.text.Store(&text)
	a, err := s.pick(cfg)
	return a, nil, err
}

func (s *runSource) find(c *term.Env) (fcgisup.App, error) {
	if s.command != nil {
		return s.inlineApp(c)
	}
	for _, flag := range deploy.InlineNames {
		if s.changed(flag) {
			return fcgisup.App{}, term.Usage(fmt.Errorf("--%s needs -- COMMAND; otherwise the configuration sets it", flag))
		}
	}
	cfg, err := c.Load()
	if err != nil {
		s.refused = err
		return fcgisup.App{}, err
	}
	if s.path, err = filepath.Abs(cfg.Path); err != nil {
		return fcgisup.App{}, fmt.Errorf("cannot resolve the path %s: %w", cfg.Path, err)
	}
	s.text.Store(&cfg.Text)
	a, err := s.pick(cfg)
	s.refused = err
	return a, err
}

// inlineApp is the app of a command line: eager in nothing, the caller's user.
func (s *runSource) inlineApp(c *term.Env) (fcgisup.App, error) {
	if c.Config != "" {
		return fcgisup.App{}, term.Usage(errors.New("cannot combine --config with -- COMMAND"))
	}
	if len(s.command) == 0 {
		return fcgisup.App{}, term.Usage(errors.New("no command after --"))
	}
	program, err := deploy.AbsoluteProgram(s.command[0])
	if err != nil {
		return fcgisup.App{}, term.Usage(err)
	}
	name := s.app
	if name == "" {
		name = deploy.AppName(program)
	}
	fields := map[string]any{"command": append([]string{program}, s.command[1:]...)}
	values := map[string]string{
		"listen": s.inline.Listen, "workers": strconv.Itoa(s.inline.Workers),
		"user": s.inline.User, "group": s.inline.Group,
	}
	for _, key := range deploy.InlineNames {
		if s.changed(key) {
			fields[key] = values[key]
		}
	}
	cfg, err := deploy.InlineConfig(name, fields)
	if err != nil {
		return fcgisup.App{}, term.Usage(err)
	}
	a := cfg.Apps[0]
	if !s.changed("user") {
		a.User = ""
		a.Socket.User, a.Socket.Group = "", "" // the calling user owns the socket, too
	}
	return withOwnSocket(a), nil
}

// pick is the app that is meant.
func (s *runSource) pick(cfg *fcgisup.Config) (fcgisup.App, error) {
	a, err := term.PickApp(cfg, s.app)
	if a.Workers.Auto {
		have := capacity.Read()
		a.Workers = a.Workers.Resolve(have.CPUs, have.Memory, a.Limits.MaxMemory)
	}
	s.picked.Store(&a)
	return withOwnSocket(a), err
}

// drainDelay is that of the configuration that was last found good.
func (s *runSource) drainDelay() time.Duration {
	if a := s.picked.Load(); a != nil {
		return a.Limits.DrainDelay
	}
	return 0
}

// healthLimits are those of the configuration that was last found good, or the defaults.
func (s *runSource) healthLimits() control.HealthLimits {
	a := s.picked.Load()
	if a == nil {
		inline := fcgisup.Default(s.app)
		a = &inline
	}
	return control.HealthLimits{
		StartTimeout: a.Limits.StartTimeout, MaxDelay: a.Restart.MaxDelay, StopTimeout: a.Limits.StopTimeout, ReadyQueue: a.Health.ReadyQueue,
	}
}

// withOwnSocket says whose the sockets are that root makes. Others have no choice
// (see listen.On), and systemd's are made.
func withOwnSocket(a fcgisup.App) fcgisup.App {
	if term.IsRoot() && a.User != "" {
		a = deploy.WithOwnGroup(a)
		a.Socket.Group = a.SocketGroup()
	}
	return a
}

// Keep keeps a copy of the configuration that the workers run with, once for each text, where systemd gave the
// service a place for it. It does not wait for the disk.
func (s *runSource) keepAccepted(c *term.Env, log *slog.Logger) {
	text := s.text.Load()
	if text == nil || text == s.kept || s.path == "" {
		return
	}
	s.kept = text
	copies, ok := accepted.ByService(c, s.app)
	if !ok {
		return
	}
	go func() {
		if err := copies.Keep(s.path, *text); err != nil {
			log.Warn("cannot keep a copy of the configuration for a start at which it is invalid", "error", err)
		}
	}()
}

// reloader reads the same app from the same file again; nil without a file.
func (s *runSource) reloader() func() (fcgisup.App, error) {
	if s.path == "" {
		return nil
	}
	path := s.path
	return func() (fcgisup.App, error) {
		cfg, err := fcgisup.Load(path, s.variables)
		if err != nil {
			return fcgisup.App{}, err
		}
		a, err := s.pick(cfg)
		if err == nil {
			s.text.Store(&cfg.Text)
		}
		return a, err
	}
}

// controlPath is in systemd's runtime directory, else in a directory where
// status finds it, if this user may make one: root, or the one user of a
// container. Empty: there is none.
func (r *Runner) controlPath(a fcgisup.App, instances []fcgisup.Instance) string {
	if dir := r.Getenv("RUNTIME_DIRECTORY"); dir != "" {
		dir, _, _ = strings.Cut(dir, ":") // several: the first is ours
		return filepath.Join(dir, control.ControlName)
	}
	dir := r.ownDir(a, instances)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		if os.Geteuid() == 0 {
			r.log.Warn("no directory for the control socket", "error", err)
		}
		return ""
	}
	return filepath.Join(dir, control.ControlName)
}

// moduleDir is where the module for workers.prefork is written: a directory that is ours. Empty: the supervisor makes one.
func (r *Runner) moduleDir(a fcgisup.App, instances []fcgisup.Instance) string {
	if dir, _, _ := strings.Cut(r.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	dir := r.ownDir(a, instances)
	if !a.Workers.Prefork.On() || os.MkdirAll(dir, 0o755) != nil {
		return ""
	}
	return dir
}

// ownDir is the directory of a supervisor that systemd gives none.
func (r *Runner) ownDir(a fcgisup.App, instances []fcgisup.Instance) string {
	if r.source.changed("instance") {
		return instanceDir(a, instances[0].Number)
	}
	return filepath.Join(control.Root, a.Name)
}

// maxPingRecords bounds how many other instances' records a supervisor reads.
const maxPingRecords = 16

// pingRecords returns this supervisor's record of pings, and those of other
// instances of the app: what one has tried the others need not.
func (r *Runner) pingRecords(a fcgisup.App, instances []fcgisup.Instance) (own string, others []string) {
	if len(instances) == 0 {
		return "", nil
	}
	dir, _, _ := strings.Cut(r.Getenv("RUNTIME_DIRECTORY"), ":")
	if dir == "" {
		dir = r.ownDir(a, instances)
	}
	own = filepath.Join(dir, supervisor.PingRecordName)
	if r.control != "" { // whose directory many supervisors may share
		own = r.control + "." + supervisor.PingRecordName
	}
	if !r.source.changed("instance") {
		return own, nil
	}
	for n := 1; n <= a.Instances && len(others) < maxPingRecords; n++ {
		if n != instances[0].Number {
			others = append(others, filepath.Join(instanceDir(a, n), supervisor.PingRecordName))
		}
	}
	return own, others
}

func instanceDir(a fcgisup.App, n int) string {
	return filepath.Join(control.Root, fmt.Sprintf("%s-%d", a.Name, n))
}

// turnLock is the name of the lock that supervisors of an app recycle by, in each
// one's runtime directory: the configuration is not theirs to lock.
const turnLock = "recycle.lock"

// turnPaths returns this supervisor's lock and those of all supervisors of the
// app; nothing if one process runs all instances.
func (r *Runner) turnPaths(a fcgisup.App, instances []fcgisup.Instance) (own string, all []string) {
	if !r.source.changed("instance") || len(instances) == 0 {
		return "", nil
	}
	for n := 1; n <= max(a.Instances, instances[0].Number); n++ {
		all = append(all, filepath.Join(instanceDir(a, n), turnLock))
	}
	return filepath.Join(instanceDir(a, instances[0].Number), turnLock), all
}
