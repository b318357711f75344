package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/doctor"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// largestStatus is what the code can make at most: each field that there is, at its
// largest, with the texts that take the most room in JSON.
func largestStatus() control.Status {
	var st control.Status
	enlarge(reflect.ValueOf(&st).Elem())
	st.App, st.Instance = strings.Repeat("a", 64), fcgisup.MaxInstances
	st.Address, st.State = "/"+strings.Repeat(`"`, 106), control.InstanceFailing
	st.ConfigError = strings.Repeat(`"`, control.MaxConfigError)
	for n := range st.Workers {
		st.Workers[n].State, st.Workers[n].MemoryKind = control.Starting, "pss"
	}
	return st
}

func enlarge(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Repeat(`"`, control.MaxStatusText))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		enlarge(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 12, 31, 23, 59, 59, 999999999, time.FixedZone("", -3600))))
			return
		}
		for n := range v.NumField() {
			if v.Field(n).CanSet() {
				enlarge(v.Field(n))
			}
		}
	case reflect.Slice:
		size := control.MaxFailureLines
		if v.Type() == reflect.TypeFor[[]control.WorkerStatus]() {
			size = fcgisup.MaxWorkers
		}
		v.Set(reflect.MakeSlice(v.Type(), size, size))
		for n := range size {
			enlarge(v.Index(n))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for n := range 20 {
			key := reflect.New(v.Type().Key()).Elem()
			key.SetString(fmt.Sprintf("some-cause-%d", n))
			count := reflect.New(v.Type().Elem()).Elem()
			enlarge(count)
			v.SetMapIndex(key, count)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(math.MaxInt64)
	case reflect.Uint64:
		v.SetUint(math.MaxUint64)
	case reflect.Float64:
		v.SetFloat(math.MaxFloat64 / 3)
	default:
		panic("no largest " + v.Kind().String())
	}
}

// controlSocketOf answers every request of a control socket with these instances.
func controlSocketOf(t *testing.T, all []control.Status) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), control.ControlName)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.WriteString(w, "{}")
			return
		}
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		_ = e.Encode(all)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return path
}

// TestEveryReaderTakesTheLargestStatus: what a worker does, or prints, hides nothing.
func TestEveryReaderTakesTheLargestStatus(t *testing.T) {
	st := largestStatus()
	path := controlSocketOf(t, []control.Status{st})
	all, err := control.Fetch(t.Context(), nil, path)
	if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0].LastFailure, st.LastFailure) || len(all[0].Workers) != fcgisup.MaxWorkers {
		t.Fatalf("%d instances, %v", len(all), err)
	}
	for _, command := range []string{"status", "status --json", "top --once", "restart " + st.App} {
		var out, errs strings.Builder
		code := run(t.Context(), append(strings.Fields(command), "--control", path), stdio{strings.NewReader(""), &out, &errs})
		if !strings.Contains(out.String(), st.App) || code != term.ExitDone {
			t.Errorf("%s: %d, %.300s%.300s", command, code, out.String(), errs.String())
		}
	}
	in := fcgisup.Instance{App: st.App, Number: st.Instance}
	if told := (&control.Supervisors{Root: t.TempDir(), Extra: path}).Of(t.Context(), in, true); told.Status == nil {
		t.Error("check does not know it")
	}
	if why := doctor.WhyFailing(all[0]); !strings.HasPrefix(why, "it has no running worker: ") {
		t.Errorf("doctor: %.80s", why)
	}
	history, err := monitor.OpenHistory("")
	if err != nil {
		t.Fatal(err)
	}
	m := monitor.New(monitor.Options{
		Interval: time.Hour, Log: slog.New(slog.DiscardHandler),
		Status: func(ctx context.Context, path string, apps []fcgisup.App) ([]control.Status, error) {
			return control.Fetch(ctx, apps, path)
		},
		Sockets:   func() ([]string, error) { return []string{path}, nil },
		SocketOf:  func(fcgisup.Instance) string { return path },
		UnitNames: func(fcgisup.Instance) (string, string) { return "", "" },
		History:   history,
	})
	go m.Run(t.Context())
	within := time.After(20 * time.Second)
	for {
		if report, _ := m.Feed().Latest(); report != nil && len(report.Apps) == 1 {
			if got := report.Apps[0].Instances[0]; got.Health != monitor.Down || !strings.Contains(got.Why, "its workers fail") {
				t.Errorf("the monitor: %s, %.80s", got.Health, got.Why)
			}
			return
		}
		select {
		case <-within:
			t.Fatal("the monitor does not know it")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
