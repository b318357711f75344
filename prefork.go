package fcgisup

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Prefork is how workers are forked from a template, which has loaded the program once.
type Prefork struct {
	Language PreforkLanguage
	// Allow are addresses and files that the template may have open before it accepts.
	Allow []string
}

// PreforkLanguage is what the program is written in; empty: workers are not forked from a template.
type PreforkLanguage string

const (
	// PreforkOff starts each worker by itself.
	PreforkOff PreforkLanguage = "off"
	// PreforkPerl forks the workers of programs that call FCGI::Accept.
	PreforkPerl PreforkLanguage = "perl"
)

// On reports whether workers are forked from a template.
func (p Prefork) On() bool { return p.Language == PreforkPerl }

// Equal reports whether both fork the same programs.
func (p Prefork) Equal(o Prefork) bool {
	return p.On() == o.On() && slices.Equal(p.Allow, o.Allow)
}

func prefork(p *Prefork) set {
	return kindly("off, perl, or a mapping", func(d *decoder, n *yaml.Node, key string) {
		r := d.resolve(n, key)
		if r == nil {
			return
		}
		if r.Kind == yaml.ScalarNode {
			*p = Prefork{}
			oneOf(&p.Language, PreforkOff, PreforkPerl)(d, n, key)
			if p.Language == PreforkOff {
				p.Language = ""
			}
			return
		}
		p.Language = PreforkPerl
		section([]field{{"perl", "Perl programs", section([]field{
			{"allow", "connections and files that the program may have open before it accepts: IP:PORT, or a path", preforkNames(&p.Allow)},
		})}})(d, n, key)
		if d.describing() {
			d.about(key, func(k *Key) { k.Default = string(PreforkOff) })
		}
	})
}

func preforkNames(p *[]string) set {
	return kindly("list of addresses and paths", func(d *decoder, n *yaml.Node, key string) {
		*p = nil
		d.sequence(n, key, func(n *yaml.Node, at string) {
			var one string
			value(&one, preforkName)(d, n, at)
			*p = append(*p, one)
		})
	})
}

// preforkName reads an address as the kernel has it, since that is what it is compared with.
func preforkName(s string) (string, error) {
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "@") && len(s) > 1 {
		return s, nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return "", fmt.Errorf("%q is not IP:PORT, nor an absolute path", s)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String(), nil
}
