package control

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/internal/openapi"
)

// TestOpenAPI holds docs/control-api.yaml to the routes of the handlers and to the types of their answers, in both directions.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	d, err := openapi.Load("../../docs/control-api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range routes(nil, nil, nil) {
		want = append(want, r.method+" "+r.path)
	}
	for path := range (Pod{}).verdicts() {
		want = append(want, http.MethodGet+" "+path)
	}
	slices.Sort(want)
	if got := d.Operations(); !slices.Equal(got, want) {
		t.Errorf("the document has %q, the handlers have %q", got, want)
	}
	types := openapi.Types{Enums: map[reflect.Type][]string{}, Encoded: map[reflect.Type]reflect.Type{
		reflect.TypeFor[Histogram](): reflect.TypeFor[histogramJSON](),
	}}
	add := func(of reflect.Type, values []string) { types.Enums[of] = values }
	add(openapi.EnumOf(InstanceStates))
	add(openapi.EnumOf(States))
	add(openapi.EnumOf(TemplateStates))
	add(openapi.EnumOf(Causes))
	add(openapi.EnumOf(Directions))
	add(openapi.EnumOf(fcgisup.ProbeClasses))
	add(openapi.EnumOf([]PingVerdict{PingUntried, PingAnswers, PingNone}))
	for operation, of := range map[string]reflect.Type{
		"GET /status": reflect.TypeFor[[]Status](), "GET /config": reflect.TypeFor[ConfigRead](), "POST /restart": reflect.TypeFor[outcome](),
	} {
		for _, err := range types.Compare(d, operation, http.StatusOK, of) {
			t.Error(err)
		}
	}
}

// TestOpenAPIAnswers validates answers of the handler, with everything that a status can hold.
func TestOpenAPIAnswers(t *testing.T) {
	t.Parallel()
	d, err := openapi.Load("../../docs/control-api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	h := Handler(everything{}, http.NotFoundHandler(), func() (ConfigRead, bool) { return ConfigRead{Sum: "x"}, true })
	for _, c := range []struct{ operation, target string }{
		{"GET /status", "/status"},
		{"GET /status", "/status?instance=0"},
		{"GET /config", "/config"},
		{"POST /restart", "/restart"},
		{"POST /restart", "/restart?instance=x"},
		{"POST /scale", "/scale?workers=3"},
		{"POST /scale", "/scale"},
		{"POST /reload", "/reload"},
	} {
		w := httptest.NewRecorder()
		method, _, _ := strings.Cut(c.operation, " ")
		h.ServeHTTP(w, httptest.NewRequest(method, c.target, nil))
		for _, err := range d.Validate(c.operation, w.Code, w.Body.Bytes()) {
			t.Errorf("%s: %v", c.target, err)
		}
	}
}

// everything is supervised, and has every field.
type everything struct{}

func (everything) FreshStatus(context.Context, int) []Status {
	var st Status
	fill(reflect.ValueOf(&st).Elem())
	return []Status{st, {Workers: []WorkerStatus{}, Restarts: map[Cause]uint64{}, Exits: map[Cause]uint64{}, ProbeFailures: map[fcgisup.ProbeClass]uint64{}, Scaled: map[Direction]uint64{}, State: Up}}
}
func (everything) Restart(context.Context, int) error    { return nil }
func (everything) Scale(context.Context, int, int) error { return errors.New("too many") }
func (everything) Reload(context.Context) (string, error) {
	return "instances is not applied", nil
}

// fill sets each field to a value that is not left out.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1, 5)))
		return
	case Histogram:
		v.Set(reflect.ValueOf(Histogram{Total: 1, Sum: 0.5}))
		return
	case Cause:
		v.Set(reflect.ValueOf(Crash))
		return
	case InstanceState:
		v.Set(reflect.ValueOf(Up))
		return
	case State:
		v.Set(reflect.ValueOf(Ready))
		return
	case TemplateState:
		v.Set(reflect.ValueOf(TemplateReady))
		return
	case Direction:
		v.Set(reflect.ValueOf(Upward))
		return
	case fcgisup.ProbeClass:
		v.Set(reflect.ValueOf(fcgisup.ProbeTimeout))
		return
	case PingVerdict:
		v.Set(reflect.ValueOf(PingNone))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for n := range v.NumField() {
			fill(v.Field(n))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(0.5)
	default:
		panic(v.Kind())
	}
}
