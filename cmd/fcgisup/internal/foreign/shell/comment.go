package shell

import (
	"bytes"

	"mvdan.cc/sh/v3/syntax"
)

// maxComments bounds how often a text is read again for its comments.
const maxComments = 8

// endComments removes the backslash that a comment ends with: for a shell the comment ends with its line, but the
// parser goes on in the next one.
func endComments(text []byte) []byte {
	if !bytes.Contains(text, []byte("\\\n")) || !bytes.Contains(text, []byte("#")) {
		return text
	}
	text = bytes.Clone(text)
	for range maxComments {
		file, err := syntax.NewParser(syntax.Variant(syntax.LangBash), syntax.KeepComments(true)).Parse(bytes.NewReader(text), "")
		if err != nil {
			endCommentLines(text, 0, true) // a comment may have taken what is missing
			return text
		}
		found := false
		syntax.Walk(file, func(n syntax.Node) bool {
			if c, ok := n.(*syntax.Comment); ok {
				found = endCommentLines(text, int(c.Hash.Offset()), false) || found
			}
			return true
		})
		if !found {
			break
		}
	}
	return text
}

// endCommentLines blanks the backslash of the comment at an offset and of comments in the lines right behind it; of
// all lines that are comments if it says so.
func endCommentLines(text []byte, at int, all bool) bool {
	found := false
	for at < len(text) {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			break
		}
		line := bytes.TrimLeft(text[at:at+end], " \t")
		continued := len(line) > 0 && line[0] == '#' && line[len(line)-1] == '\\'
		if continued {
			text[at+end-1] = ' '
			found = true
		} else if !all {
			break
		}
		at += end + 1
	}
	return found
}
