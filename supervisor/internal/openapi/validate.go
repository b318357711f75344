package openapi

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// Validate says what of a JSON answer to an operation, such as "GET /status", is not as described.
func (d *Document) Validate(operation string, status int, body []byte) []error {
	s, err := d.response(operation, status)
	if err != nil {
		return []error{err}
	}
	if s == nil {
		return []error{fmt.Errorf("%s: response %d is not JSON", operation, status)}
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return []error{err}
	}
	return d.value("", s, value)
}

// value says what of a value is not as its schema describes it. at is where it is.
func (d *Document) value(at string, s *Schema, value any) []error {
	d, s, err := d.resolve(s)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", at, err)}
	}
	wrong := func(format string, args ...any) []error {
		return []error{fmt.Errorf("%s: "+format, append([]any{at}, args...)...)}
	}
	switch v := value.(type) {
	case map[string]any:
		if s.Type != "object" {
			return wrong("an object, not %s", s.Type)
		}
		return d.object(at, s, v)
	case []any:
		if s.Type != "array" {
			return wrong("an array, not %s", s.Type)
		}
		var all []error
		for n, item := range v {
			all = append(all, d.value(fmt.Sprintf("%s[%d]", at, n), s.Items, item)...)
		}
		return all
	case string:
		if s.Type != "string" || s.Enum != nil && !slices.Contains(s.Enum, v) {
			return wrong("%q, not %s %v", v, s.Type, s.Enum)
		}
		if _, err := time.Parse(time.RFC3339Nano, v); s.Format == "date-time" && err != nil {
			return wrong("%w", err)
		}
	case float64:
		if s.Type != "number" && (s.Type != "integer" || v != math.Trunc(v)) || s.Minimum != nil && v < *s.Minimum {
			return wrong("%v, not %s", v, s.Type)
		}
	case bool:
		if s.Type != "boolean" {
			return wrong("%v, not %s", v, s.Type)
		}
	default:
		return wrong("%v, not %s", v, s.Type)
	}
	return nil
}

func (d *Document) object(at string, s *Schema, fields map[string]any) []error {
	var all []error
	var names []string
	if s.PropertyNames != nil {
		_, of, err := d.resolve(s.PropertyNames)
		if err != nil {
			return []error{fmt.Errorf("%s: %w", at, err)}
		}
		names = of.Enum
	}
	for _, name := range s.Required {
		if _, ok := fields[name]; !ok {
			all = append(all, fmt.Errorf("%s.%s is missing", at, name))
		}
	}
	for name, field := range fields {
		under := s.Properties[name]
		if under == nil {
			under = s.Additional
		}
		if under == nil || names != nil && !slices.Contains(names, name) {
			all = append(all, fmt.Errorf("%s.%s is not described", at, name))
			continue
		}
		all = append(all, d.value(at+"."+name, under, field)...)
	}
	return all
}
