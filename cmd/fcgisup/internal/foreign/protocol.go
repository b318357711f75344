package foreign

import (
	"path"
	"strings"
)

// httpServers speak HTTP on the socket that they get, not FastCGI.
var httpServers = words("uvicorn daphne hypercorn gunicorn chaussette waitress-serve granian twist twistd sanic bjoern meinheld cherryd pserve puma pumactl unicorn unicorn_rails " +
	"thin rackup starman starlet twiggy feersum hypnotoad morbo nginx caddy lighttpd apache2 httpd http.server aiohttp.web webrick mongrel_rails passenger runserver " +
	"circusd flask node nodejs deno bun gunicorn3 uvicorn3 hypercorn3 tornado waitress rails")

// speaks tells why a command does not speak FastCGI; sure is false if it only looks so.
func speaks(argv []string) (why string, sure bool) {
	var flat []string
	for _, word := range argv {
		flat = append(flat, strings.Fields(word)...)
	}
	for i, word := range flat {
		base := strings.TrimSuffix(path.Base(word), ".py")
		candidate := i <= 1 || strings.HasPrefix(word, "/")
		switch flat[max(i-1, 0)] {
		case "-m", "exec", "run", "-c", "start":
			candidate = true
		}
		switch {
		case candidate && base == "uwsgi":
			return uwsgi(flat[i+1:])
		case candidate && base == "plackup":
			if !strings.Contains(strings.Join(flat, " "), "FCGI") {
				return "plackup speaks HTTP, not FastCGI, unless it has -s FCGI", true
			}
		case candidate && httpServers[base], base == "runserver" && i > 1:
			return base + " speaks HTTP, not FastCGI: nginx reaches it by proxy_pass", true
		}
	}
	for i, word := range flat {
		name, _, _ := strings.Cut(word, "=")
		if name == "--fd" || name == "-fd" || strings.Contains(word, "fd://") || name == "--fileno" || strings.Contains(word, "fd:fileno") {
			return flat[i] + " is how HTTP servers take a socket: if the program does not speak FastCGI on its standard input, it gets no request that it understands", false
		}
	}
	return "", false
}

// uwsgi speaks its own protocol unless it is told another.
func uwsgi(args []string) (string, bool) {
	for _, word := range args {
		name, value, _ := strings.Cut(word, "=")
		if strings.HasPrefix(name, "--fastcgi") || value == "fastcgi" || word == "fastcgi" {
			return "", false
		}
		if name == "--ini" || name == "--yaml" || name == "--xml" || name == "--json" || strings.HasSuffix(word, ".ini") {
			return "uwsgi speaks its own protocol unless its file says protocol = fastcgi", false
		}
	}
	return "uwsgi speaks its own protocol, not FastCGI, unless it has --protocol=fastcgi", true
}
