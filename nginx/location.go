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
	prefix := strings.TrimRight(app.Nginx.Location, "/")
	w.open("location", app.Nginx.Location)
	w.put("fastcgi_pass", app.Nginx.Upstream)
	w.comment("Close after each request: a worker that serves one connection at a time must not wait for nginx.")
	w.put("fastcgi_keep_conn", "off")
	w.comment("Two servers at most: a request that kills its worker would else kill every worker in turn.")
	w.put("fastcgi_next_upstream", "error", "timeout", "http_503")
	w.put("fastcgi_next_upstream_tries", "2")
	w.comment("A first request waits for its instance (limits.start_timeout), then for its answer (limits.request_timeout, 60s without).")
	w.put("fastcgi_read_timeout", readTimeout(app.Limits))
	if prefix != "" {
		w.put("fastcgi_split_path_info", "^("+regexp.QuoteMeta(prefix)+")(.*)$")
	}
	for _, p := range parameters(prefix, app.Nginx.Params) {
		if p.why != "" {
			w.comment(p.why)
		}
		words := []string{"fastcgi_param", p.name, p.value}
		if p.ifNotEmpty {
			words = append(words, "if_not_empty")
		}
		w.put(words...)
	}
	w.close()
	return w
}

// usualRead is nginx's own fastcgi_read_timeout.
const usualRead = 60 * time.Second

// slack lets the supervisor act on a deadline before nginx does.
const slack = 5 * time.Second

func readTimeout(l fcgisup.Limits) string {
	request := usualRead
	if l.RequestTimeout > 0 {
		request = l.RequestTimeout + min(slack, math.MaxInt64-l.RequestTimeout)
	}
	sum := request + min(l.StartTimeout, math.MaxInt64-request)
	seconds := int64(sum / time.Second)
	if sum%time.Second != 0 {
		seconds++
	}
	return strconv.FormatInt(min(seconds, maxSeconds), 10) + "s"
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
	{name: "SERVER_PORT", value: "$server_port"},
	{name: "SERVER_NAME", value: "$server_name"},
	{name: "REDIRECT_STATUS", value: "200", why: "php-cgi refuses requests without it."},
	{name: "HTTP_PROXY", value: "", why: "A client's Proxy: header is not the HTTP_PROXY that many libraries obey (httpoxy)."},
}

// parameters are the usual ones and the app's own, which replace the usual ones of the same name.
func parameters(prefix string, own map[string]string) []parameter {
	all := []parameter{{name: "SCRIPT_NAME", value: ""}, {name: "PATH_INFO", value: "$uri"}}
	if prefix != "" {
		all = []parameter{{name: "SCRIPT_NAME", value: "$fastcgi_script_name"}, {name: "PATH_INFO", value: "$fastcgi_path_info"}}
	}
	all = append(all, usual...)
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
