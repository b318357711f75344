package alert

import (
	"cmp"
	"encoding/base64"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// redacted replaces what is not shown.
const redacted = "…"

// redactor removes the parts of a notification URL from foreign text. All of
// them count as secret: which of them are differs from service to service.
type redactor struct {
	// parts matches any of them; nil: there are none.
	parts *regexp.Regexp
	// tooShort means that a part is too short to be found without damage to the text.
	tooShort bool
}

const (
	// minPartLen is the least length of a part that is looked for, in bytes.
	minPartLen = 4
	// minPieceLen is that of a piece of one, as services split tokens.
	minPieceLen = 6
)

func newRedactor(raw string) redactor {
	var r redactor
	if raw == "" {
		return r
	}
	parts := map[string]bool{}
	add := func(s string) {
		if len(s) >= minPartLen && !isPublic(raw, s) {
			parts[s] = true
		}
	}
	for _, part := range urlParts(raw, &r.tooShort) {
		add(part)
		add(fcgisup.Printable(part))
		add(strings.Trim(strconv.Quote(part), `"`))
		add(url.QueryEscape(part))
		add(url.PathEscape(part))
		add(base64.StdEncoding.EncodeToString([]byte(part)))
		for _, piece := range pieces(part) {
			if len(piece) >= minPieceLen {
				add(piece)
			}
		}
	}
	var quoted []string
	for part := range parts {
		quoted = append(quoted, regexp.QuoteMeta(part))
	}
	slices.SortFunc(quoted, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	re, err := regexp.Compile("(?i)(" + strings.Join(quoted, "|") + ")")
	if err != nil || len(quoted) == 0 {
		r.tooShort = true
		return r
	}
	r.parts = re
	return r
}

// urlParts are the parts of a URL as written and as meant. What is not a URL is taken apart at each sign.
func urlParts(raw string, mute *bool) []string {
	_, rest, _ := strings.Cut(raw, "://")
	all := []string{raw, rest}
	u, err := url.Parse(raw)
	if err != nil || u.Host+u.Opaque+u.Path == "" {
		for _, piece := range pieces(raw) {
			if len(piece) >= minPartLen {
				all = append(all, piece)
			}
		}
		return all
	}
	all = append(all, u.Opaque, u.Fragment, u.RawQuery, u.EscapedPath(), u.Path)
	if u.User != nil {
		password, _ := u.User.Password()
		*mute = len(password) > 0 && len(password) < minPartLen
		all = append(all, u.User.String(), u.User.Username(), password, u.User.Username()+":"+password)
	}
	if !isNetworkName(u.Hostname()) {
		all = append(all, u.Hostname(), u.Port(), u.Host)
	}
	for _, path := range []string{u.Path, u.EscapedPath()} {
		all = append(all, strings.Split(path, "/")...)
	}
	for _, values := range u.Query() {
		for _, v := range values {
			all = append(all, v)
			all = append(all, strings.Split(v, ",")...)
		}
	}
	return all
}

// harmlessWords are words of notification URLs that hold no secret and occur in many errors.
var harmlessWords = map[string]bool{
	"http": true, "https": true, "hook": true, "webhook": true, "telegram": true, "discord": true, "shoutrrr": true, "json": true, "true": true, "false": true,
}

// isPublic reports whether a part of a URL may be shown: it is such a word, or names the service.
func isPublic(raw, part string) bool {
	scheme, _, isURL := strings.Cut(raw, "://")
	return harmlessWords[strings.ToLower(part)] || isURL && strings.EqualFold(part, scheme)
}

// isNetworkName reports whether the host part of a URL is a host, and not a token.
func isNetworkName(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost" || strings.Contains(host, ".")
}

func pieces(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	})
}

var (
	urlRule = pattern(`([A-Za-z][A-Za-z0-9+.-]*)://([^\s"'<>/?#]*)[^\s"'<>]*`)
	// tokenRule matches what looks like a key, of any service.
	tokenRule = pattern(`[A-Za-z0-9_%+=-]{20,}`)
)

// clean returns one line of s without any part of the URL.
func (r redactor) clean(s string) string {
	if r.tooShort {
		return "the reason is not shown, since it might show the URL"
	}
	// Cut to length at the end only, lest the cut leave half a token that nothing finds.
	s = urlRule().ReplaceAllStringFunc(fcgisup.Printable(strings.TrimSpace(s)), func(m string) string {
		parts := urlRule().FindStringSubmatch(m)
		if strings.Contains(parts[2], "@") || !isNetworkName(strings.Split(parts[2], ":")[0]) {
			return parts[1] + "://" + redacted
		}
		return parts[1] + "://" + parts[2] + "/" + redacted
	})
	if r.parts != nil {
		s = r.parts.ReplaceAllLiteralString(s, redacted)
	}
	s = tokenRule().ReplaceAllStringFunc(s, func(m string) string {
		if strings.ContainsAny(m, "0123456789") {
			return redacted
		}
		return m
	})
	return fcgisup.PrintableAtMost(s, monitor.ForeignLimit)
}
