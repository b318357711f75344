package supervise

import (
	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/cmd/internal/httpserver"
)

const (
	// controlConnections and metricsConnections are for a few commands, monitors and scrapers.
	controlConnections = 32
	metricsConnections = 16
	// A request of the front has its client's connection, the worker's, and perhaps a spooled body.
	frontDescriptors = 3
	// A worker has its output's pipes and, while it starts and ends, some more.
	workerDescriptors = 8
	// reservedDescriptors are for all else that the supervisor opens, and what it reads in /proc.
	reservedDescriptors = 64
)

// FrontConnections is how many connections the front may have at once without taking
// descriptors from the supervisor: a worker that dies must be replaced also under a flood.
func FrontConnections(limit uint64, workers int) int {
	reserve := uint64(reservedDescriptors + controlConnections + metricsConnections + workers*workerDescriptors)
	reserve = min(reserve, limit-limit/8) // few workers are in use at once where the limit is that small
	return int(min(max((limit-reserve)/frontDescriptors, 1), httpserver.DefaultConnections))
}

// DescriptorLimit is that of this process, or a low one that every system allows.
func DescriptorLimit() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 256
	}
	return limit.Cur
}
