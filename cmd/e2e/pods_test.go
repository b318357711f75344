//go:build programs

package e2e

import (
	"strings"
	"testing"
)

const podsConfig = `apps:
  hello:
    command: /usr/local/bin/hello.fcgi
    instances: 2
    workers: 2
    limits: {stop_timeout: 10s, drain_delay: 3s}
  tcp:
    command: /usr/local/bin/hello.fcgi
    instances: 2
    listen: 0.0.0.0:9000
    limits: {stop_timeout: 10s, drain_delay: 3s}
`

// TestPods: what "gen kubernetes" renders runs as pods of real containers, and no request fails while they are replaced, become
// fewer, and are evicted; over the socket that the containers share, and over TCP.
func TestPods(t *testing.T) {
	inTurn(t, heavy)
	needFiles(t, "/usr/bin/podman", "/usr/bin/crun")
	b := newBox(t)
	b.installPrograms(t)
	b.installImages(t)
	b.configure(t, podsConfig)
	t.Run("image", b.scratchImageRuns)
	for i, app := range []string{"hello", "tcp"} {
		t.Run(app, func(t *testing.T) { b.podLife(t, app, 10+20*i) })
	}
	t.Run("compose", b.compose)
	t.Run("quadlet", b.quadlet)
}

// scratchImageRuns: without root, on a read-only root.
func (b *box) scratchImageRuns(t *testing.T) {
	out := b.run(t, "podman", "run", "--rm", "--pull=never", "--network=none", "--read-only", "--user=33:33", "--cap-drop=all", "--entrypoint", `["fcgisup", "version"]`, "localhost/hello:1.2")
	if !strings.Contains(out, "\nfcgisup ") && !strings.HasPrefix(out, "fcgisup ") {
		t.Errorf("version: %s", out)
	}
}

// podLife is that of an app's Deployment; n is the number of its first pod.
func (b *box) podLife(t *testing.T, app string, n int) {
	m := decodeManifest(t, b.run(t, "fcgisup", "gen", "kubernetes", app, "--image", "localhost/hello:1.2"))
	if m.replicas != 2 {
		t.Fatalf("%d replicas, want 2", m.replicas)
	}
	s := &kubeService{}
	var pods []*kubePod
	start := func() {
		n++
		p := b.startPod(t, m, n)
		pods = append(pods, p)
		s.add(p)
	}
	end := func() {
		s.end(t, pods[0])
		pods = pods[1:]
	}
	for range m.replicas {
		start()
	}
	during := func(what string, does ...func()) {
		l := startLoad(4, s.ask)
		l.goesOn(t, 20)
		for _, do := range does {
			do()
			l.goesOn(t, 20)
		}
		l.end(t, app+": "+what)
	}
	// As the manifest has it: maxSurge 1, maxUnavailable 0.
	during("rollout", start, end, start, end)
	during("scale-down", end)
	start()
	// A node is drained: the pod is evicted, and another starts when it has gone.
	during("drain", end, start)
	for range pods {
		pods[0].end(t)
		pods = pods[1:]
	}
}
