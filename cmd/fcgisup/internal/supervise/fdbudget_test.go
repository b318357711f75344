package supervise

import "testing"

// The front never takes what the supervisor needs to replace a worker, and is never shut out.
func TestFrontConnections(t *testing.T) {
	for _, tc := range []struct {
		limit   uint64
		workers int
		want    int
	}{
		{1 << 20, 1, 1024},
		{1024, 5, 290},
		{256, 1, 45},
		{256, 1000, 10},
		{1, 1, 1},
	} {
		if got := FrontConnections(tc.limit, tc.workers); got != tc.want {
			t.Errorf("%d descriptors, %d workers: %d connections, want %d", tc.limit, tc.workers, got, tc.want)
		}
	}
}
