package watch

import (
	"context"
	"sync"
)

// secret is the token that callers present, "" if none is asked for.
type secret struct {
	mu    sync.Mutex // what follows
	token string
	valid context.Context
	end   context.CancelFunc
}

// set ends what was let in by another token.
func (s *secret) set(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		if s.token == token {
			return
		}
		s.end()
	}
	s.token = token
	s.valid, s.end = context.WithCancel(context.Background())
}

// get is the token once it is set, and a context that ends when another is.
func (s *secret) get() (token string, valid context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, s.valid
}
