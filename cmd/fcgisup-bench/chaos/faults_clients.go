package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

// silentClients connect and say nothing, or half of something, or ask for
// nothing, and stay.
func (f *fleet) silentClients(ctx context.Context, m *member, s Step) (string, error) {
	half := request("/sleep?ms=5", nil, m.targets[0].script)
	values := record(9, pair("FCGI_MAX_CONNS", ""))
	values[6] = 8 // padding, without which libfcgi blocks
	values = append(values, make([]byte, 8)...)
	opened := 0
	for n, words := range [][]byte{nil, half[:20], values} {
		if n > int(s.Pick%3) {
			break
		}
		t := m.targets[0]
		conn, err := net.DialTimeout(t.network, t.address, time.Second)
		if err != nil {
			continue // a supervisor with its own socket may be gone just now
		}
		defer conn.Close()
		opened++
		_, _ = conn.Write(words)
	}
	sleep(ctx, s.Hold)
	return fmt.Sprintf("%d of them", opened), nil
}

// burst asks so much at once that a small backlog is full.
func (f *fleet) burst(ctx context.Context, m *member, s Step) (string, error) {
	end := func() {}
	if m.backlog < 100 {
		end = f.open(m, Window{Kind: s.Kind, Floods: true})
	}
	defer end()
	counts := map[Outcome]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 40 + s.Pick%40 {
		all.Go(func() {
			o := f.load.ask(ctx, m.name, m.targets[0], "/sleep?ms=10", nil, func(page string) bool { return strings.Contains(page, "slept") })
			mu.Lock()
			counts[o]++
			mu.Unlock()
		})
	}
	all.Wait()
	return fmt.Sprint(counts), nil
}

// overloads is how many requests an overload asks for, less than a large backlog holds.
const overloads = 400

// overload asks for more than can be served, until the fault is over: the queue stands, and is limited.
func (f *fleet) overload(ctx context.Context, m *member, s Step) (string, error) {
	counts := map[Outcome]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	random := rand.New(rand.NewPCG(s.Pick, 2))
	every := s.Hold / overloads
	for end := time.Now().Add(s.Hold); time.Now().Before(end) && ctx.Err() == nil; {
		all.Go(func() {
			o := f.load.ask(ctx, m.name, m.targets[0], "/sleep?ms=100", nil, func(page string) bool { return strings.Contains(page, "slept") })
			mu.Lock()
			counts[o]++
			mu.Unlock()
		})
		sleep(ctx, time.Duration(random.ExpFloat64()*float64(every)))
	}
	all.Wait()
	return fmt.Sprint(counts), nil
}

// deserters ask for something that takes its time, and go at once: their
// requests are served for clients that have gone, by workers that are busy and not dead.
func (f *fleet) deserters(ctx context.Context, m *member, s Step) (string, error) {
	words := request(fmt.Sprintf("/sleep?ms=%d", longest.Milliseconds()), nil, m.targets[0].script)
	gone := 0
	for range 1 + s.Pick%6 {
		t := m.targets[0]
		conn, err := net.DialTimeout(t.network, t.address, time.Second)
		if err != nil {
			continue // a supervisor with its own socket may be gone just now
		}
		if _, err := conn.Write(words); err == nil {
			gone++
		}
		sleep(ctx, time.Duration(s.Pick%4)*20*time.Millisecond)
		_ = conn.Close()
	}
	sleep(ctx, s.Hold)
	return fmt.Sprintf("%d of them", gone), nil
}
