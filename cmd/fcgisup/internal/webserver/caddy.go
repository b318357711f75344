package webserver

import (
	"path"
	"regexp"
	"strings"

	"github.com/fcgisup/fcgisup"
)

func caddy(s *site) {
	s.comment("Do not edit: change the configuration and generate it again. Import it in a site block:")
	s.comment("import /etc/" + Path(s.kind, s.app.Name))
	s.blank()
	name := "@" + s.app.Name
	if s.slash {
		caddySlash(s, name)
	}
	matcher := ""
	if s.prefix != "" {
		s.comment("(?s): a path may hold a newline (%0a), which a dot alone does not match.")
		s.put(name, "path_regexp", s.app.Name, caddyQuote(s, "nginx.location", "(?s)^"+regexp.QuoteMeta(s.prefix)+"(/.*)?$"))
		matcher = name + " "
	}
	// Without a matcher it comes after those with one, whatever the order of the files.
	s.open("handle " + matcher + "{")
	if s.scripts == fcgisup.NoScripts {
		caddyProxy(s, "")
	} else {
		caddyScripts(s, name)
	}
	s.close("}")
	if s.queues() {
		s.blank()
		s.comment("No server has taken the request: the queues are full (limits.queue_wait, socket.backlog). A 502 after a connection")
		s.comment("was made stays one: the request may have been executed. Of a site's handle_errors Caddy uses the first only, so this one")
		s.comment("is for all apps.")
		s.open("handle_errors {")
		s.put(name+"_busy", "expression", "`{http.error.status_code} == 502 && {http.error.message}.contains(\"resource temporarily unavailable\")`")
		s.open("handle", name+"_busy", "{")
		s.put("header Retry-After", s.retryAfter())
		s.put("respond 503")
		s.close("}")
		s.close("}")
	}
}

// caddySlash redirects /app to /app/ with its query.
func caddySlash(s *site, name string) {
	place := caddyQuote(s, "nginx.location", "^"+regexp.QuoteMeta(s.prefix)+"$")
	s.open(name+"_slash", "{")
	s.put("path_regexp", place)
	s.put("expression", "`{http.request.uri.query} == \"\"`")
	s.close("}")
	s.put("redir", name+"_slash", caddyQuote(s, "nginx.location", s.prefix+"/"), "permanent")
	s.put(name+"_slash_query", "path_regexp", place)
	s.put("redir", name+"_slash_query", caddyQuote(s, "nginx.location", s.prefix+"/?{http.request.uri.query}"), "permanent")
}

// caddyScripts serves those files that are scripts.
func caddyScripts(s *site, name string) {
	split := "." + strings.Join(s.extensions(), " .")
	s.comment("The script is a file below root; what follows its name is PATH_INFO. Nothing else is run: " + path.Base(s.app.Command[0]) + " would run any file.")
	s.put(name+"_index", "path */")
	s.put("rewrite", name+"_index", "{path}index."+s.extensions()[0])
	s.open(name+"_script", "{")
	var paths []string
	for _, ext := range s.extensions() {
		paths = append(paths, "*."+ext, "*."+ext+"/*")
	}
	s.put("path", strings.Join(paths, " "))
	s.open("file {")
	s.put("try_files {path}")
	s.put("split_path", split)
	s.close("}")
	s.close("}")
	s.open("handle", name+"_script", "{")
	caddyProxy(s, split)
	s.close("}")
	s.put("handle {")
	s.put("\trespond 404")
	s.put("}")
}

func caddyProxy(s *site, split string) {
	upstreams := []string{"reverse_proxy"}
	for _, i := range s.app.Expand() {
		address := dial(i.Address)
		if i.Address.Network == "unix" {
			address = "unix/" + address
		}
		upstreams = append(upstreams, caddyQuote(s, "listen", caddyLiteral(address)))
	}
	s.open(append(upstreams, "{")...)
	caddyBalance(s)
	s.comment("A connection that could not be made is tried once more. Nothing else is: Caddy cannot tell a timeout from an error,")
	s.comment("and after a timeout the first server may still be running the request.")
	s.put("lb_retries 1")
	s.open("lb_retry_match {")
	s.put("not path *")
	s.close("}")
	s.comment("A client's Proxy: header is not the HTTP_PROXY that many libraries use (httpoxy).")
	s.put("header_up -Proxy")
	s.open("transport fastcgi {")
	if split != "" {
		s.put("split", split)
	}
	s.comment("How long Caddy waits for an answer, the start of an instance included (nginx.read_timeout).")
	s.put("read_timeout", s.readTimeout()+"s")
	sends := []string{
		"QUERY_STRING", "REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH", "REQUEST_URI", "DOCUMENT_ROOT", "SERVER_PROTOCOL", "REQUEST_SCHEME",
		"HTTPS", "GATEWAY_INTERFACE", "SERVER_SOFTWARE", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_PORT", "SERVER_NAME", "SERVER_ADDR", "HTTP_PROXY",
	}
	if split != "" {
		sends = append(sends, "SCRIPT_NAME", "PATH_INFO", "SCRIPT_FILENAME")
	}
	for _, p := range s.params(sends...) {
		value, missing := s.translate(caddyValue(s), p.value)
		if missing == "" && strings.Contains(value, "`") && strings.Contains(value, `\`) {
			missing = "a backslash and a back quote"
		}
		if missing != "" {
			s.note("nginx.params."+p.name, "%s", missing)
			continue
		}
		s.put("env", p.name, caddyQuote(s, "nginx.params."+p.name, value))
	}
	s.close("}")
	s.close("}")
}

func caddyBalance(s *site) {
	method, key, _ := strings.Cut(s.app.Nginx.Balance, " ")
	key = strings.TrimSuffix(key, " consistent")
	switch name, isHeader := header(strings.TrimPrefix(key, "$")); {
	case method == "least_conn":
		s.comment("round_robin would queue requests behind busy workers while others idle.")
		s.put("lb_policy least_conn")
	case method == "round_robin":
		s.put("lb_policy round_robin")
	case method == "random":
		s.put("lb_policy random_choose 2")
	case method == "ip_hash" || key == "$remote_addr":
		s.put("lb_policy ip_hash")
	case key == "$request_uri" || key == "$uri":
		s.put("lb_policy uri_hash")
	case isHeader:
		s.put("lb_policy header", caddyQuote(s, "nginx.balance", name))
	default:
		s.note("nginx.balance", "%s; this is least_conn", s.app.Nginx.Balance)
		s.put("lb_policy least_conn")
	}
}

var caddyBare = regexp.MustCompile(`^[A-Za-z0-9_./:@,=+~$^()|?{}*\[\]-]+$`)

// caddyQuote makes one word of a text. Between back quotes nothing is special, between quotes only the quote.
func caddyQuote(s *site, key, text string) string {
	switch {
	case caddyBare.MatchString(text) && text != "{":
		return text
	case !strings.Contains(text, "`"):
		return "`" + text + "`"
	case strings.Contains(text, `\`):
		s.refuse(key, "%q has a backslash and a back quote", text)
	}
	return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
}

// caddyLiteral escapes what would be a placeholder.
func caddyLiteral(text string) string {
	return strings.NewReplacer("{", `\{`, "}", `\}`).Replace(text)
}

func caddyValue(s *site) language {
	return language{literal: caddyLiteral, variable: func(name string) (string, bool) { return caddyVariable(s, name) }}
}

func caddyVariable(s *site, name string) (string, bool) {
	if h, ok := header(name); ok {
		return "{http.request.header." + h + "}", true
	}
	if arg, ok := strings.CutPrefix(name, "arg_"); ok {
		return "{http.request.uri.query." + arg + "}", true
	}
	if cookie, ok := strings.CutPrefix(name, "cookie_"); ok {
		return "{http.request.cookie." + cookie + "}", true
	}
	word, ok := map[string]string{
		"uri": "{http.request.uri.path}", "request_uri": "{http.request.orig_uri}", "query_string": "{http.request.uri.query}",
		"request_method": "{http.request.method}", "content_type": "{http.request.header.Content-Type}",
		"content_length": "{http.request.header.Content-Length}", "document_root": "{http.vars.root}",
		"request_filename": "{http.vars.root}{http.request.uri.path}", "server_protocol": "{http.request.proto}", "scheme": "{http.request.scheme}",
		"remote_addr": "{http.request.remote.host}", "remote_port": "{http.request.remote.port}", "remote_user": "{http.auth.user.id}",
		"server_port": "{http.request.port}", "server_name": "{http.request.host}", "host": "{http.request.host}", "hostname": "{system.hostname}",
		restVariable: "{http.regexp." + s.app.Name + ".1}",
	}[name]
	return word, ok
}
