package main

import (
	"context"
	"slices"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// status asks a supervisor. Below Root it may speak of no more than its
// directory's name says: that is its app's user's, who must not speak for other apps.
func (m *monitoring) status(ctx context.Context, socket string, apps []fcgisup.App) ([]control.Status, error) {
	if slices.Contains(m.controls, socket) {
		return control.FetchAny(ctx, socket)
	}
	return control.FetchFew(ctx, apps, socket)
}
