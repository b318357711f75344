package fcgisup

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// errLiteralURL never quotes what it refuses: a notification URL is a secret,
// and so may be what stands where the name of its file belongs.
var errLiteralURL = errors.New("a notification URL holds a secret, and many may read this file: put it into a file of its own, url_file: /PATH")

func receivers(p *[]Receiver) set {
	return kindly("list of mappings", func(d *decoder, n *yaml.Node, key string) {
		*p = nil
		names := map[string]string{}
		d.sequence(n, key, func(n *yaml.Node, at string) {
			var t Receiver
			if !d.receiver(&t, n, at) {
				return
			}
			if other := names[t.Name]; other != "" {
				d.errorAt(d.at(at+".name", n), at+".name", "%s is the name of %s already; give one of them another", t.Name, other)
				return
			}
			names[t.Name] = at
			*p = append(*p, t)
		})
	})
}

// receiver reports whether it read a whole one.
func (d *decoder) receiver(t *Receiver, n *yaml.Node, key string) bool {
	r := d.resolve(n, key)
	if r == nil {
		return false
	}
	if r.Kind == yaml.ScalarNode {
		switch {
		case strings.Contains(r.Value, "://"):
			d.errorAt(n, key, "%v", errLiteralURL)
		case r.Value == "":
			d.errorAt(n, key, "is empty; it takes one of url_file, url_env, exec")
		default:
			d.errorAt(n, key, "must be a mapping with one of url_file, url_env, exec")
		}
		return false
	}
	before := len(d.errs)
	d.mapping(n, key, func(k, v *yaml.Node, at string) {
		if k.Value == "url" || strings.Contains(k.Value, "://") {
			d.errorAt(k, key, "%v", errLiteralURL)
			return
		}
		d.choose(receiverFields(t), key, k, v, at)
	})
	if len(d.errs) > before {
		return false
	}
	return d.checkReceiver(t, n, key)
}

func (d *decoder) checkReceiver(t *Receiver, n *yaml.Node, key string) bool {
	ways := 0
	for _, way := range []string{"url_file", "url_env", "exec"} {
		if d.nodes[key+"."+way] != nil {
			ways++
		}
	}
	switch {
	case ways == 0:
		d.errorAt(n, key, "takes one of url_file, url_env, exec")
	case ways > 1:
		d.errorAt(n, key, "takes only one of url_file, url_env, exec")
	case d.nodes[key+".exec"] != nil && len(t.Exec) == 0:
		d.errorAt(d.at(key+".exec", n), key+".exec", "is empty")
	default:
		if t.Name == "" {
			t.Name = t.ownName()
		}
		return true
	}
	return false
}

func receiverName(p *string) set {
	return value(p, func(s string) (string, error) { return s, CheckName(s) })
}

// secretFile reads the path of a file that holds a secret, and quotes nothing:
// it may be the secret itself.
func secretFile(p *string) set {
	return kindly("absolute path", value(p, func(s string) (string, error) {
		switch {
		case strings.Contains(s, "://"):
			return "", errLiteralURL
		case !strings.HasPrefix(s, "/"):
			return "", errors.New("must be the absolute path of a file")
		}
		return s, nil
	}))
}

func secretVariable(p *string) set {
	return value(p, func(s string) (string, error) {
		switch {
		case strings.Contains(s, "://"):
			return "", errLiteralURL
		case !envRule().MatchString(s):
			return "", errors.New("must be the name of an environment variable")
		}
		return s, nil
	})
}

// atLeast reads a duration with a lower bound.
func atLeast(p *time.Duration, low time.Duration) set {
	return kindly("duration, at least "+low.String(), value(p, func(s string) (time.Duration, error) {
		v, err := parseDuration(s)
		if err == nil && v < low {
			err = fmt.Errorf("must be at least %s", low)
		}
		return v, err
	}))
}

// endpoint reads one address to listen on.
func endpoint(p *Address) set {
	return value(p, func(s string) (Address, error) {
		a, err := ParseAddress(s)
		if err != nil || a.Network == "unix" {
			return a, err
		}
		host, _, err := net.SplitHostPort(a.Addr)
		if err != nil {
			return Address{}, err
		}
		if host == "*" {
			a.Addr = strings.TrimPrefix(a.Addr, "*")
		} else if _, err := netip.ParseAddr(host); host != "" && err != nil {
			return Address{}, fmt.Errorf("%q is not an IP address such as 127.0.0.1", host)
		}
		return a, nil
	})
}

// Local reports whether only this host can connect: a unix socket, or loopback.
func (a Address) Local() bool {
	if a.Network == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(a.Addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// checkMonitor is what no single value can tell.
func (d *decoder) checkMonitor(m *Monitor, root *yaml.Node) {
	if !m.Listen.Local() && m.TokenFile == "" && !d.failed("monitor.token_file") {
		d.errorAt(d.at("monitor.listen", root), "monitor.listen", "other hosts can reach %s: it takes monitor.token_file as well, or a loopback or unix address", m.Listen)
	}
}
