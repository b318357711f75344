package nginx

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
)

func location(app fcgisup.App, o Options) *writer {
	w := head(o, "Include it in a server block.")
	place := app.Nginx.Location
	prefix := strings.TrimRight(place, "/")
	if prefix == place {
		// As a prefix alone nginx would take /application for /app.
		w.open("location", "=", prefix)
		content(w, app, prefix, "")
		w.close()
		place += "/"
	}
	split := ""
	if prefix != "" && !findsScripts(app) {
		split = "(?s)^(" + regexp.QuoteMeta(prefix) + ")(.*)$"
	}
	w.open("location", place)
	content(w, app, prefix, split)
	w.close()
	if fillsUp(app) {
		busy(w, app)
	}
	return w
}

// fillsUp reports whether clients are refused while the queue is full: on TCP they wait.
func fillsUp(app fcgisup.App) bool { return app.Instance(1).Address.Network == "unix" }

// busyLocation is where nginx goes when it could not connect.
func busyLocation(app fcgisup.App) string { return "@" + app.Name + "_busy" }

// busy answers 503 in place of the 502 that nginx makes of a connection refused. The
// 502 of a worker that went while it served stays: the request may have been executed.
func busy(w *writer, app fcgisup.App) {
	w.b.WriteByte('\n')
	w.comment("No server has taken the request: the queues are full (limits.queue_wait, socket.backlog). 503 is what")
	w.comment("clients and caches understand as try again later. If a worker took the request and failed, 502 stays.")
	w.open("location", busyLocation(app))
	w.open("if", "($upstream_connect_time", "~", "[0-9])")
	w.put("return", "502")
	w.close()
	w.put("add_header", "Retry-After", retryAfter(app.Limits.QueueWait), "always")
	w.put("return", "503")
	w.close()
}

// retryAfter is when a standing queue has been served, in whole seconds.
func retryAfter(wait time.Duration) string {
	return strconv.FormatInt(int64(max((wait+time.Second-1)/time.Second, 1)), 10)
}

// content writes what a location of the app holds. Without a pattern that
// splits it, the whole path is the script's name and PATH_INFO is empty.
func content(w *writer, app fcgisup.App, prefix, split string) {
	w.put("fastcgi_pass", app.Nginx.Upstream)
	w.comment("Close after each request: a worker that serves one connection at a time must not wait for nginx.")
	w.put("fastcgi_keep_conn", "off")
	w.comment("At most two servers: otherwise a request that kills its worker would kill every worker in turn.")
	if len(app.Hosts) > 0 {
		otherHosts(w, app)
	} else {
		w.comment("Not after a timeout: the first server may still be running the request.")
		w.put("fastcgi_next_upstream", "error", "http_503")
	}
	w.put("fastcgi_next_upstream_tries", "2")
	if fillsUp(app) {
		w.comment("Only for the 502 of nginx itself: answers of the program pass unchanged (fastcgi_intercept_errors is off).")
		w.comment("The server block's error_page directives do not apply here: nginx inherits all or none.")
		w.put("error_page", "502", "=", busyLocation(app))
	}
	w.comment("How long nginx waits for an answer, the start of an instance included (nginx.read_timeout).")
	w.put("fastcgi_read_timeout", seconds(app.ReadTimeout()))
	if findsScripts(app) {
		scripts(w, app.Scripts())
	}
	if split != "" {
		w.comment("(?s): a path may hold a newline (%0a), which a dot alone does not match.")
		w.put("fastcgi_split_path_info", split)
	}
	for _, p := range parameters(app, prefix) {
		if p.why != "" {
			w.comment(p.why)
		}
		words := []string{"fastcgi_param", p.name, p.value}
		if p.ifNotEmpty {
			words = append(words, "if_not_empty")
		}
		w.put(words...)
	}
}

// usualSend is nginx's own fastcgi_send_timeout.
const usualSend = 60 * time.Second

// otherHosts has a request that meets a host without power, which refuses nothing, go to another. nginx has one word for a
// timeout while it connects and one while the program works, so the time since the first attempt tells them apart.
func otherHosts(w *writer, app fcgisup.App) {
	read := app.ReadTimeout()
	w.comment("A connect to a host that is off lasts until this timeout.")
	w.put("fastcgi_connect_timeout", milliseconds(min(3*time.Second, read/2)))
	w.comment("Only after a timeout of the connect: later the first server may still be running the request.")
	w.put("fastcgi_next_upstream", "error", "timeout", "http_503")
	w.put("fastcgi_next_upstream_timeout", milliseconds(min(read, usualSend)))
}

// findsScripts says that the program runs the file that the path names: it has
// to be told, and the configuration does not do so itself.
func findsScripts(app fcgisup.App) bool {
	_, told := app.Nginx.Params["SCRIPT_FILENAME"]
	return app.Scripts() != fcgisup.NoScripts && !told
}

// scripts splits a path behind the name of a script.
func scripts(w *writer, kind fcgisup.Scripts) {
	if kind == fcgisup.CGIScripts {
		w.comment("The script is a file below root; what follows its name is PATH_INFO.")
		w.put("fastcgi_split_path_info", `(?s)^(.+?\.(?:cgi|fcgi|pl|py|rb|sh))(/.*)$`)
		w.put("fastcgi_index", "index.cgi")
		return
	}
	w.comment("The script is a file below root; what follows its name is PATH_INFO.")
	w.put("fastcgi_split_path_info", `(?s)^(.+?\.php)(/.*)$`)
	w.put("fastcgi_index", "index.php")
	w.comment("php-cgi would run any file as PHP, an uploaded picture, too.")
	w.open("if", "($fastcgi_script_name", "!~", `\.php$)`)
	w.put("return", "404")
	w.close()
	w.comment("php-cgi looks for a script in the directories of a path: /picture.jpg/x.php would run the picture.")
	w.open("if", "(!-f", "$document_root$fastcgi_script_name)")
	w.put("return", "404")
	w.close()
}

// seconds rounds up to what every nginx takes.
func seconds(d time.Duration) string {
	n := int64(d / time.Second)
	if d%time.Second != 0 {
		n++
	}
	return strconv.FormatInt(min(n, maxSeconds), 10) + "s"
}

// milliseconds is for timeouts that must not be rounded up; at least one.
func milliseconds(d time.Duration) string {
	if d%time.Second == 0 {
		return seconds(d)
	}
	return strconv.FormatInt(max(int64(d/time.Millisecond), 1), 10) + "ms"
}

// maxSeconds is the longest timeout that nginx takes on 32-bit machines too, in milliseconds there.
const maxSeconds = math.MaxInt32 / 1000

type parameter struct {
	why, name, value string
	ifNotEmpty       bool
}

// usual are the parameters of nginx's fastcgi_params, written out: the file
// differs between distributions, and included it could not be replaced in part.
var usual = []parameter{
	{name: "QUERY_STRING", value: "$query_string"},
	{name: "REQUEST_METHOD", value: "$request_method"},
	{name: "CONTENT_TYPE", value: "$content_type"},
	{name: "CONTENT_LENGTH", value: "$content_length"},
	{name: "REQUEST_URI", value: "$request_uri"},
	{name: "DOCUMENT_URI", value: "$document_uri"},
	{name: "DOCUMENT_ROOT", value: "$document_root"},
	{name: "SERVER_PROTOCOL", value: "$server_protocol"},
	{name: "REQUEST_SCHEME", value: "$scheme"},
	{name: "HTTPS", value: "$https", ifNotEmpty: true},
	{name: "GATEWAY_INTERFACE", value: "CGI/1.1"},
	{name: "SERVER_SOFTWARE", value: "nginx/$nginx_version"},
	{name: "REMOTE_ADDR", value: "$remote_addr"},
	{name: "REMOTE_PORT", value: "$remote_port"},
	{name: "SERVER_ADDR", value: "$server_addr"},
	{name: "SERVER_PORT", value: portVariable},
	{name: "REDIRECT_STATUS", value: "200", why: "php-cgi refuses requests without it."},
	{name: "HTTP_PROXY", value: "", why: "A client's Proxy: header is not the HTTP_PROXY that many libraries use (httpoxy)."},
}

// parameters are the usual ones and the app's own, which replace the usual ones of the same name.
func parameters(app fcgisup.App, prefix string) []parameter {
	own := app.Nginx.Params
	all := []parameter{{name: "SCRIPT_NAME", value: ""}, {name: "PATH_INFO", value: "$uri"}}
	if prefix != "" || findsScripts(app) {
		all = []parameter{{name: "SCRIPT_NAME", value: "$fastcgi_script_name"}, {name: "PATH_INFO", value: "$fastcgi_path_info"}}
	}
	all = append(all, usual...)
	all = append(all, parameter{name: "SERVER_NAME", value: nameVariable, why: "The upstream's file defines this and the variable of SERVER_PORT; they are never empty."})
	if findsScripts(app) {
		all = append(all, parameter{name: "SCRIPT_FILENAME", value: "$document_root$fastcgi_script_name"})
	}
	names := make([]string, 0, len(own))
	for name := range own {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p := parameter{name: name, value: own[name]}
		if at := slices.IndexFunc(all, func(q parameter) bool { return q.name == name }); at >= 0 {
			all[at] = p
			continue
		}
		all = append(all, p)
	}
	return all
}
