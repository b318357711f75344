package supervise

import (
	"net/http"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// controls is what the control socket serves.
func (r *Runner) controls(sup *supervisor.Supervisor, metrics http.Handler) http.Handler {
	return control.Handler(sup, metrics, r.source.read)
}

// read is of the file's text as it was last found good; an app of the command line has none.
func (s *runSource) read() (control.ConfigRead, bool) {
	text := s.text.Load()
	if text == nil {
		return control.ConfigRead{}, false
	}
	cfg, err := fcgisup.Parse("the configuration", *text, s.variables)
	if err != nil {
		return control.ConfigRead{}, false
	}
	a, err := term.PickApp(cfg, s.app)
	if err != nil {
		return control.ConfigRead{}, false
	}
	sum, err := deploy.ConfigSum(a)
	return control.ConfigRead{Sum: sum}, err == nil
}
