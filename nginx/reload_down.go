package nginx

import (
	"bytes"
	"slices"

	"github.com/fcgisup/fcgisup"
)

// Down marks servers in an upstream that [Render] made as ones that nginx must
// not use: what [Options] do when the app is at hand. Those that it does not
// have are left out.
func Down(upstream []byte, addresses ...fcgisup.Address) []byte {
	out := slices.Clone(upstream)
	for _, a := range addresses {
		before := []byte("\tserver " + quote(server(a)) + " max_fails=0;")
		after := []byte("\tserver " + quote(server(a)) + " max_fails=0 down;")
		out = bytes.Replace(out, before, after, 1)
	}
	return out
}
