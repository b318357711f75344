package main

import (
	"fmt"
	"html"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// theme are the colours of a picture: background, frame, text, and those of the codes of a terminal.
type theme struct {
	back, frame, text string
	codes             map[string]string
}

var themes = map[string]theme{
	"light": {"#ffffff", "#d0d7de", "#1f2328", map[string]string{"31": "#b42318", "32": "#116329", "33": "#7d4e00"}},
	"dark":  {"#0d1117", "#30363d", "#e6edf3", map[string]string{"31": "#ff7b72", "32": "#56d364", "33": "#e3b341"}},
}

const (
	columnWidth = 8.4
	lineHeight  = 19
	margin      = 16
)

var (
	coloured = regexp.MustCompile(`\x1b\[(\d+)m([^\x1b]*)\x1b\[0m`)
	anyCode  = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)
)

// drawTerminal draws what a command printed on a terminal as SVG: the command, and its output up to a line that begins with until.
func drawTerminal(w io.Writer, name, command, output, until string) error {
	look, ok := themes[name]
	if !ok {
		return fmt.Errorf("there is no theme %q", name)
	}
	lines := []string{"$ " + command}
	for line := range strings.Lines(strings.ReplaceAll(output, "\r", "")) {
		line = strings.TrimRight(line, "\n")
		if n := strings.LastIndex(line, "\x1b[K"); n >= 0 { // the end of a progress line
			line = line[n+len("\x1b[K"):]
		}
		if until != "" && strings.HasPrefix(line, until) {
			break
		}
		lines = append(lines, line)
	}
	for len(lines) > 1 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	columns := 0
	for _, line := range lines {
		columns = max(columns, utf8.RuneCountInString(anyCode.ReplaceAllString(line, "")))
	}
	width, height := int(float64(columns)*columnWidth)+2*margin, len(lines)*lineHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img">`+"\n", width, height)
	fmt.Fprintf(&b, "<title>What %s prints on a terminal</title>\n", html.EscapeString(command))
	fmt.Fprintf(&b, `<rect x="0.5" y="0.5" width="%d" height="%d" rx="8" fill="%s" stroke="%s"/>`+"\n", width-1, height-1, look.back, look.frame)
	fmt.Fprintf(&b, `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14" fill="%s">`+"\n", look.text)
	for n, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		text := html.EscapeString(line)
		text = coloured.ReplaceAllStringFunc(text, func(s string) string {
			m := coloured.FindStringSubmatch(s)
			return fmt.Sprintf(`<tspan fill="%s">%s</tspan>`, look.codes[m[1]], m[2])
		})
		text = anyCode.ReplaceAllString(text, "")
		if n := len(text) - len(strings.TrimLeft(text, " ")); n > 0 {
			text = strings.Repeat("\u00a0", n) + text[n:]
		}
		text = strings.ReplaceAll(text, "  ", "\u00a0\u00a0") // several spaces are drawn as one
		text = strings.ReplaceAll(text, "\u00a0 ", "\u00a0\u00a0")
		long := float64(utf8.RuneCountInString(anyCode.ReplaceAllString(line, ""))) * columnWidth
		fmt.Fprintf(&b, `<text x="%d" y="%d" textLength="%.1f">%s</text>`+"\n", margin, margin+n*lineHeight+14, long, text)
	}
	b.WriteString("</g>\n</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}
