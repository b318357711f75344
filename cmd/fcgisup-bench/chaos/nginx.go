package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// webServer is an nginx over what fcgisup generates for the apps that want one.
type webServer struct {
	conf string
	cmd  *exec.Cmd
}

const nginxText = `daemon off;
%s
worker_processes 2;
pid DIR/nginx.pid;
error_log DIR/nginx.log;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path DIR/nginx-body;
	proxy_temp_path DIR/nginx-proxy;
	fastcgi_temp_path DIR/nginx-fastcgi;
	uwsgi_temp_path DIR/nginx-uwsgi;
	scgi_temp_path DIR/nginx-scgi;
	include DIR/gen/nginx/*-upstream.conf;
	include DIR/sites/*.conf;
}
`

func siteSocket(dir, app string) string { return filepath.Join(dir, "site-"+app+".sock") }

// startNginx starts nginx on the generated files, a unix socket for each app.
func (f *fleet) startNginx(ctx context.Context) error {
	apps := map[string]*config{}
	for _, m := range f.members {
		if m.spec.nginx {
			apps[m.app] = m.conf
		}
	}
	if len(apps) == 0 {
		return nil
	}
	binary, err := exec.LookPath("nginx")
	if err != nil {
		f.lacks("nginx: %v", err)
		return nil
	}
	if err := os.MkdirAll(filepath.Join(f.dir, "sites"), 0o755); err != nil {
		return err
	}
	for app, c := range apps {
		if _, err := command(ctx, f.opt.Fcgisup, "gen", "nginx", app, "--config", c.path, "--out", filepath.Join(f.dir, "gen")); err != nil {
			return err
		}
		site := fmt.Sprintf("server {\n\tlisten unix:%s;\n\tinclude %s/gen/nginx/%s-location.conf;\n}\n", siteSocket(f.dir, app), f.dir, app)
		if err := os.WriteFile(filepath.Join(f.dir, "sites", app+".conf"), []byte(site), 0o644); err != nil {
			return err
		}
	}
	userLine := ""
	if os.Geteuid() == 0 {
		userLine = "user www-data;"
	}
	w := &webServer{conf: filepath.Join(f.dir, "nginx.conf")}
	text := strings.ReplaceAll(fmt.Sprintf(nginxText, userLine), "DIR", f.dir)
	if err := os.WriteFile(w.conf, []byte(text), 0o644); err != nil {
		return err
	}
	if _, err := command(ctx, binary, "-t", "-q", "-c", w.conf); err != nil {
		f.violate(ctx, RuleFiles, nil, "nginx refuses what was generated: %v", err)
		return nil
	}
	w.cmd = exec.Command(binary, "-c", w.conf)
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := f.spawn.start(w.cmd); err != nil {
		return err
	}
	f.nginx = w
	f.later(w.stop)
	return awaitFiles(ctx, f.dir, apps)
}

func awaitFiles(ctx context.Context, dir string, apps map[string]*config) error {
	for app := range apps {
		for end := time.Now().Add(20 * time.Second); !exists(siteSocket(dir, app)); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) || ctx.Err() != nil {
				return errors.New("nginx does not listen")
			}
		}
	}
	return nil
}

// reload has nginx read its configuration again.
func (w *webServer) reload() error { return w.cmd.Process.Signal(syscall.SIGHUP) }

func (w *webServer) stop() error {
	if w.cmd.ProcessState != nil {
		return nil
	}
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	return w.cmd.Wait()
}
