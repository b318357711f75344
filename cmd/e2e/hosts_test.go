package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const hostsConfig = `apps:
  web:
    command: [/opt/apps/web.pl]
    instances: 2
    listen: %s:9000
    hosts: [%s]
    activation: eager
    nginx: {read_timeout: 20s}
`

// appHost makes a machine with the address 10.0.0.N: a network namespace of the box.
func (b *box) appHost(t *testing.T, n int) (name string) {
	t.Helper()
	name = fmt.Sprintf("app%d", n)
	b.run(t, "sh", "-ec", fmt.Sprintf(`
		ip netns add app%[1]d
		ip link add web%[1]d type veth peer name eth0 netns app%[1]d
		ip addr add 10.0.0.1 peer 10.0.0.%[1]d dev web%[1]d
		ip link set web%[1]d up
		ip netns exec app%[1]d sh -ec 'ip link set lo up; ip addr add 10.0.0.%[1]d peer 10.0.0.1 dev eth0; ip link set eth0 up'`, n))
	return name
}

// startApp starts the app on a machine, as a service outside of what apply makes.
func (b *box) startApp(t *testing.T, host string) {
	t.Helper()
	b.run(t, "systemd-run", "-q", "--unit", "run-"+host, "-p", "Type=notify", "-p", "NetworkNamespacePath=/run/netns/"+host, "-p", "RuntimeDirectory="+host,
		"/usr/bin/fcgisup", "run", "--app", "web", "--control", "/run/"+host+"/control.sock")
}

// TestHosts is docs/hosts.md: apps on other machines behind one nginx.
func TestHosts(t *testing.T) {
	inTurn(t, busy)
	needFiles(t, "/sbin/ip", "/usr/lib/nginx/modules/ngx_stream_module.so")
	b := newBox(t)
	b.installPrograms(t, "web")
	b.startNginx(t)
	b.write(t, "/etc/nginx/nginx.conf", "include /etc/nginx/modules-enabled/*.conf;\n"+nginxConfig, 0o644)
	b.run(t, "sh", "-c", "rm -f /etc/nginx/modules-enabled/*")
	b.write(t, "/etc/nginx/modules-enabled/50-stream.conf", "load_module modules/ngx_stream_module.so;\n", 0o644)
	b.run(t, "systemctl", "restart", "nginx.service") // nginx loads modules when it starts
	b.write(t, "/etc/nginx/sites-enabled/web.conf", fmt.Sprintf("server {\n\tlisten unix:%s;\n\tinclude snippets/web-location.conf;\n}\n", siteSocket("web")), 0o644)
	b.configure(t, fmt.Sprintf(hostsConfig, "0.0.0.0", "10.0.0.7, 10.0.0.8"))
	for _, n := range []int{7, 8} {
		b.startApp(t, b.appHost(t, n))
	}
	// The order matters.
	t.Run("apply makes no units on the web host", b.hostsApplied)
	t.Run("a host is taken out under load", b.hostDown)
	t.Run("a host without power", b.hostDead)
	t.Run("units are made on a host of the app", b.hostUnits)
	t.Run("tls", b.hostTLS)
}

func (b *box) hostsApplied(t *testing.T) {
	if out := b.apply(t); strings.Contains(out, "systemd") || !strings.Contains(out, "reloaded   nginx") || !strings.Contains(out, "web runs on other hosts") {
		t.Errorf("apply:\n%s", out)
	}
	if out := b.apply(t); !strings.Contains(out, "nothing to do") {
		t.Errorf("apply again:\n%s", out)
	}
	b.ok(t, "web", "/")
	for _, args := range [][]string{{"--down", "10.0.0.9"}, {"--down", "10.0.0.7", "--down", "10.0.0.8"}, {"--host", "10.0.0.9"}} {
		if out, code := b.try(append([]string{"fcgisup", "apply"}, args...)...); code != exitUsage || !strings.HasPrefix(out, "fcgisup: "+args[0]) {
			t.Errorf("apply %v: exit %d\n%s", args, code, out)
		}
	}
}

// hostDown: no request fails while a host is taken out, stopped, started and taken in.
func (b *box) hostDown(t *testing.T) {
	l := startLoad(4, b.throughNginx("web", "/sleep?ms=30"))
	l.goesOn(t, 20)
	for range rounds(t, 1) {
		if out := b.apply(t, "--down", "10.0.0.7"); !strings.Contains(out, "drained    web: 10.0.0.7") {
			t.Errorf("apply --down:\n%s", out)
		}
		b.run(t, "systemctl", "kill", "-s", "KILL", "run-app7.service") // nothing is left to lose
		l.goesOn(t, 20)
		b.run(t, "sh", "-c", "systemctl reset-failed run-app7.service; systemctl stop run-app7.service || true")
		b.startApp(t, "app7")
		if out := b.apply(t); !strings.Contains(out, "reloaded   nginx") {
			t.Errorf("apply without --down:\n%s", out)
		}
		l.goesOn(t, 20)
	}
	l.end(t, "a host taken out")
	// One that does not become idle is said to be so.
	long := make(chan error, 4)
	for range 4 {
		go func() { long <- b.throughNginx("web", "/sleep?ms=3000")() }()
	}
	time.Sleep(500 * time.Millisecond)
	if out, code := b.try("fcgisup", "apply", "--down", "10.0.0.7", "--drain", "1s"); code != exitFail || !strings.Contains(out, "for longer than --drain 1s") {
		t.Errorf("apply --down of a host that serves: exit %d\n%s", code, out)
	}
	b.apply(t, "--down", "10.0.0.7", "--drain", "1m")
	for range 4 {
		select {
		case err := <-long:
			if err != nil {
				t.Errorf("a request while its host is taken out: %v", err)
			}
		default:
			t.Error("apply has returned before the host was idle")
		}
	}
	b.apply(t)
}

// hostDead: requests that meet a machine that answers nothing go to another. One that meets two of its servers is answered 504.
func (b *box) hostDead(t *testing.T) {
	// No machine has this address: packets are lost, not refused.
	b.run(t, "ip", "neigh", "replace", "10.0.0.8", "lladdr", "02:00:00:00:00:08", "dev", "web8", "nud", "permanent")
	for range 3 {
		b.ok(t, "web", "/")
	}
	var all sync.WaitGroup
	var failed atomic.Int64
	for range 12 {
		all.Go(func() {
			if b.throughNginx("web", "/sleep?ms=30")() != nil {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	t.Logf("of 12 requests at once %d were answered 504", failed.Load())
	if failed.Load() > 3 {
		t.Errorf("of 12 requests at once %d failed", failed.Load())
	}
	b.run(t, "ip", "neigh", "del", "10.0.0.8", "dev", "web8")
}

func (b *box) hostUnits(t *testing.T) {
	if out := b.apply(t, "--host", "10.0.0.7", "--dry-run"); !strings.Contains(out, "web-fastcgi@.service") || !strings.Contains(out, "started    web-fastcgi@{1..2}.socket") {
		t.Errorf("apply --host:\n%s", out)
	}
	if out := b.run(t, "fcgisup", "gen", "--host", "10.0.0.8"); !strings.Contains(out, "systemd/web-fastcgi@.socket") {
		t.Errorf("gen --host:\n%s", out)
	}
	b.run(t, "ip", "addr", "add", "10.0.0.8", "dev", "lo") // now this machine is one of its hosts
	if out := b.apply(t, "--dry-run"); !strings.Contains(out, "web-fastcgi@.service") {
		t.Errorf("apply on a host of the app:\n%s", out)
	}
	b.run(t, "ip", "addr", "del", "10.0.0.8", "dev", "lo")
}

// streamBlock is the n-th stream block of docs/hosts.md.
func streamBlock(t *testing.T, n int) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/hosts.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```nginx\n(stream .*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("docs/hosts.md has %d stream blocks, want 2", len(blocks))
	}
	return blocks[n][1]
}

// hostTLS has the app of 10.0.0.7 on loopback there, behind the two stream blocks.
func (b *box) hostTLS(t *testing.T) {
	b.run(t, "systemctl", "stop", "run-app7.service", "run-app8.service")
	b.certificates(t)
	b.write(t, "/etc/hosts", "127.0.0.1 localhost\n127.0.0.7 app1.example\n", 0o644)
	b.configure(t, fmt.Sprintf(hostsConfig, "127.0.0.1", "app1.example"))
	b.startApp(t, "app7")
	b.write(t, "/etc/nginx/app7.conf", "load_module modules/ngx_stream_module.so;\npid /run/app7.pid;\nerror_log stderr;\nevents {}\n"+streamBlock(t, 0), 0o644)
	b.run(t, "systemd-run", "-q", "--unit", "tls-app7", "-p", "NetworkNamespacePath=/run/netns/app7", "/usr/sbin/nginx", "-c", "/etc/nginx/app7.conf", "-g", "daemon off;")
	b.write(t, "/etc/nginx/modules-enabled/90-web-tls.conf", streamBlock(t, 1), 0o644)
	if out := b.apply(t); !strings.Contains(out, "reloaded   nginx") {
		t.Errorf("apply:\n%s", out)
	}
	within(t, waitLimit, func() error { return b.throughNginx("web", "/")() })
	if err := b.upload("web", 300_000)(); err != nil {
		t.Error(err)
	}
	// A client without a certificate does not get through, nor does one with another authority's.
	for _, key := range []string{"", "stranger"} {
		args := []string{"timeout", "5", "openssl", "s_client", "-quiet", "-connect", "10.0.0.7:9000", "-CAfile", "/etc/nginx/tls/ca.pem", "-verify_return_error", "-servername", "app1.example"}
		if key != "" {
			args = append(args, "-cert", "/etc/nginx/tls/"+key+".pem", "-key", "/etc/nginx/tls/"+key+".key")
		}
		// GET_VALUES, which a program that gets it answers.
		out, _ := b.try("sh", "-c", `(printf '\001\011\000\000\000\000\010\000\000\000\000\000\000\000\000\000'; sleep 1) | `+strings.Join(args, " ")+` | od -An -tx1`)
		if strings.Contains(out, "01 0a") {
			t.Errorf("with the certificate %q a client gets through:\n%s", key, out)
		}
	}
	b.write(t, "/etc/nginx/modules-enabled/90-web-tls.conf", strings.ReplaceAll(streamBlock(t, 1), "proxy_ssl_name app1", "proxy_ssl_name app9"), 0o644)
	b.run(t, "systemctl", "reload", "nginx.service")
	within(t, waitLimit, func() error {
		if got, err := b.get("web", "/"); err != nil || got.status != 502 {
			return fmt.Errorf("a host with another's certificate: %v, %w", got, err)
		}
		return nil
	})
}

// certificates makes those of the page, and one of another authority.
func (b *box) certificates(t *testing.T) {
	t.Helper()
	b.run(t, "mkdir", "-p", "/etc/nginx/tls")
	serial := int64(0)
	make := func(file, name string, ca bool, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		serial++
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, DNSNames: []string{name},
			BasicConstraintsValid: true, IsCA: ca,
		}
		if ca {
			c.KeyUsage, c.ExtKeyUsage, c.DNSNames = x509.KeyUsageCertSign, nil, nil
		}
		if parent == nil {
			parent, by = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		b.write(t, "/etc/nginx/tls/"+file+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
		b.write(t, "/etc/nginx/tls/"+file+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), 0o600)
		return c, key
	}
	ca, by := make("ca", "CA", true, nil, nil)
	make("app1", "app1.example", false, ca, by)
	make("web", "web.example", false, ca, by)
	other, by := make("other", "Other CA", true, nil, nil)
	make("stranger", "web.example", false, other, by)
}
