//go:build programs

package e2e

import (
	"errors"
	"io"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// manifest is what a kubelet and a Deployment's controller need of what "gen kubernetes" renders.
type manifest struct {
	replicas int
	configs  map[string]string
	pod      podSpec
	// port is that of the Service's target.
	port int
}

type podSpec struct {
	TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
	SecurityContext               struct {
		RunAsUser  int `yaml:"runAsUser"`
		RunAsGroup int `yaml:"runAsGroup"`
		FSGroup    int `yaml:"fsGroup"`
	} `yaml:"securityContext"`
	Containers []containerSpec
	Volumes    []struct {
		Name      string
		ConfigMap *struct{ Name string } `yaml:"configMap"`
	}
}

type containerSpec struct {
	Name, Image string
	Command     []string
	Env         []struct{ Name, Value string }
	Ports       []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	StartupProbe   *probeSpec `yaml:"startupProbe"`
	LivenessProbe  *probeSpec `yaml:"livenessProbe"`
	ReadinessProbe *probeSpec `yaml:"readinessProbe"`
	Lifecycle      struct {
		PreStop *struct {
			Exec struct{ Command []string }
		} `yaml:"preStop"`
	}
	SecurityContext struct {
		ReadOnlyRootFilesystem   bool `yaml:"readOnlyRootFilesystem"`
		AllowPrivilegeEscalation bool `yaml:"allowPrivilegeEscalation"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		SubPath   string `yaml:"subPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type probeSpec struct {
	HTTPGet        struct{ Path, Port string } `yaml:"httpGet"`
	TCPSocket      struct{ Port string }       `yaml:"tcpSocket"`
	TimeoutSeconds int                         `yaml:"timeoutSeconds"`
}

func decodeManifest(t *testing.T, text string) manifest {
	t.Helper()
	var m manifest
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		var o struct {
			Kind string
			Data map[string]string
			Spec yaml.Node
		}
		err := dec.Decode(&o)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		switch o.Kind {
		case "ConfigMap":
			m.configs = o.Data
		case "Deployment":
			var d struct {
				Replicas int
				Template struct{ Spec podSpec }
			}
			if err := o.Spec.Decode(&d); err != nil {
				t.Fatal(err)
			}
			m.replicas, m.pod = d.Replicas, d.Template.Spec
		}
	}
	for _, c := range m.pod.Containers {
		for _, p := range c.Ports {
			if p.Name == "http" {
				m.port = p.ContainerPort
			}
		}
	}
	if m.port == 0 || len(m.configs) == 0 {
		t.Fatalf("no port or configuration in\n%s", text)
	}
	return m
}
