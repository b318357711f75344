package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestConfigRead: a supervisor tells the sum that apply makes of the same app, wherever in the file other things change.
func TestConfigRead(t *testing.T) {
	cfg, err := fcgisup.Parse("test", []byte(applyConfig(2)))
	if err != nil {
		t.Fatal(err)
	}
	want, err := deploy.ConfigSum(cfg.Apps[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		text string
		code int
		same bool
	}{
		{applyConfig(2), http.StatusOK, true},
		{applyConfig(5) + "monitor: {interval: 9s}\n", http.StatusOK, true},
		{applyConfig(2, "environment: {A: b}"), http.StatusOK, false},
		{"apps: nonsense", http.StatusNotFound, false},
		{"", http.StatusNotFound, false},
	} {
		r := &runner{}
		if r.source.app = "web"; test.text != "" {
			text := []byte(test.text)
			r.source.text.Store(&text)
		}
		w := httptest.NewRecorder()
		r.controls(&supervisor.Supervisor{}, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, control.ConfigTarget, nil))
		if w.Code != test.code || strings.Contains(w.Body.String(), want) != test.same {
			t.Errorf("with %q it answers %d %s, the sum is %s", test.text, w.Code, w.Body, want)
		}
	}
}
