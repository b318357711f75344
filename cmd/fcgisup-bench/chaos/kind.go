package chaos

import "time"

// Kind is a fault, or an order that must not lose anything.
type Kind string

// The kinds. Those from Restart on are not faults: fcgisup performs them, and no request may be lost.
const (
	KillWorker      Kind = "kill-worker"
	KillWorkers     Kind = "kill-all-workers"
	KillSupervisor  Kind = "kill-supervisor"
	StopWorker      Kind = "stop-worker"
	StopSupervisor  Kind = "stop-supervisor"
	FullDisk        Kind = "full-disk"
	SlowDisk        Kind = "slow-disk"
	FewFiles        Kind = "few-files-supervisor"
	FewFilesWorker  Kind = "few-files-worker"
	OutOfMemory     Kind = "out-of-memory"
	ShiftedClock    Kind = "shifted-clock"
	DeafLog         Kind = "deaf-log"
	ClosedLog       Kind = "closed-log"
	NoBus           Kind = "no-bus"
	NoJournal       Kind = "no-journal"
	BreakProgram    Kind = "break-program"
	Burst           Kind = "burst"
	Overload        Kind = "overload"
	SilentClients   Kind = "silent-clients"
	Deserters       Kind = "deserting-clients"
	Restart         Kind = "restart"
	Scale           Kind = "scale"
	EditConfig      Kind = "edit-config"
	BreakConfig     Kind = "break-config"
	Handover        Kind = "handover"
	BrokenSuccessor Kind = "broken-successor"
	ReloadNginx     Kind = "reload-nginx"
	Storm           Kind = "storm-of-orders"
)

// trait is how often a kind comes, and how long what it does lasts.
type trait struct {
	kind         Kind
	weight       int
	least, extra time.Duration
}

// traits are in a fixed order: a seed draws from them.
func traits() []trait {
	const ms = time.Millisecond
	return []trait{
		{KillWorker, 12, 0, 0},
		{KillWorkers, 5, 0, 0},
		{KillSupervisor, 8, 0, 0},
		{StopWorker, 6, 300 * ms, 3000 * ms},
		{StopSupervisor, 6, 2000 * ms, 1500 * ms},
		{FullDisk, 4, 500 * ms, 1500 * ms},
		{SlowDisk, 4, 500 * ms, 1500 * ms},
		{FewFiles, 4, 500 * ms, 1500 * ms},
		{FewFilesWorker, 4, 300 * ms, 1000 * ms},
		{OutOfMemory, 4, 0, 0},
		{ShiftedClock, 3, 0, 0},
		{DeafLog, 3, 500 * ms, 2000 * ms},
		{ClosedLog, 2, 0, 0},
		{NoBus, 2, 500 * ms, 1500 * ms},
		{NoJournal, 2, 300 * ms, 1000 * ms},
		{BreakProgram, 4, 1500 * ms, 2500 * ms},
		{Burst, 3, 300 * ms, 700 * ms},
		{Overload, 3, 5000 * ms, 4000 * ms},
		{SilentClients, 3, 300 * ms, 1500 * ms},
		{Restart, 8, 0, 0},
		{Scale, 6, 500 * ms, 1000 * ms},
		{EditConfig, 6, 0, 0},
		{BreakConfig, 4, 0, 0},
		{Handover, 8, 0, 0},
		{BrokenSuccessor, 3, 0, 0},
		{ReloadNginx, 4, 0, 0},
		{Deserters, 3, 300 * ms, 700 * ms},
		{Storm, 8, 0, 0},
	}
}
