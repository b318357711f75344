package openapi

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Document is a description of an interface.
type Document struct {
	Paths      map[string]map[string]operation `yaml:"paths"`
	Components struct {
		Schemas map[string]*Schema `yaml:"schemas"`
	} `yaml:"components"`

	dir    string
	others map[string]*Document // those that references lead to, by file name
}

type operation struct {
	Summary   string              `yaml:"summary"`
	Responses map[string]response `yaml:"responses"`
}

type response struct {
	Description string `yaml:"description"`
	Content     map[string]struct {
		Schema *Schema `yaml:"schema"`
	} `yaml:"content"`
}

// Schema describes a JSON value.
type Schema struct {
	Ref         string             `yaml:"$ref"`
	Description string             `yaml:"description"`
	Type        string             `yaml:"type"`
	Format      string             `yaml:"format"`
	Enum        []string           `yaml:"enum"`
	Minimum     *float64           `yaml:"minimum"`
	Properties  map[string]*Schema `yaml:"properties"`
	Required    []string           `yaml:"required"`
	Items       *Schema            `yaml:"items"`
	// Additional describes the values of a map; of a struct there is none.
	Additional    *Schema `yaml:"additionalProperties"`
	PropertyNames *Schema `yaml:"propertyNames"`
}

// Load reads a description.
func Load(path string) (*Document, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := &Document{dir: filepath.Dir(path), others: map[string]*Document{}}
	if err := yaml.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// Operations are the methods with their paths, in order: "GET /status".
func (d *Document) Operations() []string {
	var all []string
	for path, methods := range d.Paths {
		for method := range methods {
			all = append(all, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(all)
	return all
}

// response is that of an operation to a status, and its schema for JSON.
func (d *Document) response(operation string, status int) (*Schema, error) {
	method, path, _ := strings.Cut(operation, " ")
	op, ok := d.Paths[path][strings.ToLower(method)]
	if !ok {
		return nil, fmt.Errorf("there is no %s", operation)
	}
	r, ok := op.Responses[fmt.Sprint(status)]
	if !ok {
		return nil, fmt.Errorf("%s has no response %d, only %s", operation, status, strings.Join(slices.Sorted(maps.Keys(op.Responses)), ", "))
	}
	return r.Content["application/json"].Schema, nil
}

// resolve follows references, also into another file.
func (d *Document) resolve(s *Schema) (*Document, *Schema, error) {
	for n := 0; s.Ref != ""; n++ {
		file, name, ok := strings.Cut(s.Ref, "#/components/schemas/")
		if !ok || n > 8 {
			return nil, nil, fmt.Errorf("cannot follow the reference %s", s.Ref)
		}
		if file != "" {
			other := d.others[file]
			if other == nil {
				var err error
				if other, err = Load(filepath.Join(d.dir, file)); err != nil {
					return nil, nil, err
				}
				d.others[file] = other
			}
			d = other
		}
		if s = d.Components.Schemas[name]; s == nil {
			return nil, nil, fmt.Errorf("there is no schema %s", name)
		}
	}
	return d, s, nil
}
