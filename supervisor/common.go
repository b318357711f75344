package supervisor

import (
	"sync"
	"time"
)

// common is what the instances of a process share. New makes it; it is safe for concurrent use.
type common struct {
	recycleLock *recycleLock
	// siblings are the instances of this process, which take samples one at a
	// time, at moments counted from began.
	siblings int
	sampling sync.Mutex
	began    time.Time
	// programChecks has room for as many checks of programs as may run at the same time.
	programChecks chan struct{}
	// pings is what is known of the programs and pings.
	pings *pingBook
}

func newCommon(opt *Options) *common {
	return &common{
		recycleLock:   newRecycleLock(opt.RecycleLockPath, opt.RecycleLockPaths),
		siblings:      len(opt.Sockets),
		began:         time.Now(),
		programChecks: make(chan struct{}, maxProgramChecks),
		pings:         &pingBook{record: pingRecord{opt.PingRecord, opt.PingRecords}},
	}
}
