package units

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

func TestASystemdThatDoesNotAnswerIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, err := ask(t.Context(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if err == nil || !strings.Contains(err.Error(), "has not answered for 25s") || time.Since(begun) != answerTimeout {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		// Who asks may want to know earlier.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err = ask(ctx, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestAConnectionThatIsNotMadeIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, ended := time.Now(), make(chan struct{})
		s, err := connect(t.Context(), func(ctx context.Context) (*dbus.Conn, error) {
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		})
		if s != nil || err == nil || time.Since(begun) != answerTimeout {
			t.Errorf("%v, %v after %s", s, err, time.Since(begun))
		}
		<-ended
	})
}

func TestAJobIsAwaitedAsLongAsSystemdHasIt(t *testing.T) {
	for name, test := range map[string]struct {
		pending func(age time.Duration) (bool, error)
		result  time.Duration // after which it comes; 0: never
		want    string
	}{
		"a long one":             {func(time.Duration) (bool, error) { return true, nil }, time.Hour, ""},
		"one without an end":     {func(age time.Duration) (bool, error) { return age < time.Hour, nil }, 0, "did not report its result"},
		"one of a dead systemd":  {func(time.Duration) (bool, error) { return false, errors.New("connection closed") }, 0, "connection closed"},
		"one that is just ended": {func(time.Duration) (bool, error) { return false, nil }, 31 * time.Second, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			begin := func(_ context.Context, _, _ string, result chan<- string) (int, error) {
				if test.result > 0 {
					time.AfterFunc(test.result, func() { result <- "done" })
				}
				return 1, nil
			}
			got := ""
			if err := jobs(t.Context(), "start", []string{"a"}, begin, func(string) (bool, error) { return test.pending(time.Since(begun)) }); err != nil {
				got = err.Error()
			}
			if got != test.want && (test.want == "" || !strings.Contains(got, test.want)) {
				t.Errorf("%s: %q, want %q", name, got, test.want)
			}
		})
	}
}
