package main

import (
	"slices"
	"testing"
	"testing/fstest"
)

func TestLint(t *testing.T) {
	t.Parallel()
	root := fstest.MapFS{
		"a/a.go": {Data: []byte("package a\n\n// folder is what\n// somebody has made.\nvar folder = `one\n  made anew` + \"it shall\"\n")},
		"b.md": {Data: []byte("Nobody waits. The account nobody too.\n" +
			"There is no such thing, it is no longer there and no slower than before; it was no file.\n")},
		"testdata/help/c.txt": {Data: []byte("tells whether it runs\n")},
		"pending.go":          {Data: []byte("package a // folder\n")},
		"bin/d.md":            {Data: []byte("folder\n")},
		"e.yaml":              {Data: []byte("folder: x\n")},
	}
	exempt := []exemption{
		{word: "nobody", files: "*.md", in: "account nobody", why: "an account"},
		{word: "shall", files: "*.md", why: "nothing"},
	}
	got, err := lint(root, rules, exempt, []string{"pending.go"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`a/a.go:3:4: "folder": say directory`,
		`a/a.go:4:4: "somebody": say a user, a process or a client`,
		`a/a.go:6:8: "anew": say again, or fresh`,
		`a/a.go:6:20: "shall": say must, should or will`,
		`b.md:2:77: "was no": say is not a`,
		`testdata/help/c.txt:1:1: "tells whether": say reports whether`,
		`words: the exemption of "shall" in *.md exempts nothing: remove it`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%q\nwant:\n%q", got, want)
	}
}
