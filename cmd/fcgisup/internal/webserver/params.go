package webserver

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/fcgisup/fcgisup"
)

// param is one CGI parameter with its value in nginx's words.
type param struct {
	name, value string
	// own is set by nginx.params.
	own bool
}

// usual are the parameters that package nginx sends, but for those that name the script. Most servers send most of them
// themselves.
var usual = []param{
	{name: "QUERY_STRING", value: "$query_string"},
	{name: "REQUEST_METHOD", value: "$request_method"},
	{name: "CONTENT_TYPE", value: "$content_type"},
	{name: "CONTENT_LENGTH", value: "$content_length"},
	{name: "REQUEST_URI", value: "$request_uri"},
	{name: "DOCUMENT_URI", value: "$uri"},
	{name: "DOCUMENT_ROOT", value: "$document_root"},
	{name: "SERVER_PROTOCOL", value: "$server_protocol"},
	{name: "REQUEST_SCHEME", value: "$scheme"},
	{name: "HTTPS", value: "$https"},
	{name: "GATEWAY_INTERFACE", value: "CGI/1.1"},
	{name: "SERVER_SOFTWARE", value: ""},
	{name: "REMOTE_ADDR", value: "$remote_addr"},
	{name: "REMOTE_PORT", value: "$remote_port"},
	{name: "SERVER_ADDR", value: "$server_addr"},
	{name: "SERVER_PORT", value: "$server_port"},
	{name: "SERVER_NAME", value: "$server_name"},
	{name: "REDIRECT_STATUS", value: "200"},
	// Every server leaves the client's Proxy: header out, or is told to.
	{name: "HTTP_PROXY", value: ""},
}

// params are those that the file has to set: what the server sends itself, with the same meaning, is left out.
func (s *site) params(sends ...string) []param {
	all := []param{{name: "SCRIPT_NAME", value: ""}, {name: "PATH_INFO", value: "$uri"}}
	if s.prefix != "" || s.scripts != fcgisup.NoScripts {
		all = []param{{name: "SCRIPT_NAME", value: "$fastcgi_script_name"}, {name: "PATH_INFO", value: "$fastcgi_path_info"}}
	}
	if s.scripts != fcgisup.NoScripts {
		all = append(all, param{name: "SCRIPT_FILENAME", value: "$document_root$fastcgi_script_name"})
	}
	all = append(all, usual...)
	names := make([]string, 0, len(s.app.Nginx.Params))
	for name := range s.app.Nginx.Params {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p := param{name, s.app.Nginx.Params[name], true}
		at := slices.IndexFunc(all, func(q param) bool { return q.name == name })
		switch {
		case at < 0:
			all = append(all, p)
		case all[at].value != plain(p.value):
			all[at] = p
		}
	}
	return slices.DeleteFunc(all, func(p param) bool { return !p.own && slices.Contains(sends, p.name) })
}

// plain names nginx's variables that have two names alike.
func plain(value string) string {
	return variable().ReplaceAllStringFunc(value, func(v string) string {
		switch v {
		case "$args":
			return "$query_string"
		case "$document_uri":
			return "$uri"
		}
		return v
	})
}

var variable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$[A-Za-z0-9_]+`) })

// The parts of the path that the servers find by a regular expression, as variables.
const (
	restVariable   = "fcgisup_rest"   // what follows the prefix
	scriptVariable = "fcgisup_script" // up to the script's extension
	infoVariable   = "fcgisup_info"   // what follows the script
)

// language is how a server writes a value.
type language struct {
	// literal is text that means itself.
	literal func(string) string
	// variable is one of nginx's, without the dollar; false: there is none.
	variable func(name string) (string, bool)
}

// translate returns a value in the server's language, or the first variable that it does not have.
func (s *site) translate(l language, value string) (text, missing string) {
	var out strings.Builder
	from := 0
	for _, m := range variable().FindAllStringIndex(value, -1) {
		out.WriteString(l.literal(value[from:m[0]]))
		from = m[1]
		name, literal := s.resolve(plain(value[m[0]:m[1]])[1:])
		if name == "" {
			out.WriteString(l.literal(literal))
			continue
		}
		word, ok := l.variable(name)
		if !ok {
			return "", value[m[0]:m[1]]
		}
		out.WriteString(word)
	}
	out.WriteString(l.literal(value[from:]))
	return out.String(), ""
}

// resolve gives the variable that a variable about the script means in this site, or the text.
func (s *site) resolve(name string) (variable, literal string) {
	found := s.scripts != fcgisup.NoScripts
	switch {
	case name == "fastcgi_script_name" && found:
		return scriptVariable, ""
	case name == "fastcgi_path_info" && found:
		return infoVariable, ""
	case name == "fastcgi_script_name" && s.prefix == "":
		return "uri", ""
	case name == "fastcgi_script_name":
		return "", s.prefix
	case name == "fastcgi_path_info" && s.prefix == "":
		return "", ""
	case name == "fastcgi_path_info":
		return restVariable, ""
	}
	return name, ""
}

// split is the regular expression that finds the parts of a path, empty where there are none.
func (s *site) split() string {
	if s.scripts != fcgisup.NoScripts {
		return `^(.+?\.(?:` + strings.Join(s.extensions(), "|") + `))(/.*)?$`
	}
	if s.prefix != "" {
		return "^" + regexp.QuoteMeta(s.prefix) + "(.*)$"
	}
	return ""
}

// extensions are those of the scripts, without the dot; the first is the index's.
func (s *site) extensions() []string {
	if s.scripts == fcgisup.CGIScripts {
		return []string{"cgi", "fcgi", "pl", "py", "rb", "sh"}
	}
	return []string{"php"}
}

// header is the name of the request's header that a variable such as $http_user_agent means.
func header(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "http_")
	return strings.ReplaceAll(rest, "_", "-"), ok && rest != ""
}
