package units

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"

	"github.com/fcgisup/fcgisup"
)

// Unit is what systemd knows of any unit, systemd.unit(5).
type Unit struct {
	State
	// Load is LoadState: loaded, not-found, masked, bad-setting or error.
	Load string
	// Result says how a socket or a service last ended: "success", else why not.
	Result string
	// File is the unit file, empty without one.
	File string
	// Stale tells that files have changed since systemd read them.
	Stale bool
	// FileState is UnitFileState, such as enabled, disabled or static.
	FileState string
	// Wanted tells that the start of another unit starts this one.
	Wanted bool
}

// RateLimit is so many times within an interval; with either zero there is none.
type RateLimit struct {
	Interval time.Duration
	Burst    int
}

// Set reports whether there is a limit.
func (l RateLimit) Set() bool { return l.Interval > 0 && l.Burst > 0 }

// SocketUnit is a socket unit, systemd.socket(5).
type SocketUnit struct {
	Unit
	// Listen are its stream addresses.
	Listen []fcgisup.Address
	// Accept tells that each connection gets a service of its own.
	Accept bool
	// Backlog is as configured; the kernel caps it.
	Backlog uint32
	// Mode is the permissions of the socket file.
	Mode uint32
	// Service is what it starts, empty for a socket with Accept.
	Service string
	// Trigger is the limit on starts by the socket, which fails it.
	Trigger RateLimit
}

// ServiceUnit is a service unit, systemd.service(5) and systemd.exec(5).
type ServiceUnit struct {
	Unit
	// Program is the path of ExecStart=, empty without one or when the service has a root of its own.
	Program string
	// Args are the program's, without its name.
	Args []string
	// Directory is WorkingDirectory=, empty if it may be missing or is the user's home.
	Directory string
	// Environment are assignments, EnvironmentFiles those files that must be there.
	Environment, EnvironmentFiles []string
	// Mounts is how it sees the file system.
	Mounts Mounts
	// User and Group are as configured, empty for root's.
	User, Group string
	// Exit is the exit code, or the signal, that its main process ended with last.
	Exit int
	// Restarts counts automatic ones, since the service was last started otherwise.
	Restarts uint32
	// Start is the limit on starts, which fails the service's socket too.
	Start RateLimit
	// PrivateTmp tells that it has a /tmp of its own.
	PrivateTmp bool
	// MissingMounts are its directives that name a path which must be there and is not.
	MissingMounts []string
	// Needs are paths that must be there for a start, Helpers the commands beside the program.
	Needs   []Need
	Helpers []Helper
	// Made are directories that systemd makes at a start, Groups those of SupplementaryGroups=.
	Made, Groups []string
	// RuntimeDirectories are those below /run that go with the service: none if they are preserved.
	RuntimeDirectories []string
	// OnStdin tells that the program gets the socket as its standard input.
	OnStdin bool
}

// mountsOf is [MountsOf] for what systemd has made of the files.
func mountsOf(p properties) Mounts {
	list := func(key string) []string { return property[[]string](p, key) }
	first := func(key string) []string {
		var all []string
		for _, item := range property[[][]any](p, key) {
			var parts []string
			for _, part := range item {
				if text, ok := part.(string); ok {
					parts = append(parts, text)
				}
			}
			all = append(all, strings.Join(parts, ":"))
		}
		return all
	}
	m := Mounts{OwnRoot: property[string](p, "RootDirectory")+property[string](p, "RootImage") != ""}
	m.homes(property[string](p, "ProtectHome"))
	if property[bool](p, "PrivateTmp") {
		m.temporary("yes")
	}
	m.hide("InaccessiblePaths", false, list("InaccessiblePaths"))
	m.hide("TemporaryFileSystem", true, first("TemporaryFileSystem"))
	m.bind(slices.Concat(first("BindPaths"), first("BindReadOnlyPaths")))
	m.executable(list("NoExecPaths"), list("ExecPaths"))
	return m
}

// properties are all of a unit's, of every interface. Asking for one by name
// has systemd load the unit; it starts nothing.
type properties map[string]any

func (s *Systemd) properties(ctx context.Context, unit string) (properties, error) {
	p, err := ask(ctx, func(ctx context.Context) (map[string]any, error) { return s.conn.GetAllPropertiesContext(ctx, unit) })
	if err != nil {
		return nil, fmt.Errorf("cannot ask systemd about %s: %w", unit, err)
	}
	return p, nil
}

// property is a value, zero if this systemd has no such property or one of another type.
func property[T any](p properties, name string) T {
	v, _ := p[name].(T)
	return v
}

// rate reads a limit; systemd writes an infinite interval as the largest number.
func rate(p properties, name string) RateLimit {
	µs := property[uint64](p, name+"IntervalUSec")
	const longest = uint64(1<<63-1) / uint64(time.Microsecond)
	return RateLimit{time.Duration(min(µs, longest)) * time.Microsecond, int(property[uint32](p, name+"Burst"))}
}

// Unit is what systemd knows of a unit; one that does not exist has Load "not-found".
func (s *Systemd) Unit(ctx context.Context, name string) (Unit, error) {
	p, err := s.properties(ctx, name)
	return unitOf(name, p), err
}

func unitOf(name string, p properties) Unit {
	return Unit{
		State:  State{name, property[string](p, "ActiveState"), property[string](p, "SubState")},
		Load:   property[string](p, "LoadState"),
		Result: property[string](p, "Result"), File: property[string](p, "FragmentPath"),
		Stale: property[bool](p, "NeedDaemonReload"), FileState: property[string](p, "UnitFileState"),
		Wanted: len(property[[]string](p, "WantedBy"))+len(property[[]string](p, "RequiredBy")) > 0,
	}
}

// Sockets are the socket units that listen for streams: those that systemd has
// loaded, and those that have a file and are not a template.
func (s *Systemd) Sockets(ctx context.Context) ([]SocketUnit, error) {
	names, err := s.socketNames(ctx)
	if err != nil {
		return nil, err
	}
	var all []SocketUnit
	for _, name := range names {
		p, err := s.properties(ctx, name)
		if err != nil {
			return nil, err
		}
		// An alias has the properties of the unit that it stands for.
		if u := socketOf(name, p); len(u.Listen) > 0 && property[string](p, "Id") == name {
			all = append(all, u)
		}
	}
	return all, nil
}

func (s *Systemd) socketNames(ctx context.Context) ([]string, error) {
	states, err := s.List(ctx, "*.socket")
	if err != nil {
		return nil, err
	}
	files, err := ask(ctx, func(ctx context.Context) ([]dbus.UnitFile, error) {
		return s.conn.ListUnitFilesByPatternsContext(ctx, nil, []string{"*.socket"})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list unit files: %w", err)
	}
	var names []string
	for _, state := range states {
		names = append(names, state.Name)
	}
	for _, f := range files {
		if name := path.Base(f.Path); !strings.Contains(name, "@.") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func socketOf(name string, p properties) SocketUnit {
	u := SocketUnit{
		Unit: unitOf(name, p), Accept: property[bool](p, "Accept"), Backlog: property[uint32](p, "Backlog"),
		Mode: property[uint32](p, "SocketMode"), Trigger: rate(p, "TriggerLimit"),
	}
	if triggers := property[[]string](p, "Triggers"); len(triggers) > 0 {
		u.Service = triggers[0]
	}
	for _, pair := range property[[][]any](p, "Listen") {
		if len(pair) != 2 || pair[0] != "Stream" {
			continue
		}
		text, _ := pair[1].(string)
		if a, err := fcgisup.ParseAddress(text); err == nil {
			u.Listen = append(u.Listen, a)
		}
	}
	return u
}

// ServiceUnit is what the unit of a service says.
func (s *Systemd) ServiceUnit(ctx context.Context, name string) (ServiceUnit, error) {
	p, err := s.properties(ctx, name)
	return serviceOf(name, p), err
}

func serviceOf(name string, p properties) ServiceUnit {
	u := ServiceUnit{
		Unit: unitOf(name, p), Start: rate(p, "StartLimit"),
		Exit: int(property[int32](p, "ExecMainStatus")), Restarts: property[uint32](p, "NRestarts"),
		PrivateTmp: property[bool](p, "PrivateTmp"), OnStdin: property[string](p, "StandardInput") == "socket",
	}
	u.User, u.Group = property[string](p, "User"), property[string](p, "Group")
	if property[string](p, "RootDirectory")+property[string](p, "RootImage") == "" {
		for _, command := range property[[][]any](p, "ExecStart") {
			if len(command) > 0 {
				u.Program, _ = command[0].(string)
			}
			if len(command) > 1 {
				if argv, _ := command[1].([]string); len(argv) > 0 {
					u.Args = argv[1:]
				}
			}
		}
	}
	if dir := property[string](p, "WorkingDirectory"); strings.HasPrefix(dir, "/") {
		u.Directory = dir
	}
	u.Environment = property[[]string](p, "Environment")
	for _, pair := range property[[][]any](p, "EnvironmentFiles") {
		if len(pair) != 2 || pair[1] == true {
			continue
		}
		if file, _ := pair[0].(string); file != "" {
			u.EnvironmentFiles = append(u.EnvironmentFiles, file)
		}
	}
	u.Mounts = mountsOf(p)
	u.MissingMounts = missingMounts(p)
	u.Made, u.Groups = directoriesOf(p), property[[]string](p, "SupplementaryGroups")
	u.Needs = needsOf(p, append([]string{u.File}, property[[]string](p, "DropInPaths")...))
	if !u.Mounts.OwnRoot {
		u.Helpers = helpersOf(p)
	}
	if property[bool](p, "DynamicUser") {
		u.User, u.Group = "", ""
	}
	if property[string](p, "RuntimeDirectoryPreserve") == "no" {
		for _, folder := range property[[]string](p, "RuntimeDirectory") {
			u.RuntimeDirectories = append(u.RuntimeDirectories, "/run/"+folder)
		}
	}
	return u
}
