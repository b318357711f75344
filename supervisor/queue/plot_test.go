package queue

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/queue.svg")

// TestPlot keeps the plot of docs/queue.md what the control does.
func TestPlot(t *testing.T) {
	t.Parallel()
	const place = "../../docs/queue.svg"
	got := plot()
	if *update {
		if err := os.WriteFile(place, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(place)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the control does now; go test ./supervisor/queue -run Plot -update", place)
	}
}

// plot is what an overload of half a minute does to the requests that are let in.
func plot() []byte {
	const (
		length, overload    = 70 * time.Second, 30 * time.Second
		left, top           = 60.0, 40.0
		width, height, most = 640.0, 280.0, 32.0 // most is the largest of y, in seconds
	)
	x := func(at time.Duration) float64 { return left + width*at.Seconds()/length.Seconds() }
	y := func(took float64) float64 { return top + height*(1-took/most) }
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 370" role="img" aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="13">
<title id="t">How long requests take under twice the capacity, and after it</title>
<desc id="d">Four workers of 40 ms get 200 requests per second for 30 seconds, then 2. Without a limit answers take up to 30 seconds, and 30 seconds more until the queue is gone. With queue_wait of 2 seconds they take two, with 700 ms less than one, and all is as before at once.</desc>
<style>path{fill:none;stroke-width:2}.off{stroke:#c0392b}.two{stroke:#2471a3}.short{stroke:#1e8449}text{fill:#555}.grid{stroke:#bbb;stroke-width:.5}@media(prefers-color-scheme:dark){text{fill:#bbb}.grid{stroke:#555}}</style>
`)
	for s := 0; s <= 30; s += 10 {
		fmt.Fprintf(&b, `<path class="grid" d="M%g %.1fH%g"/><text x="%g" y="%.1f" text-anchor="end">%d s</text>`+"\n", left, y(float64(s)), left+width, left-6, y(float64(s))+4, s)
	}
	for at := time.Duration(0); at <= length; at += 10 * time.Second {
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%d</text>`+"\n", x(at), top+height+18, int(at.Seconds()))
	}
	fmt.Fprintf(&b, `<path class="grid" d="M%.1f %gV%g"/><text x="%.1f" y="%g" text-anchor="end">the overload ends</text>`+"\n", x(overload), top, top+height, x(overload)-6, top+12)
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">seconds since the overload began</text><text x="%g" y="24">how long an answer took</text>`+"\n", left+width/2, top+height+38, left)
	for n, c := range []struct {
		wait        time.Duration
		class, name string
	}{{0, "off", "queue_wait: 0"}, {2 * time.Second, "two", "queue_wait: 2s"}, {700 * ms, "short", "queue_wait: 700ms"}} {
		o := simulation{
			workers: 4, backlog: 4096, wait: c.wait, length: length, seed: 1,
			arrivals: between(0, overload, 200, 2), service: fixed(40 * ms),
		}.run()
		line := ""
		for at := time.Duration(0); at < length; at += time.Second {
			if took := o.longest(at, at+time.Second); took > 0 {
				line += fmt.Sprintf("L%.1f %.1f", x(at), y(took.Seconds()))
			}
		}
		fmt.Fprintf(&b, `<path class="%s" d="M%s"/><path class="%s" d="M%g %dh24"/><text x="%g" y="%d">%s: %d of 100 in time, %d refused</text>`+"\n",
			c.class, line[1:], c.class, left+320, 60+22*n, left+352, 64+22*n, c.name, int(o.rate(0, overload, time.Second)), o.refused())
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}
