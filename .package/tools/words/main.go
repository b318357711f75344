// Command words holds the project's texts to plain words: it reports each word that has a plainer one, as file:line:column,
// in comments and strings of Go files, in Markdown and in the help texts. Names in code are not texts.
//
//	words DIRECTORY
package main

import (
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: words DIRECTORY")
		os.Exit(2)
	}
	found, err := lint(os.DirFS(os.Args[1]), rules, exemptions, pending)
	for _, f := range found {
		fmt.Println(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
	}
	if err != nil || len(found) > 0 {
		os.Exit(1)
	}
}

// lint reports the words of all texts below root, and exemptions that exempt nothing.
func lint(root fs.FS, rules []rule, exemptions []exemption, pending []string) ([]string, error) {
	var found []string
	used := make([]bool, len(exemptions))
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path == ".git" || path == "bin" || path == "dist" {
				return fs.SkipDir
			}
			return nil
		}
		texts := textsOf(path)
		if texts == nil || slices.ContainsFunc(pending, func(p string) bool { return matches(p, path) }) {
			return nil
		}
		content, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		lines := strings.Split(string(content), "\n")
		for _, t := range texts(content) {
			for _, f := range findIn(t, rules) {
				line := lines[f.line-1]
				if n := exempted(exemptions, path, line, f.word); n >= 0 {
					used[n] = true
					continue
				}
				found = append(found, fmt.Sprintf("%s:%d:%d: %q: say %s", path, f.line, f.column, f.word, f.instead))
			}
		}
		return nil
	})
	for n, e := range exemptions {
		if !used[n] && err == nil {
			found = append(found, fmt.Sprintf("words: the exemption of %q in %s exempts nothing: remove it", e.word, e.files))
		}
	}
	return found, err
}

// text is a piece of a file, and where it begins.
type text struct {
	line, column int
	text         string
}

// textsOf is how the texts of a file are found; nil if it has none that are linted.
func textsOf(path string) func([]byte) []text {
	switch {
	case strings.HasPrefix(path, ".package/tools/words/"): // its words are the forbidden ones
		return nil
	case strings.HasSuffix(path, ".go"):
		return goTexts
	case strings.HasSuffix(path, ".md"), strings.HasPrefix(path, "testdata/help/"):
		return func(content []byte) []text { return []text{{line: 1, column: 1, text: string(content)}} }
	default:
		return nil
	}
}

// goTexts are the comments and strings of a Go file.
func goTexts(content []byte) []text {
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(content))
	var s scanner.Scanner
	s.Init(file, content, nil, scanner.ScanComments)
	var texts []text
	for {
		pos, kind, literal := s.Scan()
		switch kind {
		case token.EOF:
			return texts
		case token.COMMENT, token.STRING:
			at := file.PositionFor(pos, false)
			texts = append(texts, text{line: at.Line, column: at.Column, text: literal})
		default:
		}
	}
}

type finding struct {
	line, column  int
	word, instead string
}

// findIn finds the words of a text, line by line.
func findIn(t text, rules []rule) []finding {
	var found []finding
	for n, line := range strings.Split(t.text, "\n") {
		for _, r := range rules {
			for _, at := range r.word.FindAllStringIndex(line, -1) {
				if r.but != nil && r.but.MatchString(line[max(0, at[0]-len("there ")):]) {
					continue
				}
				f := finding{line: t.line + n, column: at[0] + 1, word: line[at[0]:at[1]], instead: r.instead}
				if n == 0 {
					f.column += t.column - 1
				}
				found = append(found, f)
			}
		}
	}
	return found
}

// exempted is the first exemption that applies, or -1.
func exempted(exemptions []exemption, path, line, word string) int {
	for n, e := range exemptions {
		if matches(e.files, path) && (e.word == "" || strings.EqualFold(e.word, word)) && strings.Contains(line, e.in) {
			return n
		}
	}
	return -1
}

func matches(pattern, path string) bool {
	ok, err := filepath.Match(pattern, path)
	return ok && err == nil
}
