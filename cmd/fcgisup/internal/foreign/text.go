package foreign

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// wholeNumber reads digits.
func wholeNumber(s string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	return n, err == nil && n >= 0
}

// shellWords splits as a POSIX shell, and Python's shlex, splits a line without
// expansions: quotes group, a backslash takes the next character as it is.
func shellWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	open, quote := false, rune(0)
	rs := []rune(line)
	for i := 0; i < len(rs); i++ {
		c := rs[i]
		switch {
		case quote == 0 && strings.ContainsRune(" \t\r\n", c):
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		case quote == 0 && (c == '"' || c == '\''):
			quote, open = c, true
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'':
			i++
			if i == len(rs) {
				return nil, errors.New("ends in a backslash")
			}
			// Within double quotes a backslash is special before few characters.
			if quote == '"' && !strings.ContainsRune("\"\\$`\n", rs[i]) {
				word.WriteRune('\\')
			}
			word.WriteRune(rs[i])
			open = true
		default:
			word.WriteRune(c)
			open = true
		}
	}
	if quote != 0 {
		return nil, errors.New("has an unclosed quote")
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}

// fpmTime reads FPM's times: a number, with s, m, h or d behind it.
func fpmTime(s string) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	unit := time.Second
	if s != "" {
		switch s[len(s)-1] {
		case 's':
			s = s[:len(s)-1]
		case 'm':
			unit, s = time.Minute, s[:len(s)-1]
		case 'h':
			unit, s = time.Hour, s[:len(s)-1]
		case 'd':
			unit, s = 24*time.Hour, s[:len(s)-1]
		}
	}
	n, ok := wholeNumber(s)
	if !ok || n > int(1<<62/time.Duration(24*time.Hour)) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// spanUnits are those of systemd.time(7) that a service can sensibly have.
var spanUnits = map[string]time.Duration{
	"": time.Second, "s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"ms": time.Millisecond, "msec": time.Millisecond, "us": time.Microsecond, "usec": time.Microsecond, "μs": time.Microsecond,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}

// span reads a time span, systemd.time(7): "90", "1min 30s", "1.5h".
func span(s string) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, false
	}
	var sum time.Duration
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789."))
		n, err := strconv.ParseFloat(s[:digits], 64)
		if err != nil {
			return 0, false
		}
		s = strings.TrimLeft(s[digits:], " \t")
		letters := strings.IndexAny(s, "0123456789 \t")
		if letters < 0 {
			letters = len(s)
		}
		unit, ok := spanUnits[s[:letters]]
		if !ok || n > float64(1<<62)/float64(unit) || sum > 1<<62 {
			return 0, false
		}
		sum += time.Duration(n * float64(unit))
		s = strings.TrimLeft(s[letters:], " \t")
	}
	return sum, sum >= 0
}

// octal is a mode as the file has it, four digits.
func octal(s string) (string, bool) {
	v, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(s), "0o"), 8, 16)
	if err != nil || v > 0o777 {
		return "", false
	}
	return "0" + strconv.FormatUint(0o1000|v, 8)[1:], true
}

// duration is a time as people write it: 2m, not 2m0s.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
