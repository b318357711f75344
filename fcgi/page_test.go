package fcgi

import (
	"io"
	"strings"
	"testing"
)

func TestPageBoundsItsHead(t *testing.T) {
	line := "X: " + strings.Repeat("y", 1000) + "\n"
	p := &page{body: io.Discard}
	written := 0
	for written <= 2*maxHead {
		n, err := io.WriteString(p, line)
		if err != nil {
			break
		}
		written += n
	}
	if written > maxHead || written < maxHead-2*len(line) {
		t.Errorf("%d bytes of header taken, the bound is %d", written, maxHead)
	}
}

func TestPageHeads(t *testing.T) {
	for head, want := range map[string]int{
		"A: b\n\n":                             200,
		"A: b\r\n\r\n":                         200,
		"A:\n\n":                               200,
		"A : b\n\n":                            200,
		"Status: 404\n\n":                      404,
		"STATUS:404 Not Found\n\n":             404,
		"Status: 404\nStatus: 500\n\n":         404, // the first counts
		"Location: /\n\n":                      302,
		"location: /\nStatus: 201\n\n":         201,
		"Status: 099\n\n":                      0,
		"Status: 600\n\n":                      0,
		"Status: 20\n\n":                       0,
		"Status: 2000\n\n":                     0,
		"Status: -20\n\n":                      0,
		"Status:\n\n":                          0,
		"\n":                                   0,
		"A: b":                                 0,
		"A: b\n":                               0,
		"no colon\n\n":                         0,
		": no name\n\n":                        0,
		"two words: x\n\n":                     0,
		" folded: x\n\n":                       0,
		"A: b\x00c\n\n":                        0,
		"A: b\rc\n\n":                          0,
		"HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello": 0,
	} {
		// At once, and byte by byte.
		for _, size := range []int{len(head), 1} {
			p := &page{body: io.Discard}
			var err error
			for rest := head; err == nil && rest != ""; rest = rest[size:] {
				_, err = io.WriteString(p, rest[:size])
			}
			if err == nil {
				err = p.complete()
			}
			if (err == nil) != (want != 0) || err == nil && p.status != want {
				t.Errorf("%q: %d %v", head, p.status, err)
			}
		}
	}
}
