package supervisor

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
)

func TestAReloadNamesWhatItDoesNotApply(t *testing.T) {
	for key, change := range map[string]func(*fcgisup.App){
		"":               func(a *fcgisup.App) { a.Limits.MaxAge = 1 << 40 },
		"activation":     func(a *fcgisup.App) { a.Activation = fcgisup.Fleet },
		"listen":         func(a *fcgisup.App) { a.Listen.Path += "2" },
		"socket.user":    func(a *fcgisup.App) { a.Socket.User = "www-data" },
		"socket.group":   func(a *fcgisup.App) { a.Socket.Group = "www-data" },
		"socket.mode":    func(a *fcgisup.App) { a.Socket.Mode = 0o666 },
		"socket.backlog": func(a *fcgisup.App) { a.Socket.Backlog++ },
		"instances":      func(a *fcgisup.App) { a.Instances = 7 },
	} {
		t.Run(key, func(t *testing.T) {
			b := run(t, "serve", func(a *fcgisup.App) { a.Activation = fcgisup.Lazy })
			next := b.app
			change(&next)
			b.next.Store(&next)
			note, err := b.sup.Reload(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if key == "" {
				if note != "" {
					t.Errorf("%q although all is applied", note)
				}
				return
			}
			if !strings.HasPrefix(note, key+": ") || strings.Contains(note, ";") || !strings.Contains(b.journal.String(), key+": ") {
				t.Errorf("%q; the log %s", note, b.journal.String())
			}
		})
	}
}

func TestAReloadNamesAllThatItDoesNotApply(t *testing.T) {
	b := run(t, "serve")
	next := b.app
	next.Listen.Path += "2"
	next.Socket.Mode, next.Socket.Backlog = 0o644, 7
	b.next.Store(&next)
	code, body := b.control()(http.MethodPost, "/reload")
	if code != http.StatusOK {
		t.Fatal(code, body)
	}
	for _, want := range []string{"listen: ", "socket.mode: 0644 is not applied, 0600 is in use", "socket.backlog: 7 is not applied, 128 is in use", "fcgisup apply"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s lacks %q", body, want)
		}
	}
}
