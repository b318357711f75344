package fcgisup

import "path"

// Scripts is what a program runs that has to be told its script with each request.
type Scripts string

// The kinds of scripts.
const (
	// NoScripts is a program that is the application itself.
	NoScripts Scripts = ""
	// PHPScripts are php-cgi's.
	PHPScripts Scripts = "php"
	// CGIScripts are fcgiwrap's.
	CGIScripts Scripts = "cgi"
)

var phpRule = pattern(`^php(-cgi)?[0-9.]*(-cgi)?$`)

// Scripts tells php-cgi and fcgiwrap, also behind a wrapper such as env, from
// programs that are the application.
func (a App) Scripts() Scripts {
	for _, word := range a.Command {
		switch name := path.Base(word); {
		case name == "fcgiwrap":
			return CGIScripts
		case phpRule().MatchString(name):
			return PHPScripts
		}
	}
	return NoScripts
}
