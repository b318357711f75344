package foreign

import (
	"math/big"
	"strconv"
	"strings"
)

// schedule applies a limit, a priority or a directive of systemd's by its name.
func (l *launch) schedule(name, meaning, v string) {
	if limit, ok := strings.CutPrefix(meaning, "limit:"); ok {
		l.limit(name, limit, v)
		return
	}
	switch meaning {
	case "Nice", "OOMScoreAdjust":
		if _, err := strconv.Atoi(v); err != nil {
			l.later(name, quoted(v)+" is not a number: left out")
			return
		}
		l.taken(name, meaning, strings.TrimPrefix(v, "+"))
	case "IOSchedulingClass":
		class, ok := map[string]string{"0": "none", "1": "realtime", "2": "best-effort", "3": "idle"}[v]
		if !ok {
			class = v
		}
		l.taken(name, meaning, class)
	case "iosched", "procsched": // class[:priority]
		class, priority, both := strings.Cut(v, ":")
		keys := map[string][2]string{"iosched": {"IOSchedulingClass", "IOSchedulingPriority"}, "procsched": {"CPUSchedulingPolicy", "CPUSchedulingPriority"}}[meaning]
		l.schedule(name, keys[0], strings.Replace(class, "real-time", "realtime", 1))
		if both {
			l.taken(name, keys[1], priority)
		}
	case "CPUAffinity":
		if !l.cpuList {
			list, ok := maskCPUs(v)
			if !ok {
				l.later(name, quoted(v)+" is not a mask of processors: left out")
				return
			}
			v = list
		}
		l.taken(name, meaning, v)
	case "CPUSchedulingPriority":
		l.taken(name, "CPUSchedulingPolicy", l.policy)
		if l.policy == "rr" || l.policy == "fifo" {
			l.taken(name, meaning, v)
		}
	default:
		if policy, ok := strings.CutPrefix(meaning, "policy="); ok {
			l.policy = policy
			return
		}
		if key, value, ok := strings.Cut(meaning, "="); ok {
			l.taken(name, key, value)
			return
		}
		l.taken(name, meaning, v)
	}
}

// taken sets a directive, and says so.
func (l *launch) taken(name, key, value string) {
	l.directive(key, value)
	l.later(name, "becomes "+key+"="+value+" of the service")
}

// limit sets LimitX=; both bounds are systemd's syntax, SOFT:HARD, as prlimit has it.
func (l *launch) limit(name, limit, v string) {
	v = strings.ReplaceAll(strings.ReplaceAll(v, "unlimited", "infinity"), "=", "infinity")
	for part := range strings.SplitSeq(v, ":") {
		if _, ok := wholeNumber(part); !ok && part != "infinity" {
			l.later(name, quoted(v)+" is not a limit: left out")
			return
		}
	}
	if limit == "memory" { // softlimit -m is -d, -s, -l and -a
		for _, each := range []string{"AS", "DATA", "MEMLOCK", "STACK"} {
			l.taken(name, "Limit"+each, v)
		}
		return
	}
	l.taken(name, "Limit"+limit, v)
}

// ulimits are ulimit's options, with the bytes in one of its units.
var ulimits = map[byte]struct {
	name string
	unit int
}{
	'c': {"CORE", 512}, 'd': {"DATA", 1024}, 'e': {"NICE", 1}, 'f': {"FSIZE", 512}, 'i': {"SIGPENDING", 1}, 'l': {"MEMLOCK", 1024}, 'm': {"RSS", 1024},
	'n': {"NOFILE", 1}, 'q': {"MSGQUEUE", 1}, 'r': {"RTPRIO", 1}, 's': {"STACK", 1024}, 't': {"CPU", 1}, 'u': {"NPROC", 1}, 'v': {"AS", 1024}, 'x': {"LOCKS", 1},
}

func (l *launch) ulimit(letter byte, v string) {
	u, ok := ulimits[letter]
	if !ok {
		l.later("ulimit", "-"+string(letter)+" has no counterpart: left out")
		return
	}
	if n, ok := wholeNumber(v); ok && n < 1<<40 {
		v = strconv.Itoa(n * u.unit)
	}
	l.limit("ulimit", u.name, v)
}

// maskCPUs turns taskset's mask of bits into a list.
func maskCPUs(mask string) (string, bool) {
	n, ok := new(big.Int).SetString(strings.TrimPrefix(strings.ReplaceAll(mask, ",", ""), "0x"), 16)
	if !ok || n.Sign() <= 0 || n.BitLen() > 1024 {
		return "", false
	}
	var all []string
	for i := range n.BitLen() {
		if n.Bit(i) == 1 {
			all = append(all, strconv.Itoa(i))
		}
	}
	return strings.Join(all, " "), true
}
