package engine

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/nginx"
)

// Kind is an engine.
type Kind string

// The engines.
const (
	Kubernetes Kind = "kubernetes"
	Compose    Kind = "compose"
	Quadlet    Kind = "quadlet"
)

// Kinds are all there are.
var Kinds = []Kind{Kubernetes, Compose, Quadlet}

// Name is the engine's own name.
func (k Kind) Name() string {
	switch k {
	case Kubernetes:
		return "Kubernetes"
	case Quadlet:
		return "Quadlet"
	default:
		return "compose"
	}
}

// What fcgisup serves for engines, in one place.
const (
	metricsPort = 9180
	startPath   = "/startupz"
	livePath    = "/livez"
	readyPath   = "/readyz"
)

const (
	// webPort is nginx's within the pod: below 1024 it would need a capability.
	webPort = 8080
	// user is www-data of Debian's image, who owns the socket; nginx runs as the same.
	user = 33
	// usualDrain is for limits.drain_delay where the app has none: a load balancer has to take notice.
	usualDrain = 5 * time.Second
	// margin is the time from the last drain to the end of the process.
	margin = 5 * time.Second
	// overhead is what fcgisup itself takes beside the workers.
	overhead = 64 << 20

	configDir   = "/etc/fcgisup"
	socketDir   = "/run/sockets"
	nginxImage  = "nginxinc/nginx-unprivileged:stable"
	snippetsDir = "/etc/nginx/snippets"
)

// Options are what the app does not say.
type Options struct {
	// Text is the configuration that has the app.
	Text []byte
	// Image is that of the program, with fcgisup in it.
	Image string
	// Generator is the command line that renders the files again.
	Generator string
	// ExpandEnv says that the configuration has variables of the environment.
	ExpandEnv bool
	// Private says that not everybody may read the configuration, a part of which is in the files.
	Private bool
	// With are additional objects.
	With []Object
}

// Object is one that Kubernetes gets only if it is asked for.
type Object string

// The objects.
const (
	// PodMonitor has Prometheus' operator collect the metrics.
	PodMonitor Object = "podmonitor"
	// Autoscaler is a HorizontalPodAutoscaler, which sets the number of pods.
	Autoscaler Object = "hpa"
)

// Objects are all there are.
var Objects = []Object{PodMonitor, Autoscaler}

func (o Options) with(object Object) bool { return slices.Contains(o.With, object) }

// Note is a key of the configuration that an engine has no counterpart for.
type Note struct{ Key, Why string }

// pod is an app as it runs in a pod.
type pod struct {
	Options
	kind Kind
	app  fcgisup.App
	// instances are the app's own: as many pods.
	instances int
	// config is its configuration, upstream and location are nginx's files.
	config, upstream, location string
	notes                      []Note
}

var labelRule = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// maxName leaves room for what is added to a name in the 63 characters of a label.
const maxName = 50

// Render returns the app's files for an engine and what is left out of them.
func Render(kind Kind, app fcgisup.App, o Options) ([]fcgisup.File, []Note, error) {
	if !labelRule.MatchString(app.Name) || len(app.Name) > maxName {
		return nil, nil, fmt.Errorf("cannot render %s for %s: the name of a service must begin with a letter, end with a letter or digit, and have at most %d characters", app.Name, kind.Name(), maxName)
	}
	p := &pod{Options: o, kind: kind, app: app, instances: app.Instances}
	p.app.Instances, p.app.Hosts = 1, nil
	if p.app.Limits.DrainDelay == 0 && kind != Quadlet {
		p.app.Limits.DrainDelay = usualDrain
	}
	p.app.Listen = fcgisup.Listen{Path: socketDir + "/" + app.Name + ".sock"}
	if app.Listen.Network() == "tcp" && kind == Kubernetes { // the containers of a pod have one network
		p.app.Listen = fcgisup.Listen{Host: "127.0.0.1", Port: app.Listen.Port}
	}
	if kind == Quadlet {
		p.app = app
	}
	if err := p.configure(app); err != nil {
		return nil, nil, err
	}
	for _, f := range nginx.Render(p.app, nginx.Options{Generator: o.Generator}) {
		if strings.HasSuffix(f.Path, "-upstream.conf") {
			p.upstream = string(f.Data)
		} else {
			p.location = string(f.Data)
		}
	}
	var files []fcgisup.File
	switch kind {
	case Kubernetes:
		files = kubernetes(p)
	case Compose:
		files = compose(p)
	default:
		files = quadlet(p)
	}
	return files, p.notes, nil
}

func (p *pod) file(name, text string) fcgisup.File {
	mode := fs.FileMode(0o644)
	if p.Private {
		mode = 0o600
	}
	return fcgisup.File{Path: string(p.kind) + "/" + name, Mode: mode, Data: []byte(text)}
}

// head is the comment at the top of a file.
func (p *pod) head(use string) string {
	text := nginx.Header + p.Generator + "\n# Do not edit: change the configuration and generate it again. " + use + "\n"
	for _, n := range p.notes {
		text += "# " + n.Key + ": " + p.kind.Name() + " has no counterpart: " + n.Why + "\n"
	}
	return text
}

// grace is how long an engine waits for the end of a pod, in whole seconds.
func (p *pod) grace() int {
	return seconds(p.app.Limits.StopTimeout + p.app.Limits.DrainDelay + margin)
}

// memory is what the container may take, in MiB; 0: nothing bounds it.
func (p *pod) memory() uint64 {
	if p.app.Limits.MaxMemory == 0 || p.app.Workers.Auto {
		return 0
	}
	const mib = 1 << 20
	return (p.app.Limits.MaxMemory*uint64(p.app.Workers.Max) + overhead + mib - 1) / mib
}

// server is nginx's server block in the pod.
func (p *pod) server() string {
	return "server {\n\tlisten " + strconv.Itoa(webPort) + ";\n\tinclude " + snippetsDir + "/" + p.app.Name + "-location.conf;\n}\n"
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// indent puts a text below a block scalar's "|".
func indent(text string, by int) string {
	pad := strings.Repeat(" ", by)
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			out.WriteString(pad)
		}
		out.WriteString(line)
	}
	return out.String()
}

// dollars doubles what compose would take for its own variables.
func dollars(text string) string { return strings.ReplaceAll(text, "$", "$$") }
