package supervisor

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
)

// What a worker says of a denial is kept though it lives on, and logged once.
func TestDenialIsKept(t *testing.T) {
	var log strings.Builder
	app := fcgisup.Default("x")
	i := &instance{opt: &Options{Denied: app.Denied}, log: slog.New(slog.NewTextHandler(&log, nil))}
	begin := time.Unix(1000, 0)
	for n, line := range []string{"7: all is well", "7: open /usr/x/a: Read-only file system", "7: open /usr/x/b: Read-only file system", "7: the end"} {
		i.noteDenial(line, begin.Add(time.Duration(n)*time.Second))
	}
	d := i.denial.Load()
	if d == nil || d.Path != "/usr/x/b" || !d.At.Equal(begin.Add(2*time.Second)) || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("%+v, log: %s", d, log.String())
	}
	i = &instance{opt: &Options{}}
	if i.noteDenial("7: open /usr/x: Read-only file system", begin); i.denial.Load() != nil {
		t.Error("a denial without a sandbox")
	}
}
