package control

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestClean: no text of a status survives as it was written by a hostile supervisor,
// whatever field it is in.
func TestClean(t *testing.T) {
	var st Status
	spoil(reflect.ValueOf(&st).Elem())
	st.Clean()
	text, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), evil) {
		t.Errorf("%s", text)
	}
	if st.App != `x\u202e` || st.LastFailure.Output[0] != `x\u202e` || len(st.Restarts) != 0 || st.Workers[0].State != `x\u202e` {
		t.Errorf("%+v", st)
	}
	st = Status{Restarts: map[Cause]uint64{Crash: 3}, LastFailure: &Failure{At: time.Unix(1, 0), Detail: strings.Repeat("x", 1<<20)}}
	if st.Clean(); st.Restarts[Crash] != 3 || len(st.LastFailure.Detail) > cleanText || !st.LastFailure.At.Equal(time.Unix(1, 0)) {
		t.Errorf("%+v", st)
	}
}

const evil = "x\u202e"

// spoil puts evil into every text.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(evil)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		spoil(v.Elem())
	case reflect.Struct:
		for n := range v.NumField() {
			if v.Field(n).CanSet() && v.Type() != reflect.TypeFor[time.Time]() {
				spoil(v.Field(n))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		spoil(v.Index(0))
	case reflect.Map:
		key := reflect.New(v.Type().Key()).Elem()
		key.SetString(evil)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, reflect.Zero(v.Type().Elem()))
	default:
	}
}
