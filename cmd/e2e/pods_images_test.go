//go:build programs

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// containersScript (bash) has podman work in a box: in a kernel that refuses limits on resources, with its files in memory.
const containersScript = `set -eu
mkdir -p /etc/containers /run/images
cat >/usr/local/bin/runtime-without-limits <<'E'
#!/usr/bin/python3
import json, os, sys
args = sys.argv[1:]
if 'create' in args and '--bundle' in args:
    path = args[args.index('--bundle') + 1] + '/config.json'
    with open(path) as f:
        config = json.load(f)
    config['process'].pop('rlimits', None)
    config['linux'].pop('resources', None)
    with open(path, 'w') as f:
        json.dump(config, f)
os.execv('/usr/bin/crun', ['crun'] + args)
E
chmod 755 /usr/local/bin/runtime-without-limits
cat >/etc/containers/containers.conf <<'E'
[containers]
log_driver = "k8s-file"
default_sysctls = []
[network]
network_backend = "netavark"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "limitless"
[engine.runtimes]
limitless = ["/usr/local/bin/runtime-without-limits"]
E
printf '[storage]\ndriver = "vfs"\ngraphroot = "/var/lib/containers/storage"\nrunroot = "/run/containers/storage"\n' >/etc/containers/storage.conf
`

// nginxImageScript (bash) makes nginx's image without privileges from Debian's files: as that of nginx's makers it keeps its
// temporary files in /tmp, and its stop signal ends it gently.
const nginxImageScript = `set -eu
root=$(mktemp -d)
chmod 755 "$root"
mkdir -p "$root"/usr/bin "$root"/usr/sbin "$root"/usr/lib "$root"/usr/lib64 "$root"/etc/nginx/conf.d "$root"/etc/nginx/snippets "$root"/tmp "$root"/run "$root"/var/lib/nginx "$root"/var/log/nginx
for link in bin sbin lib lib64; do ln -s usr/$link "$root/$link"; done
cp /bin/sleep /bin/sh "$root"/usr/bin/
cp /usr/sbin/nginx "$root"/usr/sbin/
for library in $(ldd /usr/sbin/nginx /bin/sh /bin/sleep | grep -o '/[^ ]*' | grep '\.so' | sort -u); do
	mkdir -p "$root/$(dirname "$library")"
	cp "$(readlink -f "$library")" "$root/$library"
done
cp /etc/passwd /etc/group /etc/nsswitch.conf "$root"/etc/
cat >"$root"/etc/nginx/nginx.conf <<'E'
worker_processes 2;
error_log stderr;
pid /tmp/nginx.pid;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path /tmp/client_temp;
	proxy_temp_path /tmp/proxy_temp;
	fastcgi_temp_path /tmp/fastcgi_temp;
	uwsgi_temp_path /tmp/uwsgi_temp;
	scgi_temp_path /tmp/scgi_temp;
	include /etc/nginx/conf.d/*.conf;
}
E
tar -C "$root" -c . | podman import -q --change 'ENTRYPOINT ["nginx", "-g", "daemon off;"]' --change 'STOPSIGNAL SIGQUIT' - docker.io/nginxinc/nginx-unprivileged:stable
rm -rf "$root"
`

// scratchImage makes what "make image" makes.
func scratchImage(t *testing.T) (archive string) {
	t.Helper()
	dir := t.TempDir()
	binary, archive := filepath.Join(dir, "fcgisup"), filepath.Join(dir, "fcgisup.oci.tar")
	copyFcgisup(t, binary)
	command := exec.Command("go", "run", ".", "image", "latest", archive, runtime.GOARCH+"="+binary)
	command.Dir, command.Env = "../../.package/tools", append(os.Environ(), "SOURCE_DATE_EPOCH=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("tools image: %v\n%s", err, out)
	}
	return archive
}

// installImages puts into the box: fcgisup, from scratch; hello, a program with one line for fcgisup; nginx.
func (b *box) installImages(t *testing.T) {
	t.Helper()
	b.write(t, "/run/containers.sh", containersScript, 0o755)
	b.run(t, "bash", "/run/containers.sh")
	b.copyFrom(t, scratchImage(t), "/run/images/fcgisup.oci.tar", 0o644)
	if out := b.run(t, "podman", "load", "-q", "-i", "/run/images/fcgisup.oci.tar"); !strings.Contains(out, "localhost/fcgisup:latest") {
		t.Fatalf("podman load: %s", out)
	}
	b.copyFrom(t, compiledGo(t), "/run/images/hello/hello.fcgi", 0o755)
	b.write(t, "/run/images/hello/Dockerfile", "FROM scratch\nCOPY --from=fcgisup / /\nCOPY hello.fcgi /usr/local/bin/\nUSER 33:33\n", 0o644)
	b.run(t, "podman", "build", "-q", "--pull=never", "-t", "hello:1.2", "/run/images/hello")
	b.write(t, "/run/nginx-image.sh", nginxImageScript, 0o755)
	b.run(t, "bash", "/run/nginx-image.sh")
}
