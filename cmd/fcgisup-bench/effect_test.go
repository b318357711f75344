package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLook: it is seen when it is there, and what is missing in the end is told.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		after, err := look(t.Context(), func() string {
			if time.Since(begin) < 300*time.Millisecond {
				return "something"
			}
			return ""
		})
		if err != nil || after < 300*time.Millisecond || after > 300*time.Millisecond+effectLook {
			t.Errorf("it was there after 300 ms: %v, %v", after, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := look(ctx, func() string { return "all of it" }); err == nil || !strings.Contains(err.Error(), "all of it") {
			t.Errorf("nothing came: %v", err)
		}
		if _, err := look(t.Context(), nil); !errors.Is(err, errNotLookedFor) {
			t.Errorf("nothing to look for: %v", err)
		}
	})
}
