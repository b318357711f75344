package foreign

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fpmINI is php.ini's syntax as far as FPM's files use it.
var fpmINI = dialect{
	split:   func(line string) (string, string, bool) { return cutAssignment(line) },
	comment: ";#",
	clean:   phpUncommented,
	bare:    phpBare,
}

func cutAssignment(line string) (string, string, bool) {
	key, value, ok := strings.Cut(line, "=")
	return strings.TrimSpace(key), value, ok
}

// phpUncommented takes a comment, which begins with ";" outside of quotes, from a value.
func phpUncommented(s string) string {
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch {
		case quote == 0 && s[i] == ';':
			return strings.TrimSpace(s[:i])
		case quote == 0 && (s[i] == '"' || s[i] == '\''):
			quote = s[i]
		case quote == '"' && s[i] == '\\':
			i++
		case s[i] == quote:
			quote = 0
		}
	}
	return strings.TrimSpace(s)
}

// phpBare takes the quotes from a value that is in quotes as a whole.
func phpBare(s string) string {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s) && s[i] != s[0]; i++ {
		if s[0] == '"' && s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// fpm reads FPM's files; [global] of one counts for the pools of all.
func (r *reading) fpm(files []Source) {
	read := r.readAll(files, fpmINI)
	var global []entry
	for _, f := range read {
		for _, e := range f.all {
			if e.key == "include" {
				if !given(e.value, files) {
					r.note(e.at, "include", "%s is not read; give its files as arguments too", e.value)
				}
				continue
			}
		}
		global = append(global, f.own[""]...)
		global = append(global, f.own["global"]...)
	}
	for _, e := range global {
		r.remarkOn(globalRemarks, e, "not a setting of [global]: skipped")
	}
	global = slices.DeleteFunc(global, func(e entry) bool { return !inheritable[e.key] })
	for _, f := range read {
		for _, name := range f.found.names {
			if name != "global" {
				r.fpmPool(name, f.own[name], global, f.found.places[name])
			}
		}
	}
}

// globalRemarks are settings of [global]; those without a text are read before, or by fpmPool.
var globalRemarks = []remark{
	{"process_control_timeout process.priority rlimit_files rlimit_core prefix include", "", ""},
	{"pid daemonize systemd_interval events.mechanism", "", "is about php-fpm's master, which there is not"},
	{"error_log log_level log_limit log_buffering syslog.facility syslog.ident", "", "what workers and fcgisup say is in the journal"},
	{"emergency_restart_threshold emergency_restart_interval", "", "no counterpart: a worker that crashes is replaced by itself, later each time (restart:)"},
	{"process.max", "", "no counterpart: workers.max of each app; systemd's TasksMax= for each instance"},
}

// pool is one under way.
type pool struct {
	*reading
	draft  *draft
	name   string
	at     place
	php    string   // the version in Debian's paths, 8.2; empty elsewhere
	flags  []string // of php-cgi
	manage manager
	ok     bool
	prefix string
}

// manager is pm and its numbers.
type manager struct {
	kind                                         string
	max, spare                                   int
	idle                                         time.Duration
	kindAt, maxAt, startAt, maxSpareAt, spawnsAt place
}

var debianFPM = pattern(`^/etc/php/([0-9]+\.[0-9]+)/fpm/`)

func (r *reading) fpmPool(name string, own, inherited []entry, at place) {
	p := &pool{reading: r, name: name, at: at, ok: true}
	p.draft = r.draft(appName(name), "the pool "+name+" of "+at.file, at)
	p.manage.idle = 10 * time.Second
	program := "/usr/bin/php-cgi"
	if m := debianFPM().FindStringSubmatch(r.path(at.file)); m != nil {
		p.php, program = m[1], "/usr/bin/php-cgi"+m[1]
		// php-cgi has a php.ini of its own on Debian.
		p.flags = []string{"-c", "/etc/php/" + p.php + "/fpm/php.ini"}
		r.variable(p.draft, "PHP_INI_SCAN_DIR", "/etc/php/"+p.php+"/fpm/conf.d", at)
	}
	r.variable(p.draft, "PHP_FCGI_MAX_REQUESTS", "0", at) // FPM's default; php-cgi's own is 500
	p.draft.set("socket.user", "root", at)
	p.draft.set("socket.group", "root", at)
	p.draft.set("socket.backlog", 511, at)
	for _, e := range inherited {
		if !slices.ContainsFunc(own, func(o entry) bool { return o.key == e.key }) {
			p.expanded(e, p.inherit)
		}
	}
	for _, e := range own {
		p.expanded(e, p.take)
	}
	p.finish(program, own)
}

// inheritable are settings of [global] that count for pools.
var inheritable = words("process.priority rlimit_files rlimit_core prefix process_control_timeout")

// decisive are settings that a pool is nothing without.
var decisive = words("user group listen listen.owner listen.group listen.mode pm pm.max_children pm.min_spare_servers chroot")

// expanded takes a setting with its variables: $pool, and ${X} of the environment, as PHP's scanner has it.
func (p *pool) expanded(e entry, take func(entry)) {
	quotes := strings.HasPrefix(e.raw, "'")
	value, why := p.expand(e.value, quotes)
	raw, whyRaw := p.expand(e.raw, quotes)
	switch {
	case why+whyRaw == "":
	case decisive[e.key]:
		p.note(e.at, e.key, "%s: %s is left out", why+whyRaw, p.draft.of)
		p.ok = false
		return
	default:
		p.note(e.at, e.key, "%s: left out", why+whyRaw)
		return
	}
	if !quotes {
		for _, match := range phpVariable().FindAllString(e.value, -1) {
			if _, ok := p.opt.Getenv(variableIn(match)); ok && match != "$pool" {
				p.note(e.at, e.key, "%s is taken from the environment of fcgisup import: check that php-fpm's has the same", match)
			}
		}
	}
	e.value, e.raw = value, raw
	take(e)
}

var phpVariable = pattern(`\$\{[^}]*\}|\$pool`)

// variableIn is the name in ${NAME} or ${NAME:-DEFAULT}.
func variableIn(match string) string {
	name, _, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(match, "${"), "}"), ":-")
	return name
}

// expand puts in the pool's name and variables of the environment; single quotes keep variables as they are.
func (p *pool) expand(s string, single bool) (text, why string) {
	size := 0
	text = phpVariable().ReplaceAllStringFunc(s, func(match string) string {
		value := p.name
		if match != "$pool" {
			if single {
				return match
			}
			name, fallback, has := strings.Cut(match[2:len(match)-1], ":-") // from PHP 8.3 on
			var ok bool
			if value, ok = p.opt.Getenv(name); !ok {
				value = fallback
				if !has {
					why = match + " is of php-fpm's environment, and not set here; fcgisup import takes it from its own"
				}
			}
		}
		if size += len(value); size > maxText {
			why, value = "is longer than 64 KiB", ""
		}
		return value
	})
	return text, why
}

func (p *pool) inherit(e entry) {
	switch e.key {
	case "process.priority", "rlimit_files", "rlimit_core", "prefix":
		p.take(e)
	case "process_control_timeout":
		if d, ok := fpmTime(e.value); ok && d > 0 {
			p.draft.set("limits.stop_timeout", duration(d), e.at)
		}
	}
}

func (p *pool) finish(program string, own []entry) {
	if _, ok := find(own, "listen"); !ok {
		p.note(p.at, "listen", "is missing: %s is left out", p.draft.of)
		return
	}
	if !p.ok || !p.workers() {
		return
	}
	if !p.draft.has("user") {
		p.note(p.at, "user", "is not set: %s is left out", p.draft.of)
		return
	}
	if _, ok := find(own, "security.limit_extensions"); !ok {
		p.note(p.at, "security.limit_extensions", "is .php by default: FPM runs no other file as PHP, php-cgi runs whatever nginx names; "+
			"let nginx pass only *.php (location ~ \\.php$)")
	}
	p.note(p.at, "pm", "FPM's workers share one opcache, php-cgi's each fill their own: reckon with more memory, and a slower first request of each")
	p.draft.set("command", append([]string{program}, p.flags...), p.at)
	p.draft.set("nginx.params", map[string]string{
		"SCRIPT_FILENAME": "$document_root$fastcgi_script_name", "SCRIPT_NAME": "$fastcgi_script_name", "PATH_INFO": "",
	}, p.at)
	p.draft.set("systemd.sandbox", "off", p.at)
	p.keep(p.draft)
}

func (p *pool) take(e entry) {
	switch e.key {
	case "user", "group":
		p.draft.set(e.key, e.value, e.at)
	case "listen":
		p.ok = p.listen(e) && p.ok
	case "listen.owner":
		p.draft.set("socket.user", e.value, e.at)
	case "listen.group":
		p.draft.set("socket.group", e.value, e.at)
	case "listen.mode":
		if mode, ok := octal(e.value); ok {
			p.draft.set("socket.mode", mode, e.at)
		} else {
			p.note(e.at, e.key, "%q is not a mode", e.value)
		}
	case "listen.backlog":
		if n, ok := wholeNumber(e.value); ok && n > 0 {
			p.draft.set("socket.backlog", n, e.at)
		} else {
			delete(p.draft.values, "socket.backlog") // -1: as many as the kernel allows
		}
	case "request_terminate_timeout":
		if d, ok := fpmTime(e.value); !ok {
			p.note(e.at, e.key, "%q is not a duration", e.value)
		} else if d > 0 {
			p.draft.set("limits.request_timeout", duration(d), e.at)
		}
	case "pm.max_requests":
		if n, ok := wholeNumber(e.value); ok {
			p.variable(p.draft, "PHP_FCGI_MAX_REQUESTS", strconv.Itoa(n), e.at)
		} else {
			p.note(e.at, e.key, "%q is not a number", e.value)
		}
	case "chdir":
		p.draft.set("directory", p.within(e.value), e.at)
	case "prefix":
		p.prefix = e.value
	case "process.priority":
		p.draft.only("service", "Nice", e.value, e.at)
	case "rlimit_files":
		p.draft.only("service", "LimitNOFILE", e.value, e.at)
	case "rlimit_core":
		p.draft.only("service", "LimitCORE", strings.Replace(e.value, "unlimited", "infinity", 1), e.at)
	case "chroot":
		p.ok = false
		p.note(e.at, e.key, "no counterpart, and all paths would mean others: %s is left out", p.draft.of)
	case "env":
		p.env(e)
	case "php_value", "php_flag", "php_admin_value", "php_admin_flag":
		p.phpSetting(e)
	default:
		if !p.managed(e) {
			p.remarkOn(poolRemarks, e, "not a setting of a pool: skipped")
		}
	}
}

// within puts a relative path under the pool's prefix.
func (p *pool) within(name string) string {
	if !strings.HasPrefix(name, "/") && p.prefix != "" {
		return path.Join(p.prefix, name)
	}
	return name
}

// listen is a path, a port, or an address and a port.
func (p *pool) listen(e entry) bool {
	value := p.within(e.value)
	if strings.HasPrefix(value, "/") {
		p.draft.set("listen", path.Clean(value), e.at)
		return true
	}
	host, port := "", e.value
	if i := strings.LastIndexByte(e.value, ':'); i >= 0 {
		host, port = e.value[:i], e.value[i+1:]
	}
	if _, ok := wholeNumber(port); !ok {
		p.note(e.at, e.key, "%q is neither an absolute path nor an address: %s is left out", e.value, p.draft.of)
		return false
	}
	host, ok := p.address(host, e.key, e.at)
	if ok {
		p.draft.set("listen", host+":"+port, e.at)
		for _, key := range []string{"socket.user", "socket.group"} {
			if p.draft.places[key] == p.at {
				delete(p.draft.values, key)
			}
		}
	}
	return ok
}

// env is a variable; $NAME is FPM's own of that name.
func (p *pool) env(e entry) {
	value := e.value
	if name, ok := strings.CutPrefix(value, "$"); ok {
		if value, ok = p.opt.Getenv(name); !ok {
			p.note(e.at, "env["+e.sub+"]", "is %s of php-fpm's environment, which is not known here: left out", e.value)
			return
		}
		p.note(e.at, "env["+e.sub+"]", "%s is taken from the environment of fcgisup import: check that php-fpm's has the same", e.value)
	}
	p.variable(p.draft, e.sub, value, e.at)
}

// phpSetting makes -d of it, as it is written: php-cgi's are read by the same
// scanner as FPM's files, quotes, constants and all.
func (p *pool) phpSetting(e entry) {
	p.flags = append(p.flags, "-d", e.sub+"="+e.raw)
	if strings.HasPrefix(e.key, "php_admin_") {
		p.note(e.at, e.key+"["+e.sub+"]", "is set as by php.ini: a script may change it with ini_set, where PHP allows it")
	}
}

// poolRemarks are settings of a pool that have no key.
var poolRemarks = []remark{
	{"listen.acl_users listen.acl_groups", "", "no counterpart: socket.user, socket.group and socket.mode say who may connect"},
	{"listen.allowed_clients", "", "no counterpart: let a firewall do it, or systemd: {socket: {IPAddressDeny: any, IPAddressAllow: …}}"},
	{"pm.status_path pm.status_listen", "", "no counterpart: fcgisup status, or /metrics, tells of every worker, also when all are busy"},
	{"ping.path ping.response", "", "no counterpart: fcgisup pings every 10 s by itself (health:), and fcgisup check does it once"},
	{"access.log access.format access.suppress_path", "", "no counterpart: nginx's access_log"},
	{"slowlog request_slowlog_timeout request_slowlog_trace_depth", "", "no counterpart: fcgisup top shows the age of each request, and what a stuck worker was doing is kept; no PHP backtrace"},
	{"request_terminate_timeout_track_finished", "", "no counterpart: a request ends when its connection is closed; what PHP does after that is not watched"},
	{"catch_workers_output decorate_workers_output", "", "what workers print is in the journal, as it is"},
	// The environment of the service is systemd's, which holds little.
	{"clear_env", affirmative, "workers get systemd's environment, not php-fpm's: environment: and environment_file: add to it"},
	{"security.limit_extensions", "", `no counterpart: php-cgi runs whatever nginx names; let nginx pass only {} (location ~ \.php$)`},
	{"apparmor_hat", "", "no counterpart: systemd: {service: {AppArmorProfile: …}} confines the whole service"},
	{"process.dumpable", "", "no counterpart"},
}
