package foreign

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup/units"
)

// unitName is a unit, or a drop-in's directory: NAME, @INSTANCE, KIND.
var unitName = pattern(`^([A-Za-z0-9:_.\\-]+?)(@([A-Za-z0-9:_.\\-]*))?\.(service|socket)$`)

// unitRef is a unit by its name's parts.
type unitRef struct {
	name, instance, kind string
	template, dropIn     bool
}

// base is the unit that a file of one instance belongs to.
func (u unitRef) base() string {
	if u.template {
		return u.name + "@." + u.kind
	}
	return u.name + "." + u.kind
}

// unitOf tells what unit a file is of, by its name.
func unitOf(file string) (unitRef, bool) {
	name, dropIn := path.Base(file), false
	if dir := path.Base(path.Dir(file)); strings.HasSuffix(name, ".conf") && strings.HasSuffix(dir, ".d") {
		name, dropIn = strings.TrimSuffix(dir, ".d"), true
	}
	m := unitName().FindStringSubmatch(name)
	if m == nil {
		return unitRef{}, false
	}
	return unitRef{m[1], m[3], m[4], m[2] != "", dropIn}, true
}

// foreignUnit is one unit, drop-ins included.
type foreignUnit struct {
	ref unitRef
	at  place
	// names are the instances that files were given of.
	names      []string
	directives []located
	// byKey are the directives by section and key; drop-ins of one instance wait until it is known.
	byKey  map[[2]string][]located
	ofOnly map[string][]located
	// data is that of the unit itself; nil: only drop-ins were given.
	data []byte
}

func (u *foreignUnit) add(l located) {
	u.directives = append(u.directives, l)
	key := [2]string{l.Section, l.Key}
	u.byKey[key] = append(u.byKey[key], l)
}

// instance is a unit with the drop-ins of one instance.
func (u *foreignUnit) instance(name string) *foreignUnit {
	if u == nil || len(u.ofOnly[name]) == 0 {
		return u
	}
	c := *u
	c.directives, c.byKey = slices.Clone(u.directives), maps.Clone(u.byKey)
	for _, l := range u.ofOnly[name] {
		key := [2]string{l.Section, l.Key}
		c.byKey[key] = slices.Clone(c.byKey[key])
		c.add(l)
	}
	return &c
}

// located is a directive and its file.
type located struct {
	units.Directive
	at place
}

// systemd reads services with their sockets.
func (r *reading) systemd(files []Source) {
	// A unit before its drop-ins, and those by name, as systemd reads them.
	slices.SortStableFunc(files, func(a, b Source) int {
		x, _ := unitOf(a.Name)
		y, _ := unitOf(b.Name)
		if x.dropIn != y.dropIn {
			return map[bool]int{true: 1, false: -1}[x.dropIn]
		}
		if !x.dropIn {
			return 0
		}
		return strings.Compare(path.Base(a.Name), path.Base(b.Name))
	})
	var all []*foreignUnit
	for _, f := range files {
		all = r.unitFile(all, f)
	}
	for _, u := range all {
		if u.ref.kind == "service" {
			r.service(u, r.socketOf(u, all))
		} else if r.serviceOf(u, all) == nil {
			r.note(u.at, "", "its service is not among the files: left out")
		}
	}
}

func (r *reading) unitFile(all []*foreignUnit, f Source) []*foreignUnit {
	ref, _ := unitOf(f.Name)
	at := place{f.Name, 1}
	directives, err := units.Read(f.Data)
	if err != nil {
		r.note(at, "", "%v", err)
		return all
	}
	i := slices.IndexFunc(all, func(u *foreignUnit) bool { return u.ref.base() == ref.base() })
	if i < 0 {
		i = len(all)
		all = append(all, &foreignUnit{ref: ref, at: at, byKey: map[[2]string][]located{}, ofOnly: map[string][]located{}})
	}
	u := all[i]
	if ref.dropIn && ref.instance != "" {
		for _, d := range directives {
			u.ofOnly[ref.instance] = append(u.ofOnly[ref.instance], located{d, place{f.Name, d.Line}})
		}
		return all
	}
	if ref.template && ref.instance != "" && !slices.Contains(u.names, ref.instance) {
		u.names = append(u.names, ref.instance)
	}
	if !ref.dropIn && u.data != nil {
		if !bytes.Equal(u.data, f.Data) {
			r.note(at, "", "is another file than %s: only that one is read", u.at.file)
		}
		return all // another instance of the same template, a link to the same file
	}
	if !ref.dropIn {
		u.data = f.Data
		if u.data == nil {
			u.data = []byte{}
		}
	}
	for _, d := range directives {
		u.add(located{d, place{f.Name, d.Line}})
	}
	return all
}

// last is a directive's value, the one that counts when it may stand once.
func (u *foreignUnit) last(section, key string) (located, bool) {
	all := u.byKey[[2]string{section, key}]
	if len(all) == 0 {
		return located{}, false
	}
	d := all[len(all)-1]
	return d, d.Value != ""
}

// values are a directive's, less those before an empty one, which resets them.
func (u *foreignUnit) values(section, key string) []located {
	var all []located
	for _, d := range u.byKey[[2]string{section, key}] {
		if d.Value == "" {
			all = nil
			continue
		}
		all = append(all, d)
	}
	return all
}

// serves tells which service a socket starts.
func (u *foreignUnit) serves() string {
	if d, ok := u.last("Socket", "Service"); ok {
		if ref, ok := unitOf(strings.ReplaceAll(d.Value, "%i", "")); ok {
			return ref.base()
		}
	}
	if d, ok := u.last("Socket", "Accept"); ok && yes(d.Value) && !u.ref.template {
		return u.ref.name + "@.service"
	}
	return strings.TrimSuffix(u.ref.base(), "socket") + "service"
}

func (r *reading) socketOf(service *foreignUnit, all []*foreignUnit) *foreignUnit {
	var found *foreignUnit
	for _, u := range all {
		if u.ref.kind != "socket" || u.serves() != service.ref.base() {
			continue
		}
		if found != nil {
			r.note(u.at, "", "is a second socket of %s; an app has one: skipped", service.ref.base())
			continue
		}
		found = u
	}
	return found
}

func (r *reading) serviceOf(socket *foreignUnit, all []*foreignUnit) *foreignUnit {
	for _, u := range all {
		if u.ref.kind == "service" && u.ref.base() == socket.serves() {
			return u
		}
	}
	return nil
}
