package webserver

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup"
)

// lighttpdSends is what lighttpd sends itself; a second value of the same name would be one too many.
var lighttpdSends = []string{
	"QUERY_STRING", "REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH", "REQUEST_URI", "DOCUMENT_ROOT", "SERVER_PROTOCOL", "REQUEST_SCHEME", "HTTPS",
	"GATEWAY_INTERFACE", "SERVER_SOFTWARE", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_ADDR", "SERVER_PORT", "SERVER_NAME", "REDIRECT_STATUS",
	"SCRIPT_NAME", "PATH_INFO", "SCRIPT_FILENAME", "HTTP_PROXY",
}

func lighttpd(s *site) {
	s.comment("Do not edit: change the configuration and generate it again. lighty-enable-mod " + s.app.Name + "-fastcgi, or include it.")
	s.comment("While an instance's queue is full (limits.queue_wait, socket.backlog) lighttpd answers 500, not 503, and has no Retry-After.")
	s.blank()
	s.comment("mod_fastcgi last: mod_indexfile finds scripts for it, and it changes the path that mod_redirect looks at.")
	s.put(`server.modules += ( "mod_indexfile", "mod_redirect", "mod_setenv", "mod_fastcgi" )`)
	s.blank()
	if s.prefix == "" {
		lighttpdBackend(s, "+=")
		return
	}
	place := regexp.QuoteMeta(s.prefix)
	if s.slash {
		s.open(`$HTTP["url"] =~`, lighttpdQuote(s, "nginx.location", "^"+place+"$"), "{")
		s.put(`url.redirect = ( "" => "${url.path}/${qsa}" )`)
		s.close("}")
		s.open(`$HTTP["url"] =~`, lighttpdQuote(s, "nginx.location", "^"+place+"/"), "{")
	} else {
		s.open(`$HTTP["url"] =~`, lighttpdQuote(s, "nginx.location", "^"+place+"(?:/|$)"), "{")
	}
	lighttpdBackend(s, "=")
	s.close("}")
}

func lighttpdBackend(s *site, assign string) {
	lighttpdBalance(s, assign)
	keys := []string{s.prefix}
	options := []string{`"check-local" => "disable"`}
	switch {
	case s.scripts != fcgisup.NoScripts:
		s.comment("The script is a file below server.document-root; what follows its name is PATH_INFO.")
		s.comment("No script's source is ever sent.")
		s.put("static-file.exclude-extensions", assign, `( ".`+strings.Join(s.extensions(), `", ".`)+`", ".inc", "~" )`)
		s.put("index-file.names", assign, `( "index.`+s.extensions()[0]+`" )`)
		keys, options = nil, nil
		for _, ext := range s.extensions() {
			keys = append(keys, "."+ext)
		}
	case s.prefix == "":
		keys = []string{"/"}
		options = append(options, `"fix-root-scriptname" => "enable"`)
	}
	s.comment("disable-time 0: a failure takes no socket out of use. read-timeout: how long lighttpd waits for an answer, the start of")
	s.comment("an instance included (nginx.read_timeout). lighttpd closes after each request, and sends none twice that a worker has taken.")
	options = append(options, `"disable-time" => 0`, `"read-timeout" => `+s.readTimeout())
	s.open("fastcgi.server", assign, "(")
	for _, key := range keys {
		s.open(lighttpdQuote(s, "nginx.location", key), "=> (")
		for _, i := range s.app.Expand() {
			s.put(fmt.Sprintf(`"%s-%d" => ( %s, %s ),`, s.app.Name, i.Number, lighttpdAddress(s, i.Address), strings.Join(options, ", ")))
		}
		s.close("),")
	}
	s.close(")")
	lighttpdParams(s, assign)
}

func lighttpdAddress(s *site, a fcgisup.Address) string {
	if a.Network == "unix" {
		return `"socket" => ` + lighttpdQuote(s, "listen", a.Addr)
	}
	host, port, _ := net.SplitHostPort(dial(a)) // checked by the configuration
	return `"host" => ` + lighttpdQuote(s, "listen", host) + `, "port" => ` + port
}

func lighttpdBalance(s *site, assign string) {
	method, key, _ := strings.Cut(s.app.Nginx.Balance, " ")
	key = strings.TrimSuffix(key, " consistent")
	policy := "least-connection"
	switch {
	case method == "round_robin":
		policy = method
	case method == "ip_hash" || key == "$remote_addr":
		policy = "sticky"
	case key == "$uri" || key == "$request_uri":
		policy = "hash"
	case method == "hash":
		s.note("nginx.balance", "%s; this is least_conn", s.app.Nginx.Balance)
	}
	policy = strings.ReplaceAll(policy, "_", "-")
	if assign == "=" || policy != "least-connection" { // of the whole server that is the default, and may be set once only
		s.put("fastcgi.balance =", `"`+policy+`"`)
	}
}

// lighttpdParams sets texts. Nothing about a request can be put into a parameter.
func lighttpdParams(s *site, assign string) {
	var set []string
	for _, p := range s.params(lighttpdSends...) {
		text, missing := s.translate(language{func(s string) string { return s }, func(string) (string, bool) { return "", false }}, p.value)
		switch {
		case !p.own: // DOCUMENT_URI, of which few programs know
		case p.name != "HTTP_PROXY" && slices.Contains(lighttpdSends, p.name):
			s.note("nginx.params."+p.name, "it sends a value of its own")
		case missing != "":
			s.note("nginx.params."+p.name, "%s", missing)
		case !lighttpdTakes(text):
			s.note("nginx.params."+p.name, "a backslash before a quote or at the end")
		default:
			set = append(set, `"`+p.name+`" => `+lighttpdQuote(s, "", text)+",")
		}
	}
	if len(set) == 0 {
		return
	}
	s.open("setenv.add-environment", assign, "(")
	for _, line := range set {
		s.put(line)
	}
	s.close(")")
}

// lighttpdTakes says that a text can be quoted: a backslash before a quote makes the quote part of the text, whatever is before it.
func lighttpdTakes(text string) bool {
	return !strings.HasSuffix(text, `\`) && !strings.Contains(text, `\"`)
}

func lighttpdQuote(s *site, key, text string) string {
	if !lighttpdTakes(text) {
		s.refuse(key, "%q has a backslash before a quote or at the end", text)
	}
	return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
}
