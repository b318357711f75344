package foreign

import (
	"path"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup/units"
)

// listens sets the address and who may connect.
func (s *service) listens(d *draft) bool {
	u := s.socket
	if accept, ok := u.last("Socket", "Accept"); ok && yes(accept.Value) {
		s.note(accept.at, "Accept", "a process for each connection is not FastCGI: %s is left out", d.of)
		return false
	}
	streams := u.values("Socket", "ListenStream")
	if len(streams) == 0 {
		s.note(u.at, "ListenStream", "is missing: %s is left out", d.of)
		return false
	}
	for _, more := range streams[1:] {
		s.note(more.at, "ListenStream", "%s: an app has one address, a second app could have this: skipped", more.Value)
	}
	first := streams[0]
	addresses := make([]string, s.count)
	for i := range addresses {
		addresses[i] = s.instanceAddress(first.Value, i)
	}
	listen, ok := s.pattern(first, addresses)
	if !ok {
		s.note(first.at, "ListenStream", "%s: the instances' addresses are neither paths with %%i nor consecutive ports: %s is left out", first.Value, d.of)
		return false
	}
	d.set("listen", listen, first.at)
	return !strings.HasPrefix(listen, "/") || s.mayConnect(d)
}

// instanceAddress is what ListenStream= means for the i-th instance, from 0.
func (s *service) instanceAddress(value string, i int) string {
	if s.instance != "" {
		text, _ := s.specifiers(value)
		return text
	}
	number := i + 1
	if i < len(s.numbers) {
		number = s.numbers[i]
	}
	text := strings.ReplaceAll(strings.ReplaceAll(value, "%i", strconv.Itoa(number)), "%I", strconv.Itoa(number))
	text, ok := s.specifiers(text)
	if !ok {
		return ""
	}
	return text
}

// pattern finds the listen: that gives the same addresses.
func (s *service) pattern(l located, addresses []string) (string, bool) {
	first := addresses[0]
	if strings.HasPrefix(first, "/") {
		if len(addresses) == 1 {
			return path.Clean(first), true
		}
		for i, a := range addresses {
			if i < len(s.numbers) && s.numbers[i] != i+1 {
				s.note(l.at, l.Key, "the addresses are those of instances 1 to %d from now on: nginx has to know", s.count)
				break
			}
			if !strings.HasPrefix(a, "/") {
				return "", false
			}
		}
		kept, ok := s.keepNumber(l.Value)
		return path.Clean(kept), ok && strings.Contains(kept, "%i")
	}
	host, port, ok := s.hostPort(first, l)
	if !ok {
		return "", false
	}
	for i, a := range addresses {
		h, p, ok := s.hostPort(a, l)
		if !ok || h != host || p != port+i {
			return "", false
		}
	}
	return host + ":" + strconv.Itoa(port), true
}

// keepNumber expands a path but for the instance's number.
func (s *service) keepNumber(value string) (string, bool) {
	parts := strings.Split(strings.ReplaceAll(value, "%I", "%i"), "%i")
	for i, part := range parts {
		text, ok := s.specifiers(part)
		if !ok {
			return "", false
		}
		parts[i] = text
	}
	return strings.Join(parts, "%i"), true
}

func (s *service) hostPort(a string, l located) (host string, port int, ok bool) {
	digits := a
	if i := strings.LastIndexByte(a, ':'); i >= 0 {
		host, digits = a[:i], a[i+1:]
		if host, ok = s.address(host, l.Key, l.at); !ok {
			return "", 0, false
		}
	}
	port, ok = wholeNumber(digits)
	return host, port, ok && port > 0
}

// mayConnect is owner, group and mode, root's and 0666 by default, systemd.socket(5).
func (s *service) mayConnect(d *draft) bool {
	user, group, mode, at := "root", "", "0666", s.socket.at
	known := true
	expanded := func(l located) string {
		text, ok := s.specifiers(l.Value)
		if !ok {
			s.note(l.at, l.Key, "%s is not known here: %s is left out", l.Value, d.of)
			known = false
		}
		return text
	}
	if l, ok := s.socket.last("Socket", "SocketUser"); ok {
		user, at = expanded(l), l.at
	}
	if l, ok := s.socket.last("Socket", "SocketGroup"); ok {
		group = expanded(l)
	} else if known {
		group = s.group(user, "SocketGroup", at)
	}
	if l, ok := s.socket.last("Socket", "SocketMode"); ok {
		m, ok := octal(l.Value)
		if !ok {
			s.note(l.at, l.Key, "%q is not a mode", l.Value)
		} else {
			mode = m
		}
	}
	d.set("socket.user", user, at)
	d.set("socket.group", group, at)
	d.set("socket.mode", mode, at)
	return known
}

// socketDirectives takes the rest of the socket.
func (s *service) socketDirectives(d *draft) {
	done := map[string]bool{}
	for _, l := range s.socket.directives {
		if done[l.Section+l.Key] {
			continue
		}
		done[l.Section+l.Key] = true
		switch {
		case l.Section == "Unit" && l.Key == "Description", l.Section == "Install":
		case l.Section == "Unit" && s.isOwn(l.Value):
		case l.Section == "Unit":
			s.note(l.at, l.Key, "no counterpart: a drop-in of %s can hold it", units.Names(d.name).SocketTemplate())
		case l.Section == "Socket":
			s.socketDirective(d, l.Key)
		default:
			s.note(l.at, l.Key, "stands in [%s], which no socket has: skipped", l.Section)
		}
	}
}

func (s *service) socketDirective(d *draft, key string) {
	values := s.socket.values("Socket", key)
	if len(values) == 0 {
		return
	}
	last := values[len(values)-1]
	switch key {
	case "ListenStream", "SocketUser", "SocketGroup", "SocketMode", "Accept", "Service", "RemoveOnStop":
	case "Backlog":
		if n, ok := wholeNumber(last.Value); ok && n > 0 && n < 1<<31 {
			d.set("socket.backlog", n, last.at)
		}
	case "FileDescriptorName":
		if last.Value != d.name {
			s.note(last.at, key, "becomes %s, by which fcgisup knows its socket", d.name)
		}
	case "TriggerLimitIntervalSec", "TriggerLimitBurst":
		s.note(last.at, key, "there is no limit from now on: it would fail the socket")
	case "ListenDatagram", "ListenSequentialPacket", "ListenFIFO", "ListenSpecial", "ListenNetlink", "ListenMessageQueue", "ListenUSBFunction":
		s.note(last.at, key, "FastCGI is spoken on stream sockets only: skipped")
	default:
		for _, v := range values {
			d.directive("socket", key, s.passed(v.Value), v.at)
		}
	}
}
