//go:build programs

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// kubePod is a pod that runs.
type kubePod struct {
	*box
	manifest
	// host is its network namespace, address its own.
	host, address string
	ready         atomic.Bool
	ended         chan struct{}
}

// startPod does what a kubelet does for a pod: its network, its volumes, its containers, its probes.
func (b *box) startPod(t *testing.T, m manifest, n int) *kubePod {
	t.Helper()
	p := &kubePod{box: b, manifest: m, host: b.appHost(t, n), address: fmt.Sprintf("10.0.0.%d", n), ended: make(chan struct{})}
	sources := p.volumes(t)
	for _, c := range m.pod.Containers {
		b.run(t, p.command(t, c, sources)...)
	}
	p.becomesReady(t)
	go p.watch(t)
	return p
}

// volumes makes the pod's and returns where they are.
func (p *kubePod) volumes(t *testing.T) map[string]string {
	t.Helper()
	sources := map[string]string{}
	for _, v := range p.pod.Volumes {
		sources[v.Name] = path.Join("/run/pods", p.host, v.Name)
		if v.ConfigMap == nil {
			p.run(t, "install", "-d", "-m", "2777", "-g", strconv.Itoa(p.pod.SecurityContext.FSGroup), sources[v.Name])
			continue
		}
		for key, text := range p.configs {
			p.write(t, path.Join(sources[v.Name], key), text, 0o644)
		}
	}
	return sources
}

// command starts a container of the pod.
func (p *kubePod) command(t *testing.T, c containerSpec, sources map[string]string) []string {
	t.Helper()
	as := p.pod.SecurityContext
	argv := []string{
		"podman", "run", "-d", "--pull=never", "--name", p.container(c), "--network", "ns:/run/netns/" + p.host,
		"--user", fmt.Sprintf("%d:%d", as.RunAsUser, as.RunAsGroup), fmt.Sprintf("--read-only=%t", c.SecurityContext.ReadOnlyRootFilesystem), "--read-only-tmpfs=false",
	}
	for _, drop := range c.SecurityContext.Capabilities.Drop {
		argv = append(argv, "--cap-drop", drop)
	}
	if !c.SecurityContext.AllowPrivilegeEscalation {
		argv = append(argv, "--security-opt", "no-new-privileges")
	}
	for _, e := range c.Env {
		argv = append(argv, "-e", e.Name+"="+e.Value)
	}
	for _, v := range c.VolumeMounts {
		mount := path.Join(sources[v.Name], v.SubPath) + ":" + v.MountPath
		if v.ReadOnly {
			mount += ":ro"
		}
		argv = append(argv, "-v", mount)
	}
	if len(c.Command) > 0 {
		command, err := json.Marshal(c.Command)
		if err != nil {
			t.Fatal(err)
		}
		argv = append(argv, "--entrypoint", string(command))
	}
	return append(argv, c.Image)
}

func (p *kubePod) container(c containerSpec) string { return p.host + "-" + c.Name }

// asks is one probe.
func (p *kubePod) asks(c containerSpec, probe *probeSpec) error {
	port := 0
	for _, named := range c.Ports {
		if named.Name == probe.HTTPGet.Port+probe.TCPSocket.Port {
			port = named.ContainerPort
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(max(probe.TimeoutSeconds, 1))*time.Second)
	defer cancel()
	if probe.TCPSocket.Port != "" {
		conn, err := p.Dial(ctx, "tcp", net.JoinHostPort(p.address, strconv.Itoa(port)))
		if err != nil {
			return err
		}
		return conn.Close()
	}
	status, _, err := p.get(ctx, port, probe.HTTPGet.Path)
	if err == nil && (status < 200 || status > 399) {
		err = fmt.Errorf("%s: %d", probe.HTTPGet.Path, status)
	}
	return err
}

// get asks a port of the pod over a connection of its own.
func (p *kubePod) get(ctx context.Context, port int, path string) (int, string, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return p.Dial(ctx, network, address)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s%s", net.JoinHostPort(p.address, strconv.Itoa(port)), path), nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func (p *kubePod) becomesReady(t *testing.T) {
	t.Helper()
	for _, c := range p.pod.Containers {
		for _, probe := range []*probeSpec{c.StartupProbe, c.ReadinessProbe} {
			if probe == nil {
				continue
			}
			within(t, waitLimit, func() error {
				if err := p.asks(c, probe); err != nil {
					return fmt.Errorf("%s: %w\n%s", p.container(c), err, p.logs(c))
				}
				return nil
			})
		}
	}
	p.ready.Store(true)
}

func (p *kubePod) logs(c containerSpec) string {
	out, _ := p.try("podman", "logs", "--tail", "30", p.container(c))
	return out
}

// watch asks the readiness and liveness probes until the pod is ended.
func (p *kubePod) watch(t *testing.T) {
	for {
		select {
		case <-p.ended:
			return
		case <-time.After(2 * time.Second):
		}
		ready := true
		for _, c := range p.pod.Containers {
			if c.ReadinessProbe != nil {
				ready = ready && p.asks(c, c.ReadinessProbe) == nil
			}
			if c.LivenessProbe == nil {
				continue
			}
			err := p.asks(c, c.LivenessProbe)
			select {
			case <-p.ended:
				return
			default:
			}
			if err != nil {
				t.Logf("%s: the liveness probe: %v", p.host, err)
			}
		}
		p.ready.Store(ready)
	}
}

// end does what a kubelet does when a pod is deleted: every container's hook and then its signal, and SIGKILL after the grace
// period, which counts from the beginning. It complains of what was killed.
func (p *kubePod) end(t *testing.T) {
	close(p.ended)
	deadline := time.Now().Add(time.Duration(p.pod.TerminationGracePeriodSeconds) * time.Second)
	var all sync.WaitGroup
	for _, c := range p.pod.Containers {
		all.Go(func() {
			if hook := c.Lifecycle.PreStop; hook != nil {
				if out, code := p.try(append([]string{"podman", "exec", p.container(c)}, hook.Exec.Command...)...); code != 0 {
					t.Errorf("%s: preStop: exit %d: %s", p.container(c), code, out)
				}
			}
			left := strconv.Itoa(int(max(time.Until(deadline).Seconds(), 1)))
			if out, code := p.try("podman", "stop", "-t", left, p.container(c)); code != 0 {
				t.Errorf("podman stop %s: exit %d: %s", p.container(c), code, out)
			}
			if out, _ := p.try("podman", "inspect", "--format", "{{.State.ExitCode}}", p.container(c)); strings.TrimSpace(out) != "0" {
				t.Errorf("%s ends with exit code %s\n%s", p.container(c), strings.TrimSpace(out), p.logs(c))
			}
		})
	}
	all.Wait()
}

// kubeService sends requests to the pods that are ready, as a Service does.
type kubeService struct {
	mu   sync.Mutex
	pods []*kubePod
	next int
}

func (s *kubeService) add(p *kubePod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pods = append(s.pods, p)
}

func (s *kubeService) remove(p *kubePod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pods = slices.DeleteFunc(slices.Clone(s.pods), func(other *kubePod) bool { return other == p })
}

func (s *kubeService) pick() *kubePod {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range s.pods {
		s.next++
		if p := s.pods[s.next%len(s.pods)]; p.ready.Load() {
			return p
		}
	}
	return nil
}

// ask is one request of a load.
func (s *kubeService) ask() error {
	p := s.pick()
	if p == nil {
		return errors.New("no pod is ready")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	status, text, err := p.get(ctx, p.port, "/sleep?ms=30")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("answered %d %.200q", status, text)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", p.host, err)
	}
	return err
}

// endpointsLag is for how long nodes go on to send requests to a pod that is deleted.
const endpointsLag = 1500 * time.Millisecond

// end deletes a pod: its containers are told at once, and the nodes hear of it later.
func (s *kubeService) end(t *testing.T, p *kubePod) {
	t.Helper()
	gone := time.AfterFunc(endpointsLag, func() { s.remove(p) })
	defer gone.Stop()
	p.end(t)
	s.remove(p)
}
