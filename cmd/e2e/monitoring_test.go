package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

const (
	alertsPath    = "../../testdata/alerts/fcgisup.yml"
	dashboardPath = "../../testdata/grafana/fcgisup.json"
)

// TestMonitoringNamesMetrics: every metric that a panel or an alert asks for, with every label that it asks for, is
// what a running supervisor shows.
func TestMonitoringNamesMetrics(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "shown", fmt.Sprintf("command: [%s]\nhealth: {interval: 100ms}", appPath(t, "hello.pl")))
	s.hello(t, nil)
	s.until(t, 10*time.Second, func(st control.Status) error {
		if st.Probe == nil {
			return errors.New("no probe yet")
		}
		return nil
	})
	samples := strings.Split(s.metrics(t), "\n")
	monitored := s.monitored(t)
	expressions := append(dashboardExpressions(t), alertExpressions(t)...)
	if len(expressions) < 20 {
		t.Fatalf("%d expressions only", len(expressions))
	}
	asked := map[string]bool{}
	for _, expression := range expressions {
		for _, selector := range selectors.FindAllStringSubmatch(expression, -1) {
			asked[selector[1]] = true
			if !slices.ContainsFunc(append(monitored, samples...), func(sample string) bool { return selects(selector[1], selector[2], sample) }) {
				t.Errorf("%s selects nothing, in %s", selector[0], expression)
			}
		}
	}
	for _, sample := range samples { // and nothing is measured that is not shown
		name, _, _ := strings.Cut(sample, "{")
		if histogram := strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count"); histogram != name {
			continue
		}
		if strings.HasPrefix(name, "fcgisup_") && !asked[name] {
			t.Errorf("no panel or alert shows %s", name)
			asked[name] = true
		}
	}
}

// monitored are the samples of a monitor of the app, with one target of alerts.
func (s *supervised) monitored(t *testing.T) []string {
	t.Helper()
	apps, err := os.ReadFile(s.configPath())
	if err != nil {
		t.Fatal(err)
	}
	host := fmt.Sprintf("\nmonitor: {listen: %s/monitor.sock, interval: 1s}\nalerts: {to: [{exec: [/bin/true]}]}\n", s.dir)
	if err := os.WriteFile(s.configPath(), append(apps, host...), 0o644); err != nil {
		t.Fatal(err)
	}
	m := s.monitor(t, "")
	m.control = m.address
	within(t, 20*time.Second, func() error {
		return m.alertMetrics(t, `fcgisup_instance_health{app="shown",health="up",instance="1"} 1`)
	})
	return strings.Split(m.metrics(t), "\n")
}

var (
	selectors = regexp.MustCompile(`(fcgisup_[a-z_]+)(?:\{([^}]*)\})?`)
	matchers  = regexp.MustCompile(`([a-z_]+)(=~?)"([^"]*)"`)
)

// selects reports whether a sample of /metrics is one that the selector takes; $app and such take all.
func selects(name, labels, sample string) bool {
	if labels == "" && strings.HasPrefix(sample, name+" ") {
		return true
	}
	rest, ok := strings.CutPrefix(sample, name+"{")
	if !ok {
		return false
	}
	for _, m := range matchers.FindAllStringSubmatch(labels, -1) {
		pattern := regexp.QuoteMeta(m[3])
		if m[2] == "=~" {
			pattern = m[3]
		}
		if strings.HasPrefix(m[3], "$") {
			pattern = `[^"]*`
		}
		if !regexp.MustCompile(`(^|,)` + m[1] + `="(?:` + pattern + `)"`).MatchString(rest) {
			return false
		}
	}
	return true
}

// dashboardExpressions checks the dashboard's form, too: what Grafana refuses or shows as an empty panel.
func dashboardExpressions(t *testing.T) []string {
	t.Helper()
	type grid struct{ X, Y, W, H int }
	var dashboard struct {
		Title, UID    string
		SchemaVersion int
		Templating    struct {
			List []struct{ Name, Type string }
		}
		Panels []struct {
			ID         int
			Type       string
			Title      string
			Datasource struct{ Type, UID string }
			GridPos    grid
			Targets    []struct{ RefID, Expr, LegendFormat string }
		}
	}
	data, err := os.ReadFile(dashboardPath)
	if err == nil {
		err = json.Unmarshal(data, &dashboard)
	}
	if err != nil || dashboard.Title == "" || dashboard.UID == "" || dashboard.SchemaVersion < 30 {
		t.Fatalf("dashboard %q, uid %q, schema %d: %v", dashboard.Title, dashboard.UID, dashboard.SchemaVersion, err)
	}
	known := map[string]bool{"__rate_interval": true}
	for _, v := range dashboard.Templating.List {
		known[v.Name] = true
	}
	var all []string
	ids := map[int]bool{}
	for n, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q is not in order", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, q := range dashboard.Panels[:n] {
			g, h := p.GridPos, q.GridPos
			if g.X < h.X+h.W && h.X < g.X+g.W && g.Y < h.Y+h.H && h.Y < g.Y+g.H {
				t.Errorf("panels %q and %q overlap", p.Title, q.Title)
			}
		}
		for _, target := range p.Targets {
			for _, v := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				if !known[v[1]] {
					t.Errorf("panel %q asks for the variable %s", p.Title, v[0])
				}
			}
			all = append(all, target.Expr)
		}
	}
	return all
}

// ruleFile is the form that promtool checks: Prometheus, "Defining recording rules" and "alerting rules".
type ruleFile struct {
	Groups []struct {
		Name     string
		Interval string `yaml:",omitempty"`
		Limit    int    `yaml:",omitempty"`
		Rules    []struct {
			Alert, Expr, For string
			KeepFiringFor    string `yaml:"keep_firing_for"`
			Labels           map[string]string
			Annotations      map[string]string
		}
	}
}

var promDuration = regexp.MustCompile(`^([0-9]+(ms|[smhdwy]))+$`)

func alertExpressions(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(alertsPath)
	if err != nil {
		t.Fatal(err)
	}
	var file ruleFile
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	var all []string
	names := map[string]bool{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if names[rule.Alert] || !regexp.MustCompile(`^Fcgisup[A-Za-z]+$`).MatchString(rule.Alert) {
				t.Errorf("alert %q has another's name, or none", rule.Alert)
			}
			names[rule.Alert] = true
			if rule.For != "" && !promDuration.MatchString(rule.For) {
				t.Errorf("%s: for: %q", rule.Alert, rule.For)
			}
			if s := rule.Labels["severity"]; s != "warning" && s != "critical" {
				t.Errorf("%s: severity %q", rule.Alert, s)
			}
			if strings.Count(rule.Expr, "(") != strings.Count(rule.Expr, ")") {
				t.Errorf("%s: parentheses in %s", rule.Alert, rule.Expr)
			}
			for _, name := range []string{"summary", "description"} {
				if err := rendered(rule.Annotations[name]); err != nil {
					t.Errorf("%s: %s: %v", rule.Alert, name, err)
				}
			}
			all = append(all, rule.Expr)
		}
	}
	return all
}

// rendered has an annotation rendered as Prometheus does it.
func rendered(text string) error {
	if text == "" {
		return errors.New("missing")
	}
	same := func(v any) any { return v }
	parsed, err := template.New("").Option("missingkey=error").
		Funcs(template.FuncMap{"humanize": same, "humanizeDuration": same, "humanizePercentage": same}).
		Parse(`{{ $labels := .Labels }}{{ $value := .Value }}` + text)
	if err != nil {
		return err
	}
	return parsed.Execute(io.Discard, map[string]any{"Labels": map[string]string{"app": "rt", "instance": "1", "receiver": "pager"}, "Value": 1.0})
}

// TestPromtool has the rules checked, and their own tests run, by Prometheus itself where it is installed.
func TestPromtool(t *testing.T) {
	inTurn(t, light)
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not installed: the rules were checked by TestMonitoringNamesMetrics alone")
		return
	}
	for _, args := range [][]string{{"check", "rules", "fcgisup.yml"}, {"test", "rules", "fcgisup_test.yml"}} {
		command := exec.Command(promtool, args...)
		command.Dir = filepath.Dir(alertsPath)
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
