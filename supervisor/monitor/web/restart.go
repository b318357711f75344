package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/fcgisup/fcgisup"
)

// restart waits for the outcome: a rolling restart takes as long as workers take to start.
func (s *server) restart(w http.ResponseWriter, r *http.Request) {
	if token, _ := s.Token(); token == "" {
		fail(w, http.StatusForbidden, "actions need a token: monitor.token_file")
		return
	}
	if err := readForm(w, r); err != nil {
		fail(w, http.StatusBadRequest, "the form cannot be read")
		return
	}
	app, number := r.Form.Get("app"), 0
	if err := fcgisup.CheckName(app); err != nil {
		fail(w, http.StatusBadRequest, "app: "+err.Error())
		return
	}
	if text := r.Form.Get("instance"); text != "" {
		var err error
		if number, err = strconv.Atoi(text); err != nil || number < 1 {
			fail(w, http.StatusBadRequest, "instance must be a number from 1")
			return
		}
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a recorder has none
	if err := s.Restart(r.Context(), app, number); err != nil {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	reply(w, http.StatusOK, struct{}{})
}
