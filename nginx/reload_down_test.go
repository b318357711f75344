package nginx

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
)

// TestDown: marks in a rendered file are those that rendering makes.
func TestDown(t *testing.T) {
	for _, listen := range []fcgisup.Listen{{Path: "/run/a%i.sock"}, {Path: "/run/a b%i.sock"}, {Host: "::", Port: 9100}, {Port: 9100}} {
		app := fcgisup.App{Name: "a", Instances: 12, Listen: listen, Nginx: fcgisup.Nginx{Upstream: "a", Balance: "least_conn", Location: "/"}}
		plain := Render(app, Options{})[1].Data
		want := Render(app, Options{Down: map[int]bool{1: true, 12: true}})[1].Data
		got := Down(plain, app.Instance(1).Address, app.Instance(12).Address, app.Instance(13).Address)
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", listen, diff)
		}
		if bytes.Equal(got, plain) || !bytes.Equal(plain, Render(app, Options{})[1].Data) {
			t.Errorf("%s: nothing is marked, or what was given is changed", listen)
		}
	}
}
