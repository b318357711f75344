package nginx

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	crossplane "github.com/nginxinc/nginx-go-crossplane"

	"github.com/fcgisup/fcgisup"
)

// Effective is nginx's configuration as far as it is about FastCGI.
type Effective struct {
	// User and Group are the user directive's, empty without one.
	User, Group string
	// Includes are the patterns of include directives in the http block, absolute.
	Includes []string
	// OneWorker tells that worker_processes is 1, as without the directive.
	OneWorker bool
	// Files are those that it consists of, the main one first.
	Files []string
	// Passes are all uses of fastcgi_pass.
	Passes []Pass
	// Upstreams are those that a pass names.
	Upstreams []Upstream
}

// Place is where something stands.
type Place struct {
	File string
	Line int
}

func (p Place) String() string { return p.File + ":" + strconv.Itoa(p.Line) }

// Pass is one fastcgi_pass with what holds there.
type Pass struct {
	Place
	// Target is the argument: an upstream's name or an address.
	Target string
	// Variable tells that the target is only known with each request.
	Variable bool
	// Upstream is the name of an upstream block, empty for an address.
	Upstream string
	// Address is where nginx connects to; zero for an upstream and what is not an address.
	Address fcgisup.Address
	// KeepConn tells that nginx asks the program to keep the connection.
	KeepConn bool
	// RetriesErrors tells that a request whose server fails goes to the next one.
	RetriesErrors bool
	// Tries bounds the servers that one request is sent to; 0 is all of them.
	Tries int
}

// Upstream is an upstream block.
type Upstream struct {
	Place
	Name string
	// Zone tells that nginx's workers share one view of the servers.
	Zone bool
	// Balance is the directive that picks a server, empty for round robin.
	Balance string
	// Keepalive is how many idle connections are kept; nil: nginx's default.
	Keepalive *int
	Servers   []Server
}

// Server is one server of an upstream.
type Server struct {
	Place
	// Address is zero for what is not an address.
	Address fcgisup.Address
	// MaxFails is nginx's 1 unless set, FailTimeout its 10 s.
	MaxFails    int
	FailTimeout time.Duration
	// MaxConns is 0 for no limit.
	MaxConns     int
	Down, Backup bool
}

// scope is what a block hands down.
type scope struct {
	keepConn      bool
	retriesErrors bool
	tries         int
}

// maxDepth and maxDirectives are beyond any configuration that nginx can work
// with, and keep files that include others again and again from growing forever.
const (
	maxDepth      = 64
	maxDirectives = 1 << 18
	maxIncludes   = 1 << 12
)

type interpreter struct {
	configs   []crossplane.Config
	effective *Effective
	upstreams map[string]Upstream
	// seen counts directives.
	seen int
}

func interpret(configs []crossplane.Config) *Effective {
	in := &interpreter{configs: configs, effective: &Effective{OneWorker: true}, upstreams: map[string]Upstream{}}
	if len(configs) == 0 {
		return in.effective
	}
	for _, c := range configs {
		in.effective.Files = append(in.effective.Files, c.File)
	}
	top := in.flat(0, configs[0].Parsed, 0)
	for _, d := range top {
		switch {
		case len(d.args) == 0 && d.name != "http":
		case d.name == "user":
			in.effective.User = d.args[0]
			if len(d.args) > 1 {
				in.effective.Group = d.args[1]
			}
		case d.name == "worker_processes":
			in.effective.OneWorker = d.args[0] == "1"
		case d.name == "http":
			in.http(d)
		}
	}
	return in.effective
}

// directive is one with the number of its file.
type directive struct {
	name  string
	args  []string
	block crossplane.Directives
	line  int
	file  int
}

func (in *interpreter) place(d directive) Place {
	return Place{in.configs[d.file].File, d.line}
}

// flat is a block's directives with those of included files in their place.
func (in *interpreter) flat(file int, block crossplane.Directives, depth int) []directive {
	var all []directive
	for _, d := range block {
		if in.seen++; in.seen > maxDirectives {
			break
		}
		if d.Directive != "include" {
			all = append(all, directive{d.Directive, d.Args, d.Block, d.Line, file})
			continue
		}
		for _, i := range d.Includes {
			if i >= 0 && i < len(in.configs) && depth < maxDepth {
				all = append(all, in.flat(i, in.configs[i].Parsed, depth+1)...)
			}
		}
	}
	return all
}

func (in *interpreter) http(d directive) {
	in.includes(d.block, 0)
	block := in.flat(d.file, d.block, 0)
	for _, d := range block {
		if d.name == "upstream" && len(d.args) > 0 {
			in.upstreams[d.args[0]] = in.upstream(d)
		}
	}
	in.scope(block, scope{retriesErrors: true}, 0)
	seen := map[string]bool{}
	for _, p := range in.effective.Passes {
		if p.Upstream != "" && !seen[p.Upstream] {
			seen[p.Upstream] = true
			in.effective.Upstreams = append(in.effective.Upstreams, in.upstreams[p.Upstream])
		}
	}
}

// includes collects what the http block includes, files within files, too.
// A relative name begins where the main file is.
func (in *interpreter) includes(block crossplane.Directives, depth int) {
	for _, d := range block {
		if d.Directive != "include" || len(d.Args) == 0 || depth >= maxDepth || len(in.effective.Includes) >= maxIncludes {
			continue
		}
		name := literal(d.Args[0])
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(in.configs[0].File), name)
		}
		in.effective.Includes = append(in.effective.Includes, filepath.Clean(name))
		for _, i := range d.Includes {
			if i >= 0 && i < len(in.configs) {
				in.includes(in.configs[i].Parsed, depth+1)
			}
		}
	}
}

// Reads reports whether the http block includes a file, be it there or not.
func (e *Effective) Reads(path string) bool {
	return slices.ContainsFunc(e.Includes, func(pattern string) bool {
		ok, err := filepath.Match(pattern, path)
		return pattern == path || ok && err == nil
	})
}

// scope reads a block of passes. What the block sets holds in all of it, wherever it stands.
func (in *interpreter) scope(block []directive, s scope, depth int) {
	for _, d := range block {
		s.set(d)
	}
	for _, d := range block {
		switch d.name {
		case "fastcgi_pass":
			if len(d.args) > 0 {
				in.effective.Passes = append(in.effective.Passes, in.pass(d, s))
			}
		case "server", "location", "if", "limit_except":
			if depth < maxDepth {
				in.scope(in.flat(d.file, d.block, 0), s, depth+1)
			}
		}
	}
}

func (s *scope) set(d directive) {
	if len(d.args) == 0 {
		return
	}
	switch d.name {
	case "fastcgi_keep_conn":
		s.keepConn = d.args[0] == "on"
	case "fastcgi_next_upstream":
		s.retriesErrors = false
		for _, word := range d.args {
			s.retriesErrors = s.retriesErrors || word == "error"
		}
	case "fastcgi_next_upstream_tries":
		s.tries, _ = strconv.Atoi(d.args[0])
	}
}

func (in *interpreter) pass(d directive, s scope) Pass {
	p := Pass{Place: in.place(d), Target: literal(d.args[0]), KeepConn: s.keepConn, RetriesErrors: s.retriesErrors, Tries: s.tries}
	switch _, named := in.upstreams[d.args[0]]; {
	case strings.Contains(p.Target, "$"):
		p.Variable = true
	case named:
		p.Upstream = d.args[0]
	default:
		p.Address = address(p.Target)
	}
	return p
}

func (in *interpreter) upstream(d directive) Upstream {
	u := Upstream{Place: in.place(d), Name: d.args[0]}
	for _, d := range in.flat(d.file, d.block, 0) {
		switch d.name {
		case "zone":
			u.Zone = true
		case "server":
			if len(d.args) > 0 {
				u.Servers = append(u.Servers, serverLine(in.place(d), d.args))
			}
		case "keepalive":
			if len(d.args) > 0 {
				n, _ := strconv.Atoi(d.args[0])
				u.Keepalive = &n
			}
		case "least_conn", "ip_hash", "hash", "random", "least_time", "sticky":
			u.Balance = d.name
		}
	}
	return u
}

func serverLine(at Place, args []string) Server {
	s := Server{Place: at, Address: address(literal(args[0])), MaxFails: 1, FailTimeout: 10 * time.Second}
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		switch key {
		case "max_fails":
			s.MaxFails, _ = strconv.Atoi(value)
		case "fail_timeout":
			s.FailTimeout = duration(value)
		case "max_conns":
			s.MaxConns, _ = strconv.Atoi(value)
		case "down":
			s.Down = true
		case "backup":
			s.Backup = true
		}
	}
	return s
}

// nginxUnits are those of times, nginx's documentation "Configuration file measurement units".
var nginxUnits = map[string]time.Duration{
	"": time.Second, "ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour,
	"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "M": 30 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
}

// duration reads a time such as 1m30s. Nginx has accepted it, so what is not
// understood counts as nothing.
func duration(text string) time.Duration {
	var sum time.Duration
	for text = strings.ReplaceAll(text, " ", ""); text != ""; {
		rest := strings.TrimLeft(text, "0123456789")
		n, err := strconv.Atoi(text[:len(text)-len(rest)])
		text = strings.TrimLeft(rest, "msMhdwy")
		if err != nil || n > maxSeconds {
			return sum
		}
		if text == rest && text != "" {
			return sum
		}
		sum += time.Duration(n) * nginxUnits[rest[:len(rest)-len(text)]]
	}
	return sum
}

// literal undoes the doubled backslash, which the parser leaves as it is.
func literal(s string) string { return strings.ReplaceAll(s, `\\`, `\`) }

// address is where nginx connects to. A path ends at a colon, after which nginx expects a URI.
func address(s string) fcgisup.Address {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		s, _, _ = strings.Cut(path, ":")
		if !strings.HasPrefix(s, "/") {
			return fcgisup.Address{}
		}
		return fcgisup.Address{Network: "unix", Addr: filepath.Clean(s)}
	}
	a, err := fcgisup.ParseAddress(s)
	if err != nil || a.Network != "tcp" {
		return fcgisup.Address{}
	}
	return a
}
