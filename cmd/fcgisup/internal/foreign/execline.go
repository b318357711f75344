package foreign

import (
	"bytes"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign/shell"
)

// execline reads a script of execlineb(1): one command line, each program of which starts the rest; blocks in braces
// are other command lines.
func (h *scriptHost) execline(f Source) {
	var words []shell.Word
	at, number := place{f.Name, 0}, 0
	depth := 0
	for line := range bytes.Lines(f.Data) {
		number++
		if number == 1 && bytes.HasPrefix(line, []byte("#!")) {
			continue
		}
		text := string(line)
		for i := 0; i < len(text); {
			end := i
			word, open := "", false
			for end < len(text) && !isSpace(text[end]) {
				if text[end] == '#' && !open {
					end = len(text)
					break
				}
				open = true
				if text[end] == '"' {
					for end++; end < len(text) && text[end] != '"'; end++ {
						if text[end] == '\\' && end+1 < len(text) {
							end++
						}
						word += text[end : end+1]
					}
					end = min(end+1, len(text))
					continue
				}
				word += text[end : end+1]
				end++
			}
			i = max(end, i+1)
			switch {
			case !open:
			case word == "{":
				if depth++; depth == 1 && len(words) > 0 {
					block := words[len(words)-1].Text
					h.Remark(shell.Place{File: f.Name, Line: number}, block, "its block is not taken over: the script runs it, fcgisup does not")
					words = words[:len(words)-1]
				}
			case word == "}":
				depth = max(depth-1, 0)
			case depth == 0:
				if at.line == 0 || isSpawner(word) {
					at.line = number
				}
				words = append(words, execlineWord(word))
			}
		}
	}
	if len(words) > 0 && h.launch(at, words, spawning{}).read() == refused {
		h.refused++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// execlineWord is unknown where a variable is substituted.
func execlineWord(word string) shell.Word {
	for i := 0; i+1 < len(word); i++ {
		if word[i] == '$' && (word[i+1] == '{' || word[i+1] == '@' || word[i+1] >= '0' && word[i+1] <= '9') {
			return shell.Word{Unknown: word + " is substituted by execline"}
		}
	}
	return shell.Known(word)
}
