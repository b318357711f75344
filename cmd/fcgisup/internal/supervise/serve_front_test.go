package supervise

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/fcgi"
)

func TestFrontGetsWhatNginxWouldSend(t *testing.T) {
	a := fcgisup.Default("rt")
	a.Nginx.Location = "/rt/"
	a.Nginx.Params = map[string]string{"PATH_INFO": "$uri", "DOCUMENT_ROOT": "/srv", "X": "a"}
	r := &Runner{params: map[string]string{"X": "b"}}
	f, ok := r.front(a, a.Expand()).(*fcgi.Front)
	if !ok {
		t.Fatal("no front")
	}
	if f.ScriptName != "/rt" || len(f.Backends) != 1 {
		t.Errorf("%+v", f)
	}
	if diff := cmp.Diff(map[string]string{"DOCUMENT_ROOT": "/srv", "X": "b"}, f.Params); diff != "" {
		t.Error(diff)
	}
	a.Nginx.Params["SCRIPT_NAME"] = ""
	if f, ok := r.front(a, a.Expand()).(*fcgi.Front); !ok || f.ScriptName != "" {
		t.Error("SCRIPT_NAME of nginx.params does not win")
	}
}
