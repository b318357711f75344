package peers

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
)

const nginxPath = "/usr/sbin/nginx"

// Front is an nginx with a server for each service, alike in all but what the service itself brings: fcgisup's generated
// files, or several sockets. Web servers that are peers are reached directly.
type Front struct {
	service *Service
	urls    map[*Service]string // host:port
}

// StartFront starts nginx and returns when all services answer through it; lazy ones are not asked.
func StartFront(ctx context.Context, h *Host, name string, services ...*Service) (*Front, error) {
	if reason := h.missing(nginxPath); reason != "" {
		return nil, fmt.Errorf("cannot start nginx: %s", reason)
	}
	f := &Front{&Service{Peer: "nginx", Spec: Spec{Name: name}, host: h}, map[*Service]string{}}
	var http strings.Builder
	for _, s := range services {
		if s.Web != "" {
			f.urls[s] = s.Web
			continue
		}
		address, err := freePort()
		if err != nil {
			return nil, err
		}
		f.urls[s] = address
		http.WriteString(s.server(address))
	}
	config := h.path(f.service.Spec, ".conf")
	if err := h.write(config, f.config(http.String())); err != nil {
		return nil, err
	}
	argv := []string{nginxPath, "-e", "stderr", "-p", h.Dir, "-c", config}
	if err := f.service.launch(ctx, daemon{name: name, argv: argv, service: []string{"StandardError=null"}}); err != nil {
		return nil, joinStop(ctx, f.service, "nginx", err)
	}
	for _, s := range services {
		if s.Spec.Lazy {
			continue
		}
		client := f.Client(s)
		err := await(ctx, func() error { return client.Do(ctx, "/") })
		client.Close()
		if err != nil {
			return nil, joinStop(ctx, f.service, "nginx before "+s.Peer, err)
		}
	}
	return f, nil
}

func (f *Front) config(http string) string {
	user := ""
	if name := f.service.host.User; name != "" {
		user = "user " + name + ";\n"
	} else if os.Getuid() == 0 {
		user = "user root;\n"
	}
	dir := f.service.host.path(f.service.Spec, "")
	return fmt.Sprintf(`%sworker_processes 2;
worker_rlimit_nofile 65536;
daemon off;
pid %[2]s.pid;
error_log stderr crit;
events { worker_connections 16384; }
http {
access_log off;
keepalive_requests 1000000;
client_body_temp_path %[2]s-body;
fastcgi_temp_path %[2]s-fastcgi;
proxy_temp_path %[2]s-proxy;
uwsgi_temp_path %[2]s-uwsgi;
scgi_temp_path %[2]s-scgi;
%[3]s}
`, user, dir, http)
}

// server is the service's part of nginx's configuration.
func (s *Service) server(address string) string {
	if s.front.include != "" {
		return fmt.Sprintf("include %s;\nserver { listen %s backlog=4096; include %s; }\n", s.front.include, address, s.front.location)
	}
	upstream := s.front.upstream
	if len(upstream) == 0 {
		upstream = []string{"server unix:" + s.Sockets[0] + ";"}
	}
	params := ""
	for key, value := range s.Spec.Program.Params {
		params += fmt.Sprintf("fastcgi_param %s %s;\n", key, value)
	}
	return fmt.Sprintf(`upstream %[1]s { %[2]s }
server { listen %[3]s backlog=4096; location / {
include /etc/nginx/fastcgi_params;
fastcgi_param SCRIPT_NAME "";
fastcgi_param PATH_INFO $uri;
%[4]sfastcgi_read_timeout 120s;
fastcgi_pass %[1]s;
} }
`, s.Spec.Name, strings.Join(upstream, " "), address, params)
}

// URL is the service's page through nginx, or its own web server's.
func (f *Front) URL(s *Service, path string) string { return "http://" + f.urls[s] + path }

// Client asks through nginx.
func (f *Front) Client(s *Service) load.Client { return load.NewHTTP(f.urls[s]) }

// Stop ends nginx.
func (f *Front) Stop(ctx context.Context) error { return f.service.Stop(ctx) }
