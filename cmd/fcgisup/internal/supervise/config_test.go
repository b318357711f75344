package supervise

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// configOf is the configuration of the app "web" with so many instances; more is a further key of it.
func configOf(instances int, more ...string) string {
	return fmt.Sprintf("apps:\n  web:\n    command: [/opt/web]\n    instances: %d\n", instances) + strings.Join(more, "")
}

// TestConfigRead: a supervisor tells the sum that apply makes of the same app, wherever in the file other things change.
func TestConfigRead(t *testing.T) {
	cfg, err := fcgisup.Parse("test", []byte(configOf(2)))
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
		{configOf(2), http.StatusOK, true},
		{configOf(5) + "monitor: {interval: 9s}\n", http.StatusOK, true},
		{configOf(2, "    environment: {A: b}\n"), http.StatusOK, false},
		{"apps: nonsense", http.StatusNotFound, false},
		{"", http.StatusNotFound, false},
	} {
		r := &Runner{}
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
