package fcgisup

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"
)

// value makes a setter of a function from text.
func value[T any](p *T, parse func(string) (T, error)) set {
	return func(d *decoder, n *yaml.Node, key string) {
		if d.describing() {
			d.tell(key, *p)
			return
		}
		s, ok := d.scalar(n, key)
		if !ok {
			return
		}
		v, err := parse(s)
		if err != nil {
			d.errorAt(n, key, "%v", err)
			return
		}
		*p = v
	}
}

func text(p *string) set {
	return value(p, func(s string) (string, error) { return s, nil })
}

func number(p *int, low, high int) set {
	return kindly(fmt.Sprintf("whole number, %d to %d", low, high), value(p, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil {
			return 0, fmt.Errorf("%q is not a whole number", s)
		}
		if n < low || n > high {
			return 0, fmt.Errorf("%d is not between %d and %d", n, low, high)
		}
		return n, nil
	}))
}

func boolean(p *bool) set {
	return value(p, func(s string) (bool, error) {
		switch s {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return false, fmt.Errorf("%q is neither true nor false", s)
	})
}

func oneOf[T ~string](p *T, allowed ...T) set {
	list := strings.ReplaceAll(strings.Trim(fmt.Sprint(allowed), "[]"), " ", ", ")
	return kindly("one of "+list, value(p, func(s string) (T, error) {
		if !slices.Contains(allowed, T(s)) {
			return "", fmt.Errorf("%q is not one of %s", s, list)
		}
		return T(s), nil
	}))
}

func duration(p *time.Duration) set { return value(p, parseDuration) }

func positiveDuration(p *time.Duration) set {
	return kindly("duration above 0", value(p, func(s string) (time.Duration, error) {
		v, err := parseDuration(s)
		if err == nil && v == 0 {
			err = errors.New("must be longer than 0")
		}
		return v, err
	}))
}

// absentDuration is a positive duration whose default depends on other keys.
func absentDuration(p *time.Duration) set {
	return func(d *decoder, n *yaml.Node, key string) {
		positiveDuration(p)(d, n, key)
		if d.describing() {
			d.about(key, func(k *Key) { k.Default = "" })
		}
	}
}

func parseDuration(s string) (time.Duration, error) {
	v, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 500ms, 10s or 1h30m", s)
	}
	if v < 0 {
		return 0, fmt.Errorf("%s is negative", s)
	}
	return v, nil
}

func size(p *uint64) set { return value(p, parseSize) }

// sizeSuffix are IEC's binary prefixes; K, M, G and T alone mean the same, as in systemd.
var sizeSuffix = map[string]uint64{
	"": 1, "B": 1,
	"K": 1 << 10, "KiB": 1 << 10, "M": 1 << 20, "MiB": 1 << 20,
	"G": 1 << 30, "GiB": 1 << 30, "T": 1 << 40, "TiB": 1 << 40,
}

func parseSize(s string) (uint64, error) {
	digits := strings.TrimRight(s, "BKMGTi")
	unit, ok := sizeSuffix[s[len(digits):]]
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || !ok || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%q is not a size such as 512MiB or 2GiB", s)
	}
	return n * unit, nil
}

func perCPU(p *float64) set {
	return kindly(fmt.Sprintf("number above 0, up to %d", MaxWorkers), value(p, func(s string) (float64, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(v) || v <= 0 || v > MaxWorkers {
			return 0, fmt.Errorf("%q is not a number above 0, up to %d", s, MaxWorkers)
		}
		return v, nil
	}))
}

func factor(p *float64) set {
	return kindly("number, 1 to 100", value(p, func(s string) (float64, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(v) || v < 1 || v > 100 {
			return 0, fmt.Errorf("%q is not a factor between 1 and 100", s)
		}
		return v, nil
	}))
}

func mode(p *fs.FileMode) set {
	return value(p, func(s string) (fs.FileMode, error) {
		v, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 32)
		if err != nil || v > 0o777 {
			return 0, fmt.Errorf("%q is not an octal mode such as 0660", s)
		}
		return fs.FileMode(v), nil
	})
}

func signal(p *syscall.Signal) set {
	return value(p, func(s string) (syscall.Signal, error) {
		name := strings.ToUpper(s)
		if !strings.HasPrefix(name, "SIG") {
			name = "SIG" + name
		}
		n := unix.SignalNum(name)
		if n == 0 {
			return 0, fmt.Errorf("%q is not a signal such as SIGTERM or SIGUSR1", s)
		}
		if n == syscall.SIGSTOP || n == syscall.SIGCONT {
			return 0, fmt.Errorf("%s does not end a worker: each is stopped and continued around its stop signal; use SIGTERM", name)
		}
		return n, nil
	})
}

func listen(p *Listen) set { return value(p, parseListen) }

func expression(p **regexp.Regexp) set {
	return value(p, func(s string) (*regexp.Regexp, error) {
		if s == "" {
			return nil, nil
		}
		re, err := regexp.Compile(s)
		if err != nil {
			return nil, fmt.Errorf("is not a regular expression: %w", err)
		}
		return re, nil
	})
}

// ParseStatuses reads codes and ranges, "200-299,304".
func ParseStatuses(s string) ([]StatusRange, error) {
	var all []StatusRange
	for part := range strings.SplitSeq(s, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		r := StatusRange{}
		var err1, err2 error
		r.Min, err1 = strconv.Atoi(low)
		r.Max, err2 = strconv.Atoi(high)
		if err1 != nil || err2 != nil || r.Min < 100 || r.Max > 599 || r.Min > r.Max {
			return nil, fmt.Errorf("%q is neither a status between 100 and 599 nor a range such as 200-399", part)
		}
		all = append(all, r)
	}
	return all, nil
}

func statuses(p *[]StatusRange) set {
	return kindly("list of statuses and ranges", func(d *decoder, n *yaml.Node, key string) {
		if d.describing() {
			d.tell(key, *p)
			return
		}
		*p = nil
		d.sequence(n, key, func(n *yaml.Node, at string) {
			var some []StatusRange
			value(&some, ParseStatuses)(d, n, at)
			*p = append(*p, some...)
		})
	})
}

var (
	nameRule    = pattern(`^[a-z0-9][a-z0-9-]*$`)
	accountRule = pattern(`^([A-Za-z_][A-Za-z0-9_.-]*\$?|[0-9]+)$`)
	envRule     = pattern(`^[A-Za-z_][A-Za-z0-9_]*$`)
	unitRule    = pattern(`^[A-Za-z0-9:_.\\@-]+\.(service|socket|target|mount|automount|path|timer|device|swap|slice|scope)$`)
	keyRule     = pattern(`^[A-Z][A-Za-z0-9]*$`)
	methodRule  = pattern(`^[A-Z]+$`)
	balanceRule = pattern(`^(round_robin|random|least_conn|ip_hash|hash \S+( consistent)?)$`)
)

// maxName keeps unit names (255 bytes) and control sockets (107 bytes) within bounds.
const maxName = 64

func checkName(s string) string {
	if !nameRule().MatchString(s) {
		return "is not a name: lower-case letters, digits and dashes, not a dash first"
	}
	if len(s) > maxName {
		return fmt.Sprintf("is longer than %d characters", maxName)
	}
	return ""
}

// CheckName reports whether s may name an app.
func CheckName(s string) error {
	if msg := checkName(s); msg != "" {
		return fmt.Errorf("%q %s", s, msg)
	}
	return nil
}

func matching(p *string, rule func() *regexp.Regexp, what string) set {
	return kindly(what, value(p, func(s string) (string, error) {
		if !rule().MatchString(s) {
			return "", fmt.Errorf("%q is not %s", s, what)
		}
		return s, nil
	}))
}

func account(p *string) set {
	const what = "a user or group name or number"
	return kindly(what, value(p, func(s string) (string, error) {
		if !accountRule().MatchString(s) {
			return "", fmt.Errorf("%q is not %s", s, what)
		}
		if numeric(s) {
			if _, err := ParseID(s); err != nil {
				return "", err
			}
		}
		return s, nil
	}))
}

func method(p *string) set {
	return matching(p, methodRule, "a request method in capitals")
}

func absolute(p *string) set {
	return kindly("absolute path", value(p, func(s string) (string, error) {
		if !strings.HasPrefix(s, "/") {
			return "", fmt.Errorf("%q is not an absolute path", s)
		}
		return s, nil
	}))
}

func environmentFile(p *string) set {
	return kindly("absolute path, or - and one", value(p, func(s string) (string, error) {
		if !strings.HasPrefix(strings.TrimPrefix(s, "-"), "/") {
			return "", fmt.Errorf("%q is not an absolute path, with or without a leading -", s)
		}
		return s, nil
	}))
}

func urlPath(p *string) set {
	return kindly("path of a URL", value(p, func(s string) (string, error) {
		if s != "" && !strings.HasPrefix(s, "/") {
			return "", fmt.Errorf("%q does not begin with /", s)
		}
		return s, nil
	}))
}

func command(p *[]string) set {
	return kindly("list of words, or one string", func(d *decoder, n *yaml.Node, key string) {
		*p = nil
		r := d.resolve(n, key)
		if r == nil {
			return
		}
		if r.Kind == yaml.ScalarNode {
			value(p, SplitCommand)(d, n, key)
		} else {
			d.sequence(n, key, func(n *yaml.Node, at string) {
				if s, ok := d.scalar(n, at); ok {
					*p = append(*p, s)
				}
			})
		}
		if len(*p) > 0 && !strings.HasPrefix((*p)[0], "/") {
			d.errorAt(n, key, "%q is not an absolute path", (*p)[0])
		}
	})
}

func unitNames(p *[]string) set {
	return kindly("list of unit names", func(d *decoder, n *yaml.Node, key string) {
		*p = nil
		d.sequence(n, key, func(n *yaml.Node, at string) {
			var one string
			matching(&one, unitRule, "a unit name such as postgresql.service")(d, n, at)
			*p = append(*p, one)
		})
	})
}

// pairs reads a mapping of names that follow a rule to values.
func pairs(p *map[string]string, rule func() *regexp.Regexp, what string, check func(string) error) set {
	return kindly("mapping of names to text", func(d *decoder, n *yaml.Node, key string) {
		*p = map[string]string{}
		d.mapping(n, key, func(k, v *yaml.Node, at string) {
			if !rule().MatchString(k.Value) {
				d.errorAt(k, at, "%q is not %s", k.Value, what)
			}
			value(new(string), func(s string) (string, error) {
				(*p)[k.Value] = s
				return s, check(s)
			})(d, v, at)
		})
	})
}

func anything(string) error { return nil }

func environment(p *map[string]string) set {
	return pairs(p, envRule, "the name of an environment variable", anything)
}

func params(p *map[string]string) set {
	return pairs(p, envRule, "the name of a parameter", anything)
}

func nginxParams(p *map[string]string) set {
	return pairs(p, envRule, "the name of a parameter", checkNginx)
}

// checkNginx refuses what could end a directive, whatever the quoting.
func checkNginx(s string) error {
	if strings.ContainsAny(s, ";{}") {
		return fmt.Errorf("%q must not contain ; { or }", s)
	}
	return nil
}

func nginxText(p *string) set {
	return value(p, func(s string) (string, error) {
		if s == "" || strings.ContainsAny(s, " \t\"'\\$/") {
			return "", fmt.Errorf("%q is not a name", s)
		}
		return s, checkNginx(s)
	})
}

// nginxWords is the arguments of a directive.
func nginxWords(p *string) set {
	return value(p, func(s string) (string, error) {
		if strings.TrimSpace(s) == "" || strings.ContainsAny(s, "\t\"'\\$") {
			return "", fmt.Errorf("%q is not a list of words", s)
		}
		return s, checkNginx(s)
	})
}

func location(p *string) set {
	return kindly("prefix of paths", value(p, func(s string) (string, error) {
		if !strings.HasPrefix(s, "/") {
			return "", fmt.Errorf("%q does not begin with /; only prefix locations are generated", s)
		}
		return s, checkNginx(s)
	}))
}

func balance(p *string) set {
	return kindly("one of least_conn, round_robin, random, ip_hash, hash KEY", value(p, func(s string) (string, error) {
		if !balanceRule().MatchString(s) {
			return "", fmt.Errorf("%q is not one of least_conn, round_robin, random, ip_hash, hash KEY", s)
		}
		return s, checkNginx(s)
	}))
}
