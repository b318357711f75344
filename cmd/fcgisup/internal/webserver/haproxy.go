package webserver

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
)

func haproxy(s *site) {
	s.comment("Do not edit: change the configuration and generate it again. HAProxy reads it beside its own file")
	s.comment("(-f /etc/haproxy/haproxy.cfg -f /etc/haproxy/conf.d), and a frontend there sends the app its requests:")
	s.comment("\tuse_backend " + s.backend() + haproxyIf(s, "if", true))
	s.comment("HAProxy's user has to be the sockets' (socket.user), and its global section must not have chroot, which hides them.")
	s.blank()
	haproxyApp(s)
	s.blank()
	s.open("backend", s.backend())
	s.put("mode http")
	haproxyBalance(s)
	s.put("use-fcgi-app", s.app.Name)
	haproxyGuards(s)
	s.comment("A client's Proxy: header is not the HTTP_PROXY that many libraries use (httpoxy).")
	s.put("http-request del-header proxy")
	s.comment("A small body is read before a worker is taken. One without a length has to be small: FastCGI wants the length first.")
	s.put("option http-buffer-request")
	s.comment("Close after each request: a worker that serves one connection at a time must not wait for HAProxy.")
	s.put("http-reuse never")
	s.comment("At most two servers: otherwise a request that kills its worker would kill every worker in turn.")
	s.comment("Not after a timeout: the first server may still be running the request. POST: only if the connection failed.")
	s.put("retries 1")
	s.put("option redispatch 1")
	s.put("retry-on conn-failure empty-response 503")
	s.put("http-request disable-l7-retry unless { method GET HEAD OPTIONS }")
	s.put("timeout connect 5s")
	s.comment("How long HAProxy waits for an answer, the start of an instance included (nginx.read_timeout).")
	s.put("timeout server", s.readTimeout()+"s")
	s.comment("What is over maxconn waits here, for any server, and after this time is answered 503 (limits.queue_wait).")
	s.put("timeout queue", strconv.FormatInt(min(s.queueWait().Milliseconds(), 1<<31-1), 10)+"ms")
	s.put(`http-error status 503 content-type text/plain string "busy\n" hdr Retry-After`, s.retryAfter())
	s.comment("maxconn: for each worker, web.connections.")
	for _, i := range s.app.Expand() {
		address := dial(i.Address)
		if i.Address.Network == "unix" {
			if strings.Contains(address, "$") {
				s.refuse("listen", "the path %s has a $, which is a variable", address)
			}
			address = "unix@" + address
		}
		s.put("server", s.app.Name+"-"+strconv.Itoa(i.Number), haproxyQuote(address), "proto fcgi maxconn", strconv.Itoa(s.connections()))
	}
	s.depth--
}

func haproxyApp(s *site) {
	s.open("fcgi-app", s.app.Name)
	s.put("docroot", haproxyQuote(s.app.Web.Root))
	s.put("no option keep-conn")
	switch {
	case s.scripts != fcgisup.NoScripts:
		s.comment("The script is a file below docroot; what follows its name is PATH_INFO.")
		s.put("index index." + s.extensions()[0])
		s.put("path-info", haproxyQuote(s.split()))
	case s.prefix == "":
		s.put("path-info", haproxyQuote(`^()(/.*)$`))
	default:
		s.put("path-info", haproxyQuote("^("+regexp.QuoteMeta(s.prefix)+")(/.*)?$"))
	}
	sends := []string{
		"QUERY_STRING", "REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH", "REQUEST_URI", "DOCUMENT_ROOT", "SERVER_PROTOCOL", "HTTPS",
		"GATEWAY_INTERFACE", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_PORT", "SCRIPT_NAME", "PATH_INFO", "SCRIPT_FILENAME", "HTTP_PROXY",
	}
	for _, p := range s.params(sends...) {
		if p.name == "SERVER_SOFTWARE" && !p.own {
			p.value = "HAProxy"
		}
		value, missing := s.translate(haproxyValue(s), p.value)
		if missing == "" && value == "" {
			missing = "an empty parameter"
		}
		if missing != "" {
			s.note("nginx.params."+p.name, "%s", missing)
			continue
		}
		s.put("set-param", p.name, haproxyQuote(value))
	}
	s.depth--
}

// haproxyIf is the condition of the app's requests; where a slash is missing they are to be redirected.
func haproxyIf(s *site, word string, redirects bool) string {
	if s.prefix == "" {
		return ""
	}
	below := "{ path,url_dec -m beg " + haproxyQuote(s.prefix+"/") + " }"
	if s.slash && !redirects {
		return " " + word + " " + below
	}
	exact := "{ path,url_dec -m str " + haproxyQuote(s.prefix) + " }"
	if word == "unless" {
		return " unless " + exact + " || " + below
	}
	return " if " + exact + " || " + below
}

// haproxyGuards answer what is not the app's, whatever the frontend says.
func haproxyGuards(s *site) {
	if s.slash {
		exact := "{ path,url_dec -m str " + haproxyQuote(s.prefix) + " }"
		s.put(`http-request redirect code 301 location "%[path]/?%[query]" if`, exact, "{ query -m len gt 0 }")
		s.put(`http-request redirect code 301 location "%[path]/" if`, exact)
	}
	if s.prefix != "" {
		s.put("http-request return status 404" + haproxyIf(s, "unless", false))
	}
	if s.scripts != fcgisup.NoScripts {
		if s.scripts == fcgisup.PHPScripts && !slices.Contains(s.app.Command, "cgi.fix_pathinfo=0") {
			s.note("command", "it cannot see whether a script exists, and php-cgi would run the picture of /picture.jpg/x.php; add -d cgi.fix_pathinfo=0, with which scripts have no PATH_INFO")
		}
		s.put("http-request return status 404 unless { path,url_dec -m end / } || { path,url_dec -m reg",
			haproxyQuote(`\.(?:`+strings.Join(s.extensions(), "|")+`)(?:/|$)`), "}")
	}
}

func haproxyBalance(s *site) {
	method, key, _ := strings.Cut(s.app.Nginx.Balance, " ")
	key, consistent := strings.CutSuffix(key, " consistent")
	switch method {
	case "least_conn":
		s.comment("roundrobin would queue requests behind busy workers while others idle.")
		s.put("balance leastconn")
	case "round_robin":
		s.put("balance roundrobin")
	case "random":
		s.put("balance random(2)")
	case "ip_hash":
		s.put("balance source")
	default:
		word, ok := haproxyFetch(strings.TrimPrefix(plain(key), "$"))
		if !ok || !strings.HasPrefix(key, "$") {
			s.note("nginx.balance", "%s; this is least_conn", s.app.Nginx.Balance)
			s.put("balance leastconn")
			return
		}
		s.put("balance hash", word)
		if consistent {
			s.put("hash-type consistent")
		}
	}
}

// haproxyQuote makes one word of a text: between single quotes nothing is special.
func haproxyQuote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\"'\\#$") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func haproxyValue(s *site) language {
	return language{
		literal: func(text string) string { return strings.ReplaceAll(text, "%", "%%") },
		variable: func(name string) (string, bool) {
			switch name {
			case "document_root":
				return strings.ReplaceAll(s.app.Web.Root, "%", "%%"), true
			case "request_filename":
				return strings.ReplaceAll(s.app.Web.Root, "%", "%%") + "%[path,url_dec]", true
			case "server_protocol":
				return "HTTP/%[req.ver]", true
			}
			word, ok := haproxyFetch(name)
			return "%[" + word + "]", ok
		},
	}
}

// haproxyFetch is the sample expression that a variable is.
func haproxyFetch(name string) (string, bool) {
	if h, ok := header(name); ok {
		return "req.hdr(" + h + ")", true
	}
	if arg, ok := strings.CutPrefix(name, "arg_"); ok {
		return "url_param(" + arg + ")", true
	}
	if cookie, ok := strings.CutPrefix(name, "cookie_"); ok {
		return "req.cook(" + cookie + ")", true
	}
	word, ok := map[string]string{
		"uri": "path,url_dec", "request_uri": "pathq", "query_string": "query", "request_method": "method", "content_type": "req.hdr(content-type)",
		"content_length": "req.hdr(content-length)", "scheme": "ssl_fc,iif(https,http)", "remote_addr": "src", "remote_port": "src_port",
		"server_addr": "dst", "server_port": "dst_port", "server_name": "req.hdr(host),host_only", "host": "req.hdr(host),host_only", "hostname": "hostname",
	}[name]
	return word, ok
}
