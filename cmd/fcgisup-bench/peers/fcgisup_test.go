package peers

import (
	"os"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestReloadKeepsEnvironment: a reload adds a variable to those of the program, and takes none.
func TestReloadKeepsEnvironment(t *testing.T) {
	h := &Host{Dir: t.TempDir(), Fcgisup: "/bin/true"}
	s := &Service{host: h, ops: map[Op]Action{}, Spec: Spec{Name: "b1", Workers: 2, Program: Program{
		Command: []string{"/bin/true"}, Env: map[string]string{"PHP_FCGI_MAX_REQUESTS": "0", "B": "1, {2}"},
	}}}
	a := &app{s, shared, h.path(s.Spec, ".yaml")}
	a.operate()
	for range 2 {
		if err := a.ops[Reload].Do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(a.config)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Apps map[string]struct {
			Environment map[string]string
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	env := config.Apps["b1"].Environment
	if len(env) != 3 || env["PHP_FCGI_MAX_REQUESTS"] != "0" || env["B"] != "1, {2}" || strings.TrimLeft(env["BENCH_RELOAD"], "0123456789") != "" {
		t.Errorf("the environment is %v", env)
	}
}
