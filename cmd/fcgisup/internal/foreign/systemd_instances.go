package foreign

import (
	"slices"
	"strconv"
	"strings"
)

// services reads a service with its socket: one app, or one for each instance of a template whose instances differ in
// more than their number.
func (r *reading) service(u, socket *foreignUnit) {
	if u.data == nil {
		r.note(u.at, "", "is a drop-in of %s, which is not among the files: left out", u.ref.base())
		return
	}
	s := &service{reading: r, unit: u, socket: socket, count: 1}
	if u.ref.template {
		names := s.names()
		numbers, numbered := asNumbers(names)
		key, byName := s.namedBy()
		switch {
		case numbered && !byName:
			s.numbers = numbers
			s.instances()
		case len(names) == 0 && (r.opt.Instances == 0 || byName):
			r.note(key.at, key.Key, "%s is the instance's name, which the files do not tell: give those of the instances too, such as %s@NAME.%s: %s is left out",
				key.Value, u.ref.name, "service or "+u.ref.name+"@NAME.socket", u.ref.base())
			return
		default:
			for _, name := range names {
				one := &service{reading: r, unit: u.instance(name), socket: socket.instance(name), count: 1, instance: name}
				one.read()
			}
			return
		}
	}
	for _, unit := range []*foreignUnit{u, socket} {
		if unit == nil {
			continue
		}
		for name := range unit.ofOnly {
			r.note(unit.ofOnly[name][0].at, "", "is about instance %s alone; all instances of an app are alike: skipped", name)
		}
	}
	s.read()
}

// names are the instances that files were given of, or the one by default.
func (s *service) names() []string {
	var names []string
	for _, u := range []*foreignUnit{s.unit, s.socket} {
		if u == nil {
			continue
		}
		names = append(names, u.names...)
		for name := range u.ofOnly {
			if _, err := strconv.Atoi(name); err != nil {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 && s.opt.Instances == 0 {
		if d, ok := s.unit.last("Install", "DefaultInstance"); ok {
			names = []string{d.Value}
		}
	}
	return names
}

// asNumbers are the names as numbers, if all are.
func asNumbers(names []string) ([]int, bool) {
	var numbers []int
	for _, name := range names {
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 || strconv.Itoa(n) != name {
			return nil, false
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, true
}

// namedBy is the directive by which instances differ in what an app has once: its user, its group, its command.
func (s *service) namedBy() (located, bool) {
	for _, key := range []string{"User", "Group", "ExecStart"} {
		for _, d := range s.unit.values("Service", key) {
			if hasInstance(d.Value) {
				return d, true
			}
		}
	}
	return located{Directive: s.unit.first().Directive, at: s.unit.at}, false
}

func (u *foreignUnit) first() located {
	if len(u.directives) == 0 {
		return located{}
	}
	return u.directives[0]
}

// hasInstance reports whether a value has a specifier of the instance's name.
func hasInstance(value string) bool {
	value = strings.ReplaceAll(value, "%%", "")
	return strings.Contains(value, "%i") || strings.Contains(value, "%I")
}

// unescape undoes systemd-escape(1), for %I.
func unescape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch {
		case name[i] == '-':
			b.WriteByte('/')
		case strings.HasPrefix(name[i:], `\x`) && i+4 <= len(name):
			c, err := strconv.ParseUint(name[i+2:i+4], 16, 8)
			if err != nil {
				b.WriteByte(name[i])
				continue
			}
			b.WriteByte(byte(c))
			i += 3
		default:
			b.WriteByte(name[i])
		}
	}
	return b.String()
}
