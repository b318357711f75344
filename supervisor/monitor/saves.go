package monitor

import (
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor/history"
)

const (
	// saveAfter is what a kill can lose of the changes, in time.
	saveAfter = 10 * time.Second
	// saveAnyway saves also when nothing has changed, so that the time until now is not a gap.
	saveAnyway = time.Minute
)

// saves is when and how the history was saved.
type saves struct {
	at     time.Time     // zero: never
	ended  chan struct{} // closed by the last one's end; nil: none
	warned bool
}

// save saves the history if that is due, beside the loop: a disk may be slow.
func (m *Monitor) save() {
	since := time.Since(m.saves.at)
	if m.opt.HistoryFile == "" || since < saveAfter || since < saveAnyway && !m.opt.History.Dirty() {
		return
	}
	if m.saves.ended != nil {
		select {
		case <-m.saves.ended:
		default:
			return // the disk is slow
		}
	}
	m.opt.History.Forget(time.Now().Add(-history.Window))
	m.saves.at = time.Now()
	ended := make(chan struct{})
	m.saves.ended = ended
	go func() {
		err := m.opt.History.Save(m.opt.HistoryFile)
		close(ended)
		m.post(func() { m.saved(err) })
	}()
}

// saveLast saves what there is, at the end.
func (m *Monitor) saveLast() {
	if m.opt.HistoryFile == "" {
		return
	}
	if m.saves.ended != nil {
		<-m.saves.ended
	}
	m.saved(m.opt.History.Save(m.opt.HistoryFile))
}

func (m *Monitor) saved(err error) {
	if err != nil {
		m.counts.saveErrors.Add(1)
		if !m.saves.warned {
			m.opt.Log.Error("the history is in memory only", "error", err)
		}
	}
	m.saves.warned = err != nil
}
