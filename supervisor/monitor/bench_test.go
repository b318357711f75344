package monitor

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// BenchmarkReport is what one report of 10,000 instances costs, of which one in
// ten is awake, and what all of it takes of memory.
func BenchmarkReport(b *testing.B) {
	const instances, awake = 10_000, 1_000
	host := newBed(on("a", instances, 1000))
	host.Monitor.units = unitsView{all: map[string]Unit{}, at: time.Now(), known: true}
	for n := range instances {
		host.Monitor.units.all[fmt.Sprintf("a@%d.socket", n+1)] = listening
	}
	for n := range awake {
		path := fmt.Sprint(n)
		st := up("a", n+1)
		st.Workers = make([]control.WorkerStatus, 4)
		host.controls[path] = &controlSocket{path: path, all: []control.Status{st}, at: time.Now()}
	}
	for b.Loop() {
		host.report()
	}
	b.StopTimer()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB")
	r, _ := host.Feed().Latest()
	runtime.KeepAlive(r)
}
