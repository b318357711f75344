package fcgi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A panic of the HTTP side passes through, and leaves nothing behind.
func TestExchangeSurvivesPanics(t *testing.T) {
	check := settled(t)
	defer check()
	t.Run("peer", func(t *testing.T) {
		p := newPeer(t, holding(out(good)))
		conn, err := dial(t.Context(), "unix", p.address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		x := exchange{stdout: panics{}, stderr: io.Discard, body: panics{}}
		_, _ = x.run(context.WithoutCancel(t.Context()), conn)
	})
}

type panics struct{}

func (panics) Write([]byte) (int, error) { panic("writer") }
func (panics) Read([]byte) (int, error)  { return 0, io.EOF }

// A body that panics does so in gofast's goroutine: it must stay an error.
func TestExchangeSurvivesPanickingBody(t *testing.T) {
	p := newPeer(t, holding())
	conn, err := dial(t.Context(), "unix", p.address)
	if err != nil {
		t.Fatal(err)
	}
	x := exchange{stdout: io.Discard, stderr: io.Discard, body: panickingBody{}}
	if _, err := x.run(within(t, time.Minute), conn); err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Error(err)
	}
}

type panickingBody struct{}

func (panickingBody) Read([]byte) (int, error) { panic("body") }

// Wherever an exchange is broken off, gofast neither crashes nor stays behind.
func TestProbeCanceledAtAnyMoment(t *testing.T) {
	check := settled(t)
	defer check()
	t.Run("server", func(t *testing.T) {
		address := serveGo(t, "unix", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
		for i := range 400 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*5*time.Microsecond)
			_, err := Probe(ctx, Request{Network: "unix", Address: address, Path: "/"})
			if class := ClassOf(err); class != "" && class != Timeout {
				t.Errorf("after %d µs: %v", i*5, err)
			}
			cancel()
		}
	})
}
