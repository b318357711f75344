package web

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/internal/openapi"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// pageRoutes are those of the page, which serves what is not the API.
var pageRoutes = []string{"GET /", "GET /events"}

// TestOpenAPI holds docs/monitor-api.yaml to the routes and to the types of their answers, in both directions. The receivers of
// alerts are another part's.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	d, err := openapi.Load("../../../docs/monitor-api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(pageRoutes)
	for _, r := range (&server{Options{Page: http.NotFoundHandler(), Metrics: http.NotFoundHandler()}}).routes() {
		want = append(want, r.pattern)
	}
	slices.Sort(want)
	if got := d.Operations(); !slices.Equal(got, want) {
		t.Errorf("the document has %q, the handler has %q", got, want)
	}
	types := openapi.Types{Enums: map[reflect.Type][]string{}, Encoded: map[reflect.Type]reflect.Type{
		reflect.TypeFor[control.Histogram](): reflect.TypeFor[struct {
			Count   uint64   `json:"count"`
			Sum     float64  `json:"sum_seconds"`
			Buckets []uint64 `json:"buckets"`
		}](),
	}}
	add := func(of reflect.Type, values []string) { types.Enums[of] = values }
	add(openapi.EnumOf(monitor.Healths))
	add(openapi.EnumOf(control.InstanceStates))
	add(openapi.EnumOf(control.States))
	add(openapi.EnumOf(control.TemplateStates))
	add(openapi.EnumOf(control.Causes))
	add(openapi.EnumOf(control.Directions))
	add(openapi.EnumOf(fcgisup.ProbeClasses))
	add(openapi.EnumOf([]control.PingVerdict{control.PingAnswers, control.PingNone}))
	for _, err := range types.Compare(d, "GET /api/v1/status", http.StatusOK, reflect.TypeFor[monitor.Report]()) {
		t.Error(err)
	}
	for _, err := range types.Compare(d, "POST /api/v1/restart", http.StatusConflict, reflect.TypeFor[failure]()) {
		t.Error(err)
	}
}

// TestOpenAPIAnswers validates answers, with and without the token.
func TestOpenAPIAnswers(t *testing.T) {
	t.Parallel()
	d, err := openapi.Load("../../../docs/monitor-api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const bearer = "Authorization: Bearer " + theToken
	now := time.Now()
	s := newSite(t, theToken)
	s.valid = context.Background()
	s.feed.Publish(&monitor.Report{Host: "h", At: now, Version: "1", ConfigError: "no", Apps: []monitor.App{{Name: "a", Instances: []monitor.Instance{{
		App: "a", Number: 1, Health: monitor.Up, History: []monitor.Span{{Health: monitor.Down}},
		Probe: &control.ProbeStatus{Class: fcgisup.ProbeTimeout}, SocketUnit: "active/listening",
	}}}}})
	for _, c := range []struct {
		operation, target string
		headers           []string
	}{
		{"GET /api/v1/status", "/api/v1/status", []string{bearer}},
		{"GET /api/v1/status", "/api/v1/status?app=none", []string{bearer}},
		{"GET /api/v1/status", "/api/v1/status", nil},
		{"GET /api/v1/alerts", "/api/v1/alerts", []string{bearer}},
		{"POST /api/v1/restart", "/api/v1/restart?app=a", []string{bearer}},
		{"POST /api/v1/restart", "/api/v1/restart?app=bad", []string{bearer}},
		{"POST /api/v1/restart", "/api/v1/restart", []string{bearer}},
		{"POST /api/v1/restart", "/api/v1/restart", nil},
	} {
		method := http.MethodGet
		if c.operation[:4] == "POST" {
			method = http.MethodPost
		}
		resp := s.ask(t, method, c.target, c.headers...)
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range d.Validate(c.operation, resp.StatusCode, body) {
			t.Errorf("%s: %v: %s", c.target, err, body)
		}
	}
}
