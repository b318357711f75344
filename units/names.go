package units

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// The names of all units are made and read here, and nowhere else:
//
//	APP-fastcgi.target                 all of an app
//	APP-fastcgi@.service, .socket      the templates
//	APP-fastcgi@N.service, .socket     instance N

// infix is between an app's name and what the unit is.
const infix = "-fastcgi"

// Kinds of the units of an instance.
const (
	KindService = "service"
	KindSocket  = "socket"
)

// Patterns of the units of all instances of all apps, as systemctl(1) takes them.
const (
	AllSockets  = "*" + infix + "@*." + KindSocket
	AllServices = "*" + infix + "@*." + KindService
)

// Names are those of the units of an app, whose name it is.
type Names string

// Target names the unit of all instances of an app.
func (a Names) Target() string { return string(a) + infix + ".target" }

// Socket names the socket unit of an instance.
func (a Names) Socket(n int) string { return a.Numbered(strconv.Itoa(n), KindSocket) }

// Service names the service of an instance.
func (a Names) Service(n int) string { return a.Numbered(strconv.Itoa(n), KindService) }

// SocketTemplate names the template of an app's socket units.
func (a Names) SocketTemplate() string { return a.Numbered("", KindSocket) }

// ServiceTemplate names the template of an app's services.
func (a Names) ServiceTemplate() string { return a.Numbered("", KindService) }

// Services is the pattern of an app's services.
func (a Names) Services() string { return a.Numbered("*", KindService) }

// Any is the pattern of all units of an app's instances.
func (a Names) Any() string { return string(a) + infix + "@*" }

// Numbered names units of instances by a text that stands for their numbers, such as {1..5}.
func (a Names) Numbered(numbers, kind string) string {
	return string(a) + infix + "@" + numbers + "." + kind
}

// Parse reads the name of an instance's socket unit or service; false for any other unit.
func Parse(unit string) (app string, n int, kind string, ok bool) {
	name, kind, _ := cutLast(unit, ".")
	app, number, found := cutLast(name, infix+"@")
	if !found || app == "" || kind != KindSocket && kind != KindService || number == "" || strings.Trim(number, "0123456789") != "" || number[0] == '0' {
		return "", 0, "", false
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return "", 0, "", false // a number that no instance can have
	}
	return app, n, kind, true
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// inText is compiled when it is first used: a supervisor needs none.
var inText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(infix + `@([1-9][0-9]{0,4})\.(?:` + KindSocket + `|` + KindService + `)`)
})

// HighestIn returns the highest number of an instance whose units a text names, 0 for none.
func HighestIn(text []byte) (n int) {
	for _, m := range inText().FindAllSubmatch(text, -1) {
		i, _ := strconv.Atoi(string(m[1]))
		n = max(n, i)
	}
	return n
}
