package monitor

import (
	"sync"
	"testing"
)

func TestFeed(t *testing.T) {
	var f Feed
	first, changed := f.Latest()
	if first != nil {
		t.Fatalf("before the first report: %v", first)
	}
	select {
	case <-changed:
		t.Fatal("changed before anything was published")
	default:
	}
	f.Publish(&Report{Host: "a"})
	<-changed
	f.Publish(&Report{Host: "b"}) // no reader waits
	if r, _ := f.Latest(); r.Host != "b" {
		t.Errorf("the newest is %q", r.Host)
	}
}

// TestFeedFollowers: everybody sees the last report, however slow.
func TestFeedFollowers(t *testing.T) {
	var f Feed
	var followers sync.WaitGroup
	for range 8 {
		followers.Go(func() {
			for {
				r, changed := f.Latest()
				if r != nil && r.Host == "last" {
					return
				}
				<-changed
			}
		})
	}
	for range 1000 {
		f.Publish(&Report{Host: "more"})
	}
	f.Publish(&Report{Host: "last"})
	followers.Wait()
}
