package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
)

const (
	referencePage  = "../../docs/configuration.md"
	referenceBegin = "<!-- From here on generated from the code: make golden. -->\n"
)

// TestReference: the tables of docs/configuration.md are what the code reads.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	prose, got, found := strings.Cut(string(text), referenceBegin)
	if !found {
		t.Fatalf("%s has no line %q", referencePage, referenceBegin)
	}
	want := "\n" + referenceMarkdown(fcgisup.Reference(), "###")
	if *update {
		if err := os.WriteFile(referencePage, []byte(prose+referenceBegin+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the reference has drifted (-want +got); make golden writes it again:\n%s", diff)
	}
}
