package foreign

import (
	"errors"
	"net/netip"
	"path"
	"strings"
)

// listen reads socket=, socket_owner= and socket_mode= with their defaults.
func (p *program) listen(at place) bool {
	e := p.socket.address
	if e.value == "" {
		p.note(at, "socket", "is missing: %s is left out", p.draft.of)
		return false
	}
	address, ok := p.expand(e)
	if !ok {
		p.note(e.at, "socket", "%s is left out", p.draft.of)
		return false
	}
	if file, ok := strings.CutPrefix(address, "unix://"); ok {
		p.draft.set("listen", path.Clean(file), e.at)
		return p.owner(at)
	}
	host, ok := strings.CutPrefix(address, "tcp://")
	port := ""
	if i := strings.LastIndexByte(host, ':'); ok && i >= 0 {
		host, port = host[:i], host[i+1:]
	}
	if !ok || port == "" {
		p.note(e.at, "socket", "%q is neither unix://PATH nor tcp://HOST:PORT: %s is left out", address, p.draft.of)
		return false
	}
	if host, ok = p.address(host, "socket", e.at); !ok {
		return false
	}
	p.draft.set("listen", host+":"+port, e.at)
	return true
}

// address is an IP address; systemd listens on no names.
func (r *reading) address(host, directive string, at place) (string, bool) {
	switch host {
	case "localhost":
		r.note(at, directive, "localhost is taken to be 127.0.0.1: systemd listens on addresses, not names")
		return "127.0.0.1", true
	case "", "*":
		return "", true
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		if ip.Is6() {
			return "[" + ip.String() + "]", true
		}
		return ip.String(), true
	}
	r.note(at, directive, "%s is a name, and systemd listens on addresses: left out", host)
	return "", false
}

// owner sets who may connect; supervisord's socket belongs to the program's user, mode 0700.
func (p *program) owner(at place) bool {
	owner, ok := p.expand(p.socket.owner)
	if !ok {
		p.note(p.socket.owner.at, "socket_owner", "%s is left out", p.draft.of)
		return false
	}
	user, group, both := strings.Cut(owner, ":")
	where := p.socket.owner.at
	if user == "" {
		user, where = p.user.value, at
		if user == "" {
			user = "root"
		}
	}
	if !both {
		group = p.group(user, "socket_owner", where)
	}
	mode := "0700"
	if e := p.socket.mode; e.value != "" {
		m, ok := octal(e.value)
		if !ok {
			p.note(e.at, "socket_mode", "%q is not a mode", e.value)
		} else {
			mode = m
		}
	}
	p.draft.set("socket.user", user, where)
	p.draft.set("socket.group", group, where)
	p.draft.set("socket.mode", mode, where)
	return true
}

// environment reads KEY="value",KEY2=value.
func (p *program) environment(e entry) {
	text, known := p.expand(e)
	if !known {
		return
	}
	for rest := strings.TrimSpace(text); rest != ""; {
		name, after, ok := strings.Cut(rest, "=")
		name = strings.TrimSpace(name)
		value, after, err := quotedValue(strings.TrimLeft(after, " \t\n"))
		if !ok || err != nil {
			p.note(e.at, e.key, "cannot be read from %s on: skipped from there", orSo(name))
			return
		}
		p.variable(p.draft, name, value, e.at)
		p.names["ENV_"+name] = value
		rest = strings.TrimLeft(after, " \t\n")
		if rest = strings.TrimLeft(strings.TrimPrefix(rest, ","), " \t\n"); rest == after && rest != "" {
			p.note(e.at, e.key, "cannot be read behind %s: skipped from there", orSo(name))
			return
		}
	}
}

// orSo is a name to show, where it is one: what is not may hold a secret.
func orSo(name string) string {
	if !variableName(name) {
		return "its middle"
	}
	return name
}

// quotedValue reads one value in quotes, or up to the next comma.
func quotedValue(s string) (value, rest string, err error) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		end := strings.IndexByte(s, ',')
		if end < 0 {
			end = len(s)
		}
		return strings.TrimSpace(s[:end]), s[end:], nil
	}
	value, rest, closed := strings.Cut(s[1:], s[:1])
	if !closed {
		return "", "", errors.New("unclosed quote")
	}
	return value, rest, nil
}
