package peers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
)

// Action is what a peer does for an Op, or the reason why it does not.
type Action struct {
	Do     func(ctx context.Context) error
	Back   func(ctx context.Context) error // undoes it, if that is part of the op
	How    string                          // the command, as an admin would give it
	Reason string
}

// Service is a peer that runs a spec. Stop ends it.
type Service struct {
	Peer    string
	Spec    Spec
	Sockets []string // it listens on
	Web     string   // host:port of the web server that it is part of, if it is

	host    *Host
	front   front
	cgroups []string // where its processes are; patterns
	roots   []int    // without systemd
	follows bool     // the number of its workers follows the load
	ops     map[Op]Action

	mu    sync.Mutex
	ends  []func(ctx context.Context) error
	ended bool
}

// front is what the peer wants of nginx; without it there is a plain upstream.
type front struct {
	include  string   // of http
	location string   // to be included in the server
	upstream []string // lines of the upstream
}

// Action is what it does for an op.
func (s *Service) Action(op Op) Action {
	action, ok := s.ops[op]
	if !ok {
		return Action{Reason: "it has no " + string(op)}
	}
	return action
}

// atEnd has Stop do something; what was added last is done first.
func (s *Service) atEnd(do func(ctx context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, do)
}

// Stop ends all of it, and may be called again. It does not hear the end of ctx: what was started is stopped.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	s.ended = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	var errs []error
	for _, end := range slices.Backward(s.ends) {
		errs = append(errs, end(ctx))
	}
	return errors.Join(errs...)
}

func joinStop(ctx context.Context, s *Service, name string, err error) error {
	return fmt.Errorf("cannot start %s: %w", name, errors.Join(err, s.Stop(ctx)))
}

// Ready waits until it has answered on each of its sockets, and then for all its workers, unless their number follows
// the load; for those only for a while.
func (s *Service) Ready(ctx context.Context) error {
	var clients []load.Client
	for _, socket := range s.Sockets {
		clients = append(clients, load.NewFastCGI(socket, s.Spec.Program.Params))
	}
	if s.Web != "" {
		clients = append(clients, load.NewHTTP(s.Web))
	}
	for _, client := range clients {
		defer client.Close()
		if err := await(ctx, func() error {
			once, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			return client.Do(once, "/")
		}); err != nil {
			return fmt.Errorf("cannot use %s: %w", s.Peer, err)
		}
	}
	s.complete(ctx)
	return nil
}

// await tries until it succeeds or ctx ends.
func await(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Client asks the service itself: its web server or its first socket.
func (s *Service) Client() load.Client {
	if s.Web != "" {
		return load.NewHTTP(s.Web)
	}
	return load.NewFastCGI(s.Sockets[0], s.Spec.Program.Params)
}
