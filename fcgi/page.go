package fcgi

import (
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"strings"
)

// maxHead bounds a header block. Cookies and security policies make lines of several
// kilobytes honest; a quarter of a megabyte is a worker writing its page too early.
const maxHead = 256 << 10

// page splits a worker's stdout into CGI header block and body (RFC 3875 section 6).
// It is a writer, so a malformed header ends the exchange where it stands.
type page struct {
	body   io.Writer
	onHead func(*page) error // may be nil; called once, before the first byte of body

	status int
	header http.Header

	head    []byte
	scanned int // how far head holds complete lines
	done    bool
}

func (p *page) Write(b []byte) (int, error) {
	if p.done {
		return p.body.Write(b)
	}
	p.head = append(p.head, b...)
	for !p.done {
		eol := bytes.IndexByte(p.head[p.scanned:], '\n')
		if eol < 0 {
			break
		}
		line := p.head[p.scanned : p.scanned+eol]
		p.scanned += eol + 1
		if err := p.line(strings.TrimSuffix(string(line), "\r")); err != nil {
			return 0, err
		}
	}
	if !p.done {
		if len(p.head) > maxHead {
			return 0, failf(Protocol, "the header block is longer than %d bytes", maxHead)
		}
		return len(b), nil
	}
	rest := p.head[p.scanned:]
	p.head = nil
	if len(rest) > 0 {
		if _, err := p.body.Write(rest); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// Flush passes on to a body that can be flushed.
func (p *page) Flush() {
	if f, ok := p.body.(flusher); ok && p.done {
		f.Flush()
	}
}

func (p *page) line(line string) error {
	if line == "" {
		return p.endHead()
	}
	name, value, ok := strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t")
	if !ok || !isToken(name) {
		return failf(Protocol, "not a header line: %.80q", line)
	}
	value = strings.Trim(value, " \t")
	if strings.ContainsAny(value, "\x00\r") {
		return failf(Protocol, "control character in header %s", name)
	}
	if strings.EqualFold(name, "Status") {
		return p.setStatus(value)
	}
	if p.header == nil {
		p.header = http.Header{}
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	p.header[name] = append(p.header[name], value)
	return nil
}

// setStatus takes the first Status line: three digits, 100 to 599.
func (p *page) setStatus(value string) error {
	code := 0
	for i := range 3 {
		if i >= len(value) || value[i] < '0' || value[i] > '9' {
			return failf(Protocol, "malformed Status %.40q", value)
		}
		code = code*10 + int(value[i]-'0')
	}
	if code < 100 || code > 599 || len(value) > 3 && value[3] >= '0' && value[3] <= '9' {
		return failf(Protocol, "impossible Status %.40q", value)
	}
	if p.status == 0 {
		p.status = code
	}
	return nil
}

func (p *page) endHead() error {
	if p.status == 0 && len(p.header) == 0 {
		return failf(Protocol, "empty header block")
	}
	if p.status == 0 {
		p.status = http.StatusOK
		if p.header.Get("Location") != "" {
			p.status = http.StatusFound
		}
	}
	if p.header == nil {
		p.header = http.Header{}
	}
	p.done = true
	if p.onHead == nil {
		return nil
	}
	return p.onHead(p)
}

// complete says whether the answer had a header block. Without one it is a failure
// even when END_REQUEST says complete: that is what a Perl die looks like.
func (p *page) complete() error {
	switch {
	case p.done:
		return nil
	case len(p.head) == 0:
		return failf(Protocol, "empty answer")
	default:
		return failf(Protocol, "the answer ended inside its header block")
	}
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// capped keeps the first max bytes that are written to it and drops the rest.
type capped struct {
	max  int
	kept []byte
}

func (c *capped) Write(b []byte) (int, error) {
	if room := c.max - len(c.kept); room > 0 {
		c.kept = append(c.kept, b[:min(room, len(b))]...)
	}
	return len(b), nil
}
