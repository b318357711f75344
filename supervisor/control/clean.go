package control

import (
	"reflect"
	"time"

	"github.com/fcgisup/fcgisup"
)

// Clean makes all texts of a status that was read from a control socket safe to
// show: the socket is its app's user's, who may write what he likes there.
func (st *Status) Clean() { clean(reflect.ValueOf(st).Elem()) }

// cleanText bounds a text that no supervisor makes longer, in bytes.
const cleanText = MaxConfigError

// clean goes through all texts, of fields that are yet to come, too.
func clean(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() {
			v.SetString(fcgisup.PrintableAtMost(v.String(), cleanText))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			clean(v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for n := range v.NumField() {
			if v.Type().Field(n).IsExported() {
				clean(v.Field(n))
			}
		}
	case reflect.Slice:
		for n := range v.Len() {
			clean(v.Index(n))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if safe := fcgisup.PrintableAtMost(key.String(), cleanText); safe != key.String() {
				v.SetMapIndex(key, reflect.Value{}) // no word of ours
			}
		}
	default: // numbers and truths
	}
}
