package foreign

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// isSpawner tells a program that only starts others.
func isSpawner(program string) bool {
	base := path.Base(program)
	return base == "spawn-fcgi" || base == "multiwatch"
}

// spawning is what surrounds a command line: defaults that the unit or the
// script around it sets.
type spawning struct {
	// name and of are the app's; empty: made of the program.
	name, of string
	// user and group run the spawner itself.
	user, group string
	// listens tells that somebody else makes the socket: multiwatch under a unit.
	listens func(*draft) bool
	// more sets what else is known.
	more func(*draft)
}

// spawned reads a command line of spawn-fcgi or multiwatch, and tells whether an app came of it.
func (r *reading) spawned(at place, argv []string, by spawning) bool {
	s := &spawner{reading: r, at: at, by: by, forks: 1, user: by.user, group: by.group}
	argv, ok := s.unwrap(argv)
	if !ok {
		return false
	}
	name := by.name
	if name == "" && len(argv) > 0 {
		base, _, _ := strings.Cut(path.Base(argv[0]), ".")
		name = appName(base)
	}
	of := by.of
	if of == "" {
		of = "spawn-fcgi of " + at.file
	}
	d := r.draft(name, of, at)
	if s.listen == nil && by.listens == nil {
		r.note(at, "", "no socket is named (-s or -p), so it is inherited from what starts this: give that instead")
		return false
	}
	if !r.command(d, argv, "", at) || s.listen != nil && !s.listen(d) || s.listen == nil && !by.listens(d) {
		return false
	}
	s.finish(d)
	if by.more != nil {
		by.more(d)
	}
	r.keep(d)
	return true
}

type spawner struct {
	*reading
	at          place
	by          spawning
	forks       int
	signal      string
	user, group string
	owner, team string // of the socket
	directory   string
	children    string
	// listen sets the socket; nil until a spawn-fcgi is seen.
	listen       func(*draft) bool
	host, port   string
	socket, mode string
	backlog      string
	// refused: an option makes the whole impossible.
	refused bool
}

// unwrap takes spawners off, outermost first: spawn-fcgi -n -- multiwatch -f 4 -- program.
func (s *spawner) unwrap(argv []string) ([]string, bool) {
	for len(argv) > 0 && isSpawner(argv[0]) {
		var ok bool
		if path.Base(argv[0]) == "spawn-fcgi" {
			argv, ok = s.spawnFCGI(argv[1:])
		} else {
			argv, ok = s.multiwatch(argv[1:])
		}
		if !ok {
			return nil, false
		}
	}
	if len(argv) == 0 {
		s.note(s.at, "", "no program is named")
		return nil, false
	}
	return argv, true
}

// spawnFCGI reads its options as getopt(3) does, spawn-fcgi(1).
func (s *spawner) spawnFCGI(argv []string) ([]string, bool) {
	program := ""
	rest, ok := s.options(argv, "acdfgpbuCFsPUGM", nil, func(option byte, value string) {
		switch option {
		case 'f':
			program = value
		case 'd':
			s.directory = value
		case 'a':
			s.host = value
		case 'p':
			s.port = value
		case 's':
			s.socket = value
		case 'C':
			s.children = value
		case 'F':
			s.forks = max(atoi(value), 1)
		case 'b':
			s.backlog = value
		case 'P':
			s.note(s.at, "-P", "no counterpart: fcgisup status has the pids")
		case 'M':
			s.mode = value
		case 'u':
			s.user = value
		case 'g':
			s.group = value
		case 'U':
			s.owner = value
		case 'G':
			s.team = value
		case 'c':
			s.refused = true
			s.note(s.at, "-c", "no counterpart, and all paths would mean others: left out")
		case 'n', 'S':
		default:
			s.refused = true
			s.note(s.at, "-"+string(option), "is no option of spawn-fcgi's: left out")
		}
	})
	if !ok || s.refused {
		return nil, false
	}
	s.listen = s.address
	if len(rest) == 0 && program != "" {
		words, err := shellWords(program)
		if err != nil {
			s.note(s.at, "-f", "%v", err)
			return nil, false
		}
		rest = words
	}
	return rest, true
}

// multiwatch reads its options, multiwatch(1).
func (s *spawner) multiwatch(argv []string) ([]string, bool) {
	s.signal = "SIGUSR1"
	long := map[string]byte{"--forks": 'f', "--retry": 'r', "--timeout": 't', "--signal": 's'}
	rest, ok := s.options(argv, "frts", long, func(option byte, value string) {
		switch option {
		case 'f':
			s.forks = max(atoi(value), 1)
		case 's':
			if name, ok := signalName(value); ok {
				s.signal = name
			} else {
				s.note(s.at, "--signal", "%q is no signal", value)
			}
		case 'r', 't':
			s.note(s.at, "-"+string(option), "fcgisup never gives up: it waits longer each time, restart: says how long")
		default:
			s.refused = true
			s.note(s.at, "-"+string(option), "is no option of multiwatch's: left out")
		}
	})
	return rest, ok && !s.refused
}

// options reads options; short ones in with take a value, as do all long ones. It returns what follows them.
func (s *spawner) options(argv []string, with string, long map[string]byte, take func(option byte, value string)) ([]string, bool) {
	for i := 0; i < len(argv); i++ {
		word := argv[i]
		if word == "--" {
			return argv[i+1:], true
		}
		if name, value, given := strings.Cut(word, "="); long[name] != 0 {
			if !given && i+1 < len(argv) {
				i++
				value = argv[i]
			}
			take(long[name], value)
			continue
		}
		if len(word) < 2 || word[0] != '-' {
			return argv[i:], true
		}
		for j := 1; j < len(word); j++ {
			if strings.IndexByte(with, word[j]) < 0 {
				take(word[j], "")
				continue
			}
			value := word[j+1:]
			if value == "" {
				if i++; i == len(argv) {
					s.note(s.at, "-"+string(word[j]), "lacks its value")
					return nil, false
				}
				value = argv[i]
			}
			take(word[j], value)
			break
		}
	}
	return nil, true
}

// address sets where it listens and who may connect.
func (s *spawner) address(d *draft) bool {
	switch {
	case s.socket != "":
		d.set("listen", path.Clean(s.socket), s.at)
		s.access(d)
	case s.port != "":
		host, ok := s.reading.address(s.host, "-a", s.at)
		if s.host == "" {
			host, ok = "0.0.0.0", true
		}
		if !ok {
			return false
		}
		d.set("listen", host+":"+s.port, s.at)
	default:
		return s.by.listens != nil && s.by.listens(d) || s.noSocket(d)
	}
	backlog := 1024
	if n := atoi(s.backlog); n > 0 {
		backlog = n
	}
	d.set("socket.backlog", backlog, s.at)
	return true
}

func (s *spawner) noSocket(d *draft) bool {
	s.note(s.at, "", "no socket is named (-s or -p): %s is left out", d.of)
	return false
}

// access is who may connect: -U and -G, else whom the program runs as, spawn-fcgi(1).
func (s *spawner) access(d *draft) {
	user, group := s.owner, s.team
	if user == "" {
		user = s.runsAs()
	}
	switch {
	case group != "":
	case s.owner == "" && s.group != "":
		group = s.group
	default:
		group = s.reading.group(user, "-G", s.at)
	}
	mode := "0640"
	if s.mode == "" {
		s.note(s.at, "-M", "is not set: 0660 less the umask, which is taken to be 022, so that only %s connects", user)
	} else {
		m, ok := octal(s.mode)
		if !ok {
			s.note(s.at, "-M", "%q is no mode", s.mode)
		} else {
			mode = m
		}
	}
	d.set("socket.user", user, s.at)
	d.set("socket.group", group, s.at)
	d.set("socket.mode", mode, s.at)
}

func (s *spawner) runsAs() string {
	if s.user == "" {
		return "root"
	}
	return s.user
}

func (s *spawner) finish(d *draft) {
	if s.user == "" && s.by.user == "" {
		s.note(s.at, "-u", "is not set, so the program runs as whoever starts it, and that is taken to be root")
	}
	d.set("user", s.runsAs(), s.at)
	if s.group != "" {
		d.set("group", s.group, s.at)
	}
	if s.directory != "" {
		d.set("directory", s.directory, s.at)
	}
	if s.children != "" {
		s.variable(d, "PHP_FCGI_CHILDREN", s.children, s.at)
		s.note(s.at, "-C", "php-cgi forks them itself: they are one worker for fcgisup; workers: would count and replace them one by one")
	}
	if s.forks > 1 {
		d.set("workers", s.forks, s.at)
	}
	if s.signal != "" {
		d.set("stop_signal", s.signal, s.at)
	}
	if s.listen != nil && (s.socket != "" || s.port != "") {
		d.set("activation", "eager", s.at)
	}
	d.set("systemd.sandbox", "off", s.at)
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// spawnerIn finds spawn-fcgi among words, such as start-stop-daemon's; -1: it is not there.
func spawnerIn(words []string) int {
	return slices.IndexFunc(words, isSpawner)
}
