package peer

import (
	"context"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/fcgi"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// Probe asks an instance what its health: section says.
func Probe(ctx context.Context, app fcgisup.App, in fcgisup.Instance) control.ProbeResult {
	response, err := fcgi.Probe(ctx, ProbeRequest(app, in))
	return control.ProbeResult{Err: err, Class: fcgi.ClassOf(err), Status: response.Status, Answer: response.Excerpt, Unsupported: response.Unsupported}
}

// ProbeRequest is the request that probes an instance, as its health: section says.
func ProbeRequest(app fcgisup.App, in fcgisup.Instance) fcgi.Request {
	h := app.Health
	address := in.Address
	if !h.Address.IsZero() {
		address = h.Address.Address(in.Number)
	}
	return fcgi.Request{
		Network: address.Network, Address: address.Addr,
		Method: h.Method, ScriptName: h.ScriptName, Path: h.Path, Host: h.Host, Port: h.Port,
		Params: h.Params,
		Expect: h.Expect,
	}
}
