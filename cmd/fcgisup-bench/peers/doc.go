// Package peers starts process managers for FastCGI programs as their manuals say, fcgisup among them, and stops them
// without a trace.
//
// Where there is systemd (in a box) each peer is a unit with the directives of its Debian package's unit, or
// Restart=always where the package has none; fcgisup is what `fcgisup gen` renders. Without systemd they are
// processes of ours, for a quick look. What a peer cannot do it says with the reason; nothing is emulated for it.
package peers

import (
	"context"
	"time"
)

// Program is what is served.
type Program struct {
	Name    string
	Command []string
	Env     map[string]string
	Params  map[string]string // FastCGI parameters it needs beside the usual ones
	Writes  []string          // directories that fcgisup's sandbox must leave it, as ReadWritePaths= has them
	PHP     bool              // a script that PHP-FPM can serve, too
	Perl    bool              // a program that can be forked from a template
	File    string            // what can be told from other processes' first two arguments
}

// Spec is what a peer must run. Everything not said is the peer's default.
type Spec struct {
	Name           string // letters and digits; unique on the host
	Program        Program
	Workers        int           // processes in all; the most, where the peer scales
	Backlog        int           // of the listening socket; 0: the peer's default
	Lazy           bool          // started by the first request
	RequestTimeout time.Duration // after which a request's worker is replaced, where the peer can; 0: never
	Probe          time.Duration // interval of health probes, where the peer has any; 0: its default
}

// Peer is one way to run a Spec.
type Peer interface {
	Name() string
	// Unable says why it cannot run the spec on this host; "" if it can.
	Unable(h *Host, s Spec) string
	// Start returns when the peer was told to run; whether it answers is another matter.
	Start(ctx context.Context, h *Host, s Spec) (*Service, error)
}

// Op is a change that is made while requests arrive.
type Op string

// The changes.
const (
	Reload  Op = "reload"
	Restart Op = "restart"
	Scale   Op = "scale"
	Upgrade Op = "upgrade"
)

// Ops is all of them in the order of the tables.
func Ops() []Op { return []Op{Reload, Restart, Scale, Upgrade} }

type peer struct {
	name   string
	files  []string // that its packages bring
	unable func(h *Host, s Spec) string
	start  func(ctx context.Context, s *Service) error
}

func (p *peer) Name() string { return p.name }

func (p *peer) Unable(h *Host, s Spec) string {
	if reason := h.missing(p.files...); reason != "" {
		return reason
	}
	if p.unable == nil {
		return ""
	}
	return p.unable(h, s)
}

func (p *peer) Start(ctx context.Context, h *Host, spec Spec) (*Service, error) {
	s := &Service{Peer: p.name, Spec: spec, host: h, ops: map[Op]Action{}}
	if err := p.start(ctx, s); err != nil {
		return nil, joinStop(ctx, s, p.name, err)
	}
	return s, nil
}

// All is every peer, fcgisup first.
func All() []Peer {
	return []Peer{
		fcgisup("fcgisup", shared), fcgisup("fcgisup, a socket each", separate), fcgisup("fcgisup, elastic", elastic),
		fcgisup("fcgisup, queue_wait 700ms", hurried), fcgisup("fcgisup, a socket each, queue_wait 700ms", hurriedApart),
		fcgisup("fcgisup, no sandbox", unboxed), fcgisup("fcgisup, prefork", forked),
		spawnFcgi(), multiwatch("multiwatch"), multiwatch("multiwatch again"), supervisor(), uwsgi(), modFcgid(), lighttpd(),
		systemd(), phpFPM("static"), phpFPM("dynamic"), phpFPM("ondemand"),
	}
}

// Named is a peer by its name, nil if there is none.
func Named(name string) Peer {
	for _, p := range All() {
		if p.Name() == name {
			return p
		}
	}
	return nil
}
