package engine

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fcgisup/fcgisup"
)

const config = `apps:
  rt:
    command: &c [/usr/bin/rt.fcgi, "x: $uri"]
    user: rt
    group: rt
    instances: 3
    workers: {min: 1, max: 4}
    socket: {user: www-data, mode: "0660", backlog: 64}
    after: [postgresql.service]
    environment: {A: "0755", B: 'it''s "x"'}
    environment_file: /etc/default/rt
    limits: {stop_timeout: 20s, drain_delay: 7s, max_memory: 100MiB}
    systemd: {sandbox: strict}
  tcp: {command: *c, listen: "192.0.2.1:9100"}
`

func render(t *testing.T, kind Kind, app string, o Options) (string, []string) {
	t.Helper()
	cfg, err := fcgisup.Parse("test", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := cfg.App(app)
	o.Text, o.Generator, o.Image = []byte(config), "fcgisup gen x", "rt:1"
	files, notes, err := Render(kind, a, o)
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, f := range files {
		text += string(f.Data)
	}
	var keys []string
	for _, n := range notes {
		keys = append(keys, strings.TrimPrefix(n.Key, "apps.rt."))
		if !strings.Contains(text, "# "+n.Key+": ") {
			t.Errorf("%s: no comment about %s", kind, n.Key)
		}
	}
	return text, keys
}

// The objects as the API's reference has them, as far as they are used: any other field is an error.
type (
	labels map[string]string
	meta   struct {
		Name   string
		Labels labels
	}
	selector struct {
		MatchLabels labels `yaml:"matchLabels"`
	}
	probe struct {
		HTTPGet struct{ Path, Port string } `yaml:"httpGet"`

		TCPSocket struct{ Port string } `yaml:"tcpSocket"`

		PeriodSeconds    int `yaml:"periodSeconds"`
		TimeoutSeconds   int `yaml:"timeoutSeconds"`
		FailureThreshold int `yaml:"failureThreshold"`
	}
	container struct {
		Name, Image string
		Command     []string
		Env         []struct{ Name, Value string }
		Ports       []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		StartupProbe    *probe `yaml:"startupProbe"`
		LivenessProbe   *probe `yaml:"livenessProbe"`
		ReadinessProbe  *probe `yaml:"readinessProbe"`
		Resources       struct{ Requests, Limits map[string]string }
		SecurityContext struct {
			AllowPrivilegeEscalation bool                    `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool                    `yaml:"readOnlyRootFilesystem"`
			Capabilities             struct{ Drop []string } `yaml:"capabilities"`
		} `yaml:"securityContext"`
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			SubPath   string `yaml:"subPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
		Lifecycle struct {
			PreStop struct{ Exec struct{ Command []string } } `yaml:"preStop"`
		}
	}
	podSpec struct {
		TerminationGracePeriodSeconds int   `yaml:"terminationGracePeriodSeconds"`
		AutomountServiceAccountToken  *bool `yaml:"automountServiceAccountToken"`
		SecurityContext               struct {
			RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
			RunAsUser      int                   `yaml:"runAsUser"`
			RunAsGroup     int                   `yaml:"runAsGroup"`
			FSGroup        int                   `yaml:"fsGroup"`
			SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		Containers []container
		Volumes    []struct {
			Name      string
			ConfigMap *struct{ Name string }   `yaml:"configMap"`
			EmptyDir  *struct{ Medium string } `yaml:"emptyDir"`
		}
	}
	object struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   meta
		Data       map[string]string
		Spec       yaml.Node
	}
	deployment struct {
		Replicas int
		Selector selector
		Strategy struct {
			Type          string
			RollingUpdate struct {
				MaxSurge       int `yaml:"maxSurge"`
				MaxUnavailable int `yaml:"maxUnavailable"`
			} `yaml:"rollingUpdate"`
		}
		Template struct {
			Metadata struct{ Labels labels }
			Spec     podSpec
		}
	}
	service struct {
		Selector labels
		Ports    []struct {
			Name       string
			Port       int
			TargetPort string `yaml:"targetPort"`
		}
	}
	budget struct {
		MaxUnavailable int `yaml:"maxUnavailable"`
		Selector       selector
	}
	podMonitor struct {
		Selector            selector
		PodMetricsEndpoints []struct{ Port, Path string } `yaml:"podMetricsEndpoints"`
	}
)

// strict decodes a node into v, in which every field of it has to be.
func strict(t *testing.T, n *yaml.Node, v any) {
	t.Helper()
	text, err := yaml.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(v); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func objects(t *testing.T, text string) map[string]object {
	t.Helper()
	all := map[string]object{}
	dec := yaml.NewDecoder(strings.NewReader(text))
	dec.KnownFields(true)
	for {
		var o object
		err := dec.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		all[o.APIVersion+" "+o.Kind] = o
	}
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	text, notes := render(t, Kubernetes, "rt", Options{With: []Object{PodMonitor}, ExpandEnv: true})
	if want := []string{"user", "group", "socket.user", "socket.mode", "after", "environment_file", "systemd"}; !slices.Equal(notes, want) {
		t.Errorf("notes about %q, want %q", notes, want)
	}
	all := objects(t, text)
	var d deployment
	var svc service
	var pdb budget
	var monitor podMonitor
	for key, v := range map[string]any{"apps/v1 Deployment": &d, "v1 Service": &svc, "policy/v1 PodDisruptionBudget": &pdb, "monitoring.coreos.com/v1 PodMonitor": &monitor} {
		o := all[key]
		if o.Metadata.Name != "rt" {
			t.Fatalf("no %s in\n%s", key, text)
		}
		strict(t, &o.Spec, v)
	}
	pod := d.Template.Spec
	if d.Replicas != 3 || pod.TerminationGracePeriodSeconds != 32 || pod.SecurityContext.RunAsUser != user || !pod.SecurityContext.RunAsNonRoot {
		t.Errorf("%+v", d)
	}
	data := all["v1 ConfigMap"].Data
	volumes, ports := map[string]bool{}, map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range pod.Containers {
		if !c.SecurityContext.ReadOnlyRootFilesystem || c.SecurityContext.AllowPrivilegeEscalation || !slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}) {
			t.Errorf("%s: %+v", c.Name, c.SecurityContext)
		}
		for _, port := range c.Ports {
			ports[port.Name] = true
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] || m.SubPath != "" && data[m.SubPath] == "" {
				t.Errorf("%s mounts %+v; there are %v", c.Name, m, volumes)
			}
		}
	}
	app, web := pod.Containers[0], pod.Containers[1]
	if p := web.ReadinessProbe; p == nil || !ports[p.TCPSocket.Port] {
		t.Errorf("nginx is ready when %+v", p)
	}
	for path, p := range map[string]*probe{startPath: app.StartupProbe, livePath: app.LivenessProbe, readyPath: app.ReadinessProbe} {
		if p == nil || p.HTTPGet.Path != path || !ports[p.HTTPGet.Port] {
			t.Errorf("probe of %s: %+v", path, p)
		}
	}
	if app.Resources.Limits["memory"] != "464Mi" || len(app.Env) != 1 || app.Env[0].Name != fcgisup.EnvExpand || !slices.Equal(web.Lifecycle.PreStop.Exec.Command, []string{"sleep", "7"}) {
		t.Errorf("%+v\n%+v", app, web)
	}
	if !ports[svc.Ports[0].TargetPort] || !ports[monitor.PodMetricsEndpoints[0].Port] || svc.Selector["app.kubernetes.io/name"] != d.Template.Metadata.Labels["app.kubernetes.io/name"] {
		t.Errorf("%+v, %+v", svc, monitor)
	}
	cfg, err := fcgisup.Parse("pod", []byte(data["fcgisup.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	a := cfg.Apps[0]
	if a.Instances != 1 || a.User != "www-data" || a.Socket.Backlog != 64 || a.Environment["A"] != "0755" || a.Environment["B"] != `it's "x"` || a.Command[1] != "x: $uri" ||
		!strings.Contains(data["rt-upstream.conf"], "server unix:"+a.Instance(1).Address.Addr+" ") {
		t.Errorf("%+v\n%s", a, text)
	}
	if text, _ := render(t, Kubernetes, "tcp", Options{}); !strings.Contains(text, "listen: '127.0.0.1:9100'") || !strings.Contains(text, "server 127.0.0.1:9100 ") {
		t.Errorf("over TCP:\n%s", text)
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	text, _ := render(t, Compose, "rt", Options{})
	var file struct {
		Services map[string]struct {
			Image, User, Restart string
			Command, Entrypoint  []string
			Environment          map[string]string
			StopGracePeriod      string   `yaml:"stop_grace_period"`
			ReadOnly             bool     `yaml:"read_only"`
			CapDrop              []string `yaml:"cap_drop"`
			SecurityOpt          []string `yaml:"security_opt"`
			MemLimit             string   `yaml:"mem_limit"`
			DependsOn            []string `yaml:"depends_on"`
			Healthcheck          struct {
				Test              []string
				Interval, Timeout string
				StartPeriod       string `yaml:"start_period"`
			}
			Tmpfs, Volumes, Ports []string
			Configs               []struct{ Source, Target string }
		}
		Volumes map[string]struct {
			DriverOpts map[string]string `yaml:"driver_opts"`
		}
		Configs map[string]struct{ Content string }
	}
	dec := yaml.NewDecoder(strings.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for name, s := range file.Services {
		if !s.ReadOnly || s.StopGracePeriod != "32s" {
			t.Errorf("%s: %+v", name, s)
		}
		for _, c := range s.Configs {
			if file.Configs[c.Source].Content == "" {
				t.Errorf("%s has no config %s", name, c.Source)
			}
		}
	}
	content := strings.ReplaceAll(file.Configs["rt-fcgisup"].Content, "$$", "$")
	if cfg, err := fcgisup.Parse("compose", []byte(content)); err != nil || cfg.Apps[0].Command[1] != "x: $uri" || strings.Count(text, "$uri") != strings.Count(text, "$$uri") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestQuadlet(t *testing.T) {
	t.Parallel()
	text, notes := render(t, Quadlet, "rt", Options{})
	for _, want := range []string{"\nListenStream=/run/rt%i.sock\n", "\nImage=rt:1\n", "\nExec=run --app rt --instance %i\n", "\nAfter=postgresql.service\n", "\nPodmanArgs=--stop-timeout=32\n", "\nRestartPreventExitStatus=0\n", "Wants=rt-fastcgi@1.socket "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if want := []string{"user", "systemd.sandbox"}; !slices.Equal(notes, want) {
		t.Errorf("notes about %q, want %q", notes, want)
	}
}

// TestAutoscaler: the number of pods is the autoscaler's alone, and stays within its bounds.
func TestAutoscaler(t *testing.T) {
	t.Parallel()
	text, _ := render(t, Kubernetes, "rt", Options{With: []Object{Autoscaler}})
	if strings.Contains(text, "\n  replicas:") {
		t.Errorf("the Deployment sets replicas:\n%s", text)
	}
	for _, want := range []string{"\nkind: HorizontalPodAutoscaler\n", "\n  minReplicas: 3\n  maxReplicas: 12\n", "metric: {name: fcgisup_saturation}"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
