package control

import (
	"context"
	"net/http"
	"time"
)

// ConfigTimeout bounds the question to one supervisor: without an answer it is merely reloaded.
const ConfigTimeout = 2 * time.Second

// ConfigSum asks a supervisor what it has read; empty when it does not say, as earlier versions cannot.
func ConfigSum(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, ConfigTimeout)
	defer cancel()
	var said ConfigRead
	if err := Ask(ctx, path, http.MethodGet, ConfigTarget, &said); err != nil {
		return ""
	}
	return said.Sum
}
