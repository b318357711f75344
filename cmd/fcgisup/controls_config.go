package main

import (
	"context"
	"net/http"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// configPatience bounds the question to one supervisor: without an answer it is merely reloaded.
const configPatience = 2 * time.Second

// configOf asks a supervisor what it has read; empty when it does not say, as those of before cannot.
func configOf(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, configPatience)
	defer cancel()
	var said control.ConfigRead
	if err := askFor(ctx, path, http.MethodGet, control.ConfigTarget, &said); err != nil {
		return ""
	}
	return said.Sum
}
