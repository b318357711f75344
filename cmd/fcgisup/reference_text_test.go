package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup"
)

// referenceMarkdown is the configuration reference: a heading and a table for
// each mapping, in the order of the keys, for docs/configuration.md.
func referenceMarkdown(keys []fcgisup.Key, heading string) string {
	var b strings.Builder
	for _, parent := range parents(keys) {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s %s\n\n", heading, mappingTitle(parent))
		b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
		for _, k := range keys {
			if above(k.Path) != parent {
				continue
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Path[strings.LastIndexByte(k.Path, '.')+1:],
				cell(k.Kind), codeCell(k.Default), cell(k.Doc))
		}
	}
	for _, section := range []string{"Socket", "Service"} {
		fmt.Fprintf(&b, "\nRefused in `systemd.%s`, since fcgisup's promises depend on them or another key says it: %s.\n",
			strings.ToLower(section), strings.Join(fcgisup.OwnedDirectives(section), ", "))
	}
	return b.String()
}

// parents are the mappings with keys in them, the file itself first.
func parents(keys []fcgisup.Key) []string {
	var all []string
	for _, k := range keys {
		if p := above(k.Path); !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// above is the mapping that a key is in, as the title of its table.
func above(path string) string {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return ""
	}
	return path[:i]
}

func mappingTitle(path string) string {
	if path == "" {
		return "The file"
	}
	return "`" + path + "`"
}

var cellEscapes = strings.NewReplacer("|", `\|`, "<", "&lt;")

func cell(text string) string { return cellEscapes.Replace(text) }

func codeCell(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
