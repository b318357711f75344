package deploy

import (
	"fmt"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/webserver"
)

// renderWeb returns an app's file for another web server, and names what is left out of it.
func (g *Generation) renderWeb(src *Source, app fcgisup.App) (fcgisup.File, error) {
	file, notes, err := webserver.Render(g.Web, app, src.generator(app, string(g.Web)))
	for _, n := range notes {
		fmt.Fprintf(g.Err, "fcgisup: %s has no counterpart in %s: %s\n", n.Key, g.Web.Name(), n.Why)
	}
	return file, err
}
