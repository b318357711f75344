package openapi

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Types holds schemas to Go types.
type Types struct {
	// Enums are the values of string types.
	Enums map[reflect.Type][]string
	// Encoded are types whose JSON is that of another type.
	Encoded map[reflect.Type]reflect.Type

	seen map[reflect.Type]bool
}

// EnumOf is an entry of Types.Enums. The empty value is left out of JSON.
func EnumOf[T ~string](values []T) (reflect.Type, []string) {
	var all []string
	for _, v := range values {
		if v != "" {
			all = append(all, string(v))
		}
	}
	return reflect.TypeFor[T](), all
}

// Compare says where the schema of a response and the Go type of the value that is encoded differ, in either direction.
func (t *Types) Compare(d *Document, operation string, status int, of reflect.Type) []error {
	s, err := d.response(operation, status)
	if err != nil {
		return []error{err}
	}
	if s == nil {
		return []error{fmt.Errorf("%s: response %d is not JSON", operation, status)}
	}
	if t.seen == nil {
		t.seen = map[reflect.Type]bool{}
	}
	return t.compare(d, operation, s, of)
}

func (t *Types) compare(d *Document, at string, s *Schema, of reflect.Type) []error {
	if s == nil {
		return []error{fmt.Errorf("%s: there is no schema", at)}
	}
	d, s, err := d.resolve(s)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", at, err)}
	}
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if as := t.Encoded[of]; as != nil {
		of = as
	}
	want, format := jsonType(of)
	if s.Type != want || s.Format != format {
		return []error{fmt.Errorf("%s: the schema says %q %q, the code %q %q", at, s.Type, s.Format, want, format)}
	}
	switch {
	case format != "":
		return nil
	case of.Kind() == reflect.Struct:
		if t.seen[of] {
			return nil
		}
		t.seen[of] = true
		return t.structure(d, at, s, of)
	case of.Kind() == reflect.Slice:
		return t.compare(d, at+"[]", s.Items, of.Elem())
	case of.Kind() == reflect.Map:
		return append(t.enum(d, at, of.Key(), s.PropertyNames), t.compare(d, at+"{}", s.Additional, of.Elem())...)
	case of.Kind() == reflect.String:
		return t.enum(d, at, of, s)
	default:
		return nil
	}
}

// enum compares the values of a string type with those of a schema.
func (t *Types) enum(d *Document, at string, of reflect.Type, s *Schema) []error {
	var said []string
	if s != nil {
		_, s, err := d.resolve(s)
		if err != nil {
			return []error{fmt.Errorf("%s: %w", at, err)}
		}
		said = s.Enum
	}
	if want := t.Enums[of]; !sameSet(want, said) {
		return []error{fmt.Errorf("%s: the schema has the values %v, the code %v", at, said, want)}
	}
	return nil
}

func (t *Types) structure(d *Document, at string, s *Schema, of reflect.Type) []error {
	var all []error
	var required []string
	left := maps.Clone(s.Properties)
	for n := range of.NumField() {
		f := of.Field(n)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" || tag == "-" {
			continue
		}
		under := s.Properties[tag]
		delete(left, tag)
		if under == nil {
			all = append(all, fmt.Errorf("%s.%s: the schema has no such property", at, tag))
			continue
		}
		if under.Description == "" && under.Ref == "" {
			all = append(all, fmt.Errorf("%s.%s has no description", at, tag))
		}
		if !strings.Contains(options, "omit") {
			required = append(required, tag)
		}
		all = append(all, t.compare(d, at+"."+tag, under, f.Type)...)
	}
	for name := range left {
		all = append(all, fmt.Errorf("%s.%s: the code has no such field", at, name))
	}
	if !sameSet(required, s.Required) {
		all = append(all, fmt.Errorf("%s: the schema requires %v, the code writes always %v", at, s.Required, required))
	}
	return all
}

// jsonType is the type of a Go type in JSON, and its format.
func jsonType(of reflect.Type) (kind, format string) {
	if of == reflect.TypeFor[time.Time]() {
		return "string", "date-time"
	}
	switch of.Kind() {
	case reflect.String:
		return "string", ""
	case reflect.Bool:
		return "boolean", ""
	case reflect.Int, reflect.Uint64:
		return "integer", ""
	case reflect.Float64:
		return "number", ""
	case reflect.Slice:
		return "array", ""
	case reflect.Map, reflect.Struct:
		return "object", ""
	default:
		return of.Kind().String(), ""
	}
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
