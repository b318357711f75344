package listen

import (
	"fmt"
	"net"
)

// controlMode lets the supervisor's user connect, and root.
const controlMode = 0o600

// Control listens on a control socket that only its owner, and root, may
// use. A stale file is replaced, a live one is an error that names its owner.
func Control(path string) (net.Listener, error) {
	s, err := replaceStale(path, controlBacklog, ownership{-1, -1, controlMode}, findNow)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the control socket %s: %w", path, err)
	}
	l, err := netListener(s)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the control socket %s: %w", path, err)
	}
	return l, nil
}
