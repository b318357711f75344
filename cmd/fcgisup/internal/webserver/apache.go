package webserver

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
)

// maxBalancer is what Apache takes as a balancer's name, "balancer://" and the final NUL aside.
const maxBalancer = 64 - len("balancer://") - 1

func apache(s *site) {
	s.comment("Do not edit: change the configuration and generate it again. Include it in a <VirtualHost>, or use a2enconf.")
	s.comment("Modules: a2enmod proxy_fcgi lbmethod_bybusyness lbmethod_byrequests headers alias dir")
	s.blank()
	if name := s.backend(); len(name) > maxBalancer {
		s.refuse("", "the name of a balancer, %s, has %d characters, %d at most", name, len(name), maxBalancer)
	}
	balancer := "balancer://" + s.backend()
	apacheBalancer(s, balancer)
	s.blank()
	apachePass(s, balancer)
	s.blank()
	s.comment("For this app only, whatever section its request is in.")
	mine := "reqenv('BALANCER_NAME') == '" + balancer + "'"
	s.put("ProxyFCGIBackendType GENERIC")
	for _, p := range s.params("QUERY_STRING", "REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH", "REQUEST_URI", "DOCUMENT_ROOT", "SERVER_PROTOCOL",
		"REQUEST_SCHEME", "HTTPS", "GATEWAY_INTERFACE", "SERVER_SOFTWARE", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_ADDR", "SERVER_PORT", "SERVER_NAME", "HTTP_PROXY") {
		value, missing := s.translate(apacheValue, p.value)
		if missing != "" {
			s.note("nginx.params."+p.name, "%s", missing)
			continue
		}
		when := mine
		if strings.Contains(value, "$1") || strings.Contains(value, "$2") {
			// "#" ends the expression, and PCRE knows its number.
			when += " && %{REQUEST_URI} =~ m#" + strings.ReplaceAll(s.split(), "#", `\x23`) + "#"
		}
		s.put("ProxyFCGISetEnvIf", apacheQuote(when), p.name, apacheQuote(value))
	}
	if _, own := s.app.Nginx.Params["SCRIPT_FILENAME"]; !own && s.scripts == fcgisup.NoScripts {
		s.comment("Apache makes one of the URL; there is no such file.")
		s.put("ProxyFCGISetEnvIf", apacheQuote(mine), "!SCRIPT_FILENAME")
	}
	s.blank()
	s.comment("Also when a worker ended while it served: Apache answers 503 to both.")
	s.put("Header always setifempty Retry-After", s.retryAfter(), apacheQuote("expr=%{REQUEST_STATUS} == 503 && "+mine))
}

func apacheBalancer(s *site, balancer string) {
	s.open("<Proxy", apacheQuote(balancer)+">")
	switch method, _, _ := strings.Cut(s.app.Nginx.Balance, " "); method {
	case "round_robin":
		s.put("ProxySet lbmethod=byrequests")
	case "least_conn", "random":
		s.comment("byrequests would queue requests behind busy workers while others idle.")
		s.put("ProxySet lbmethod=bybusyness")
	default:
		s.note("nginx.balance", "%s; this is least_conn", s.app.Nginx.Balance)
		s.put("ProxySet lbmethod=bybusyness")
	}
	s.comment("status=+I: a failure takes no socket out of use, and no request is sent to a second one: Apache would do so with POST, too.")
	s.comment("disablereuse: a connection kept open parks a worker that serves one at a time.")
	s.comment("max, acquire: each of Apache's processes opens so many connections to an instance and holds other requests back for so many ms,")
	s.comment("then answers 503. Without them requests wait in connect(2) without limit while the socket's queue is full.")
	s.comment("timeout: how long Apache waits for an answer, the start of an instance included (nginx.read_timeout).")
	options := fmt.Sprintf("status=+I disablereuse=on max=%d acquire=%d timeout=%s",
		s.connections(), min(s.queueWait().Milliseconds(), 1<<31-1), s.readTimeout())
	for _, i := range s.app.Expand() {
		member := "fcgi://" + dial(i.Address)
		if i.Address.Network == "unix" {
			if strings.ContainsAny(i.Address.Addr, "|\"\\") || strings.Contains(i.Address.Addr, "${") {
				s.refuse("listen", "the path %s has one of | \" \\ ${", i.Address.Addr)
			}
			member = "unix:" + i.Address.Addr + "|fcgi://" + s.app.Name + "-" + strconv.Itoa(i.Number)
		}
		s.put("BalancerMember", apacheQuote(member), options)
	}
	s.close("</Proxy>")
}

// apachePass sends the location's requests to the balancer. A prefix is a section, which comes before the ProxyPass of the
// whole site whatever the order of the files.
func apachePass(s *site, balancer string) {
	if strings.ContainsAny(s.prefix, "*?[") {
		s.refuse("nginx.location", "%s has one of * ? [, which are patterns", s.app.Nginx.Location)
	}
	switch {
	case s.scripts != fcgisup.NoScripts:
		place := "/"
		if s.prefix != "" {
			place = s.prefix
		}
		s.comment("The script is a file below DocumentRoot; what follows its name is PATH_INFO. Other files are not the program's.")
		s.open("<Location", apacheQuote(place)+">")
		s.put(`ProxyPass "!"`)
		s.put("DirectoryIndex", "index."+s.extensions()[0])
		s.close("</Location>")
		script := `\.(?:` + strings.Join(s.extensions(), "|") + `)`
		s.open("<LocationMatch", apacheQuote("^"+regexp.QuoteMeta(s.prefix)+"/.*"+script+"(?:/|$)")+">")
		s.comment("Of /picture.jpg/x.php the file is the picture.")
		s.open("<If", apacheQuote("-f %{REQUEST_FILENAME} && %{REQUEST_FILENAME} =~ m#"+script+"$#")+">")
		s.put("SetHandler", apacheQuote("proxy:"+balancer+"/"))
		s.close("</If>")
		s.close("</LocationMatch>")
	case s.prefix == "":
		s.put("ProxyPass", `"/"`, apacheQuote(balancer+"/"))
	default:
		slash := ""
		if s.slash {
			slash = "/"
			s.open("<Location", apacheQuote(s.prefix)+">")
			s.put(`ProxyPass "!"`) // else an app on / would be asked before mod_alias
			s.close("</Location>")
			s.put("RedirectMatch permanent", apacheQuote("^"+regexp.QuoteMeta(s.prefix)+"$"), apacheQuote(s.prefix+"/"))
		}
		s.open("<Location", apacheQuote(s.prefix+slash)+">")
		s.put("ProxyPass", apacheQuote(balancer+slash))
		s.close("</Location>")
	}
}

// apacheQuote makes one argument of a text.
func apacheQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// apacheValue is the language of string expressions.
var apacheValue = language{
	literal:  strings.NewReplacer(`\`, `\\`, `%`, `\%`, `$`, `\$`).Replace,
	variable: apacheVariable,
}

func apacheVariable(name string) (string, bool) {
	if h, ok := header(name); ok {
		return "%{HTTP:" + h + "}", true
	}
	word, ok := map[string]string{
		"uri": "%{REQUEST_URI}", "request_uri": "%{reqenv:REQUEST_URI}", "query_string": "%{QUERY_STRING}", "request_method": "%{REQUEST_METHOD}",
		"content_type": "%{HTTP:Content-Type}", "content_length": "%{HTTP:Content-Length}", "document_root": "%{DOCUMENT_ROOT}",
		"request_filename": "%{DOCUMENT_ROOT}%{REQUEST_URI}", "server_protocol": "%{SERVER_PROTOCOL}", "scheme": "%{REQUEST_SCHEME}",
		"https": "%{reqenv:HTTPS}", "remote_addr": "%{REMOTE_ADDR}", "remote_port": "%{REMOTE_PORT}", "remote_user": "%{REMOTE_USER}",
		"server_addr": "%{reqenv:SERVER_ADDR}", "server_port": "%{SERVER_PORT}", "server_name": "%{SERVER_NAME}", "host": "%{SERVER_NAME}",
		restVariable: "$1", scriptVariable: "$1", infoVariable: "$2",
	}[name]
	return word, ok
}
