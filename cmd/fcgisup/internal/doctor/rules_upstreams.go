package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/nginx"
)

// eachUpstream is a check of every upstream with those that pass to it.
func eachUpstream(check func(*facts, upstream, []pass) (finding.Finding, bool)) func(*facts) []finding.Finding {
	return func(f *facts) (found []finding.Finding) {
		for _, u := range f.web.effective.Upstreams {
			var to []pass
			for _, p := range f.web.effective.Passes {
				if p.Upstream == u.Name {
					to = append(to, p)
				}
			}
			if one, ok := check(f, u, to); ok {
				one.Subject = u.String()
				found = append(found, one)
			}
		}
		return found
	}
}

// choice are the servers that nginx chooses among.
func choice(u upstream) int {
	n := 0
	for _, s := range u.Servers {
		if !s.Down && !s.Backup {
			n++
		}
	}
	return n
}

func findRoundRobin(f *facts, u upstream, _ []pass) (finding.Finding, bool) {
	fix := "least_conn; as the first line of the upstream, and zone " + u.Name + " 64k;"
	if app := f.web.made[u.File]; app != "" {
		fix = "apps." + app + ".nginx: {balance: least_conn} in the configuration, then fcgisup apply " + app
	}
	return finding.Finding{
		Subject: "",
		Message: "Upstream " + u.Name + " uses plain round robin: requests wait behind a busy worker while others are idle.", Fix: fix,
	}, choice(u) > 1 && u.Balance == ""
}

func findNoZone(f *facts, u upstream, _ []pass) (finding.Finding, bool) {
	counts := u.Balance == "least_conn" || u.Balance == "random" || u.Balance == "least_time"
	return finding.Finding{
		Subject: "",
		Message: "Upstream " + u.Name + " has no zone: each worker of nginx counts for itself, so " + u.Balance + " chooses servers that are busy with requests of other workers.",
		Fix:     "zone " + u.Name + " 64k; in the upstream",
	}, counts && choice(u) > 1 && !u.Zone && !f.web.effective.OneWorker
}

func findMaxFails(_ *facts, u upstream, _ []pass) (finding.Finding, bool) {
	counted, out := false, time.Duration(0)
	for _, s := range u.Servers {
		if !s.Down && s.MaxFails > 0 {
			counted, out = true, max(out, s.FailTimeout)
		}
	}
	how := fmt.Sprintf("for %g s", out.Seconds())
	if out < time.Second { // nginx compares whole seconds (measured)
		how = "until the second ends, despite fail_timeout=0"
	}
	return finding.Finding{
		Subject: "",
		Message: "Upstream " + u.Name + " counts failures: one full queue disables a server " + how + ", and when all are disabled every request is answered 502.",
		Fix:     "max_fails=0 on each server line",
	}, counted && choice(u) > 1
}

func findMaxConns(_ *facts, u upstream, _ []pass) (finding.Finding, bool) {
	limited := slices.ContainsFunc(u.Servers, func(s nginx.Server) bool { return !s.Down && s.MaxConns > 0 })
	return finding.Finding{
		Subject: "",
		Message: "Upstream " + u.Name + " limits connections: requests above the limit are answered 502 at once, although the socket could queue them.",
		Fix:     "remove max_conns= from the server lines; the backlog of the socket is the queue",
	}, limited
}

// keptByDefault is since when upstreams keep connections unless told otherwise.
const keptByDefault = "1.29.7"

func findKeepalive(f *facts, u upstream, to []pass) (finding.Finding, bool) {
	kept := u.Keepalive != nil && *u.Keepalive > 0
	why := "has keepalive"
	if u.Keepalive == nil && !older(f.web.build.Version, keptByDefault) {
		kept, why = true, "keeps connections by default since nginx "+keptByDefault
	}
	asked := slices.IndexFunc(to, func(p pass) bool { return p.KeepConn })
	if !kept || asked < 0 {
		return finding.Finding{}, false
	}
	return finding.Finding{
		Subject: "",
		Message: "Upstream " + u.Name + " " + why + " and fastcgi_keep_conn is on: an idle connection occupies a worker, and requests wait for it until they time out.",
		Fix:     "fastcgi_keep_conn off; at " + to[asked].String() + ", and no keepalive in the upstream",
	}, true
}

// older compares versions number by number; one that is not known is older.
func older(version, than string) bool {
	a, b := numbersOf(version), numbersOf(than)
	return slices.Compare(a, b) < 0
}

func numbersOf(version string) []int {
	var all []int
	for part := range strings.SplitSeq(version, ".") {
		n := 0
		_, _ = fmt.Sscanf(part, "%d", &n) // zero if it is none
		all = append(all, n)
	}
	return all
}

// findUnboundedRetry: a request that kills its worker goes on to kill the others.
func findUnboundedRetry(_ *facts, u upstream, to []pass) (finding.Finding, bool) {
	unbound := slices.IndexFunc(to, func(p pass) bool { return p.RetriesErrors && (p.Tries == 0 || p.Tries > 2) })
	if unbound < 0 || choice(u) <= 2 {
		return finding.Finding{}, false
	}
	return finding.Finding{
		Subject: "",
		Message: fmt.Sprintf("A request that kills its worker is sent to each of the %d servers of upstream %s in turn.", choice(u), u.Name),
		Fix:     "fastcgi_next_upstream_tries 2; at " + to[unbound].String(),
	}, true
}
