package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// pod is a supervisor as a container runs it, with the endpoints that an orchestrator asks.
type pod struct {
	*supervised
	url   string
	ready atomic.Bool
}

func newPod(t *testing.T, command string) *pod {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p := &pod{supervised: newSupervised(t), url: "http://" + address}
	p.binary = fcgisupBinary(t)
	p.configure(t, "pod", fmt.Sprintf("command: [%s]\nworkers: 2\nlimits: {drain_delay: 2s}", command))
	p.launch(t, p.binary, "run", "--config", p.configPath(), "--control", p.control, "--metrics", address)
	within(t, waitLimit, func() error {
		p.alive(t)
		if code, why := p.says("/readyz"); code != http.StatusOK {
			return fmt.Errorf("/readyz: %d %s", code, why)
		}
		return nil
	})
	return p
}

// says asks an endpoint; 0: none came.
func (p *pod) says(path string) (code int, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// podService sends requests to pods that are ready, as an orchestrator's balancer does: it asks each ten times a second.
type podService struct {
	mu            sync.Mutex
	pods          []*pod
	stop          chan struct{}
	busy          sync.WaitGroup
	asked, failed atomic.Int64
	first         atomic.Pointer[error]
}

func (s *podService) add(p *pod) {
	p.ready.Store(true)
	s.mu.Lock()
	s.pods = append(s.pods, p)
	s.mu.Unlock()
	s.busy.Go(func() {
		for {
			select {
			case <-s.stop:
				return
			case <-p.ended:
				return
			case <-time.After(100 * time.Millisecond):
				code, _ := p.says("/readyz")
				p.ready.Store(code == http.StatusOK)
			}
		}
	})
}

func (s *podService) pick(n int) *pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.pods {
		if p := s.pods[(n+i)%len(s.pods)]; p.ready.Load() {
			return p
		}
	}
	return s.pods[len(s.pods)-1]
}

func (s *podService) client() {
	for n := 0; ; n++ {
		select {
		case <-s.stop:
			return
		default:
		}
		s.asked.Add(1)
		if _, err := fcgiAsk("unix", s.pick(n).address, "/sleep?ms=20", nil, nil); err != nil {
			s.failed.Add(1)
			s.first.CompareAndSwap(nil, &err)
		}
	}
}

// TestPodEndsWithoutAFailedRequest: a pod that is told to end under load is taken out of its service first, and serves until
// then; its successor has the load.
func TestPodEndsWithoutAFailedRequest(t *testing.T) {
	inTurn(t, busy)
	needFiles(t, "/usr/bin/perl")
	command := appPath(t, "hello.pl")
	s := &podService{stop: make(chan struct{})}
	old := newPod(t, command)
	if code, why := old.says("/startupz"); code != http.StatusOK {
		t.Errorf("/startupz of a pod that waits for its first request: %d %s", code, why)
	}
	s.add(old)
	for range 3 {
		s.busy.Go(s.client)
	}
	for range rounds(t, 2) {
		next := newPod(t, command)
		s.add(next)
		if err := old.command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		within(t, waitLimit, func() error {
			if code, why := old.says("/readyz"); code != http.StatusServiceUnavailable {
				return fmt.Errorf("/readyz after the signal: %d %s", code, why)
			}
			return nil
		})
		if code, why := old.says("/livez"); code != http.StatusOK && code != 0 {
			t.Errorf("/livez while it drains: %d %s", code, why)
		}
		if _, err := fcgiAsk("unix", old.address, "/", nil, nil); err != nil {
			select {
			case <-old.ended: // a slow machine
			default:
				t.Errorf("a request that comes while it drains: %v", err)
			}
		}
		select {
		case <-old.ended:
		case <-time.After(waitLimit):
			t.Fatalf("it does not end\n%s", old.log())
		}
		old = next
	}
	close(s.stop)
	s.busy.Wait()
	t.Logf("%d of %d requests failed", s.failed.Load(), s.asked.Load())
	if err := s.first.Load(); err != nil {
		t.Errorf("the first: %v\n%s", *err, old.log())
	}
	if s.asked.Load() == 0 {
		t.Error("nothing was asked")
	}
}
