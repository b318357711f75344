package nginx

import (
	"context"
	"strconv"
	"sync"
)

// resolvesFrom is the first version whose servers take the parameter resolve without a subscription.
var resolvesFrom = [3]int{1, 27, 3}

// Resolves reports whether the nginx that is installed here follows the addresses of host names while it runs.
var Resolves = sync.OnceValue(func() bool {
	binary, ok := Binary()
	if !ok {
		return false
	}
	out, err := command(context.Background(), binary, "-v")
	return err == nil && resolves(string(out))
})

var versionIn = pattern(`nginx/(\d+)\.(\d+)\.(\d+)`)

func resolves(version string) bool {
	m := versionIn().FindStringSubmatch(version)
	if m == nil {
		return false
	}
	for i, want := range resolvesFrom {
		if n, err := strconv.Atoi(m[i+1]); err != nil || n != want {
			return err == nil && n > want
		}
	}
	return true
}
