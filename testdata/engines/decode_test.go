// Package engines decodes what "fcgisup gen kubernetes" renders into the types of Kubernetes' own API. It is a module of its
// own, so that their libraries are not those of fcgisup.
package engines

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// scaledObject is KEDA's, as far as the documentation uses it: its module is not needed for four fields.
type scaledObject struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		ScaleTargetRef  struct{ Name string } `json:"scaleTargetRef"`
		MinReplicaCount int                   `json:"minReplicaCount"`
		MaxReplicaCount int                   `json:"maxReplicaCount"`
		Triggers        []struct {
			Type     string            `json:"type"`
			Metadata map[string]string `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

var kinds = map[string]func() any{
	"v1 ConfigMap":                           func() any { return &core.ConfigMap{} },
	"v1 Service":                             func() any { return &core.Service{} },
	"apps/v1 Deployment":                     func() any { return &apps.Deployment{} },
	"policy/v1 PodDisruptionBudget":          func() any { return &policy.PodDisruptionBudget{} },
	"autoscaling/v2 HorizontalPodAutoscaler": func() any { return &autoscaling.HorizontalPodAutoscaler{} },
	"monitoring.coreos.com/v1 PodMonitor":    func() any { return &monitoring.PodMonitor{} },
	"keda.sh/v1alpha1 ScaledObject":          func() any { return &scaledObject{} },
}

// decode reads every document of a text; unknown fields, repeated ones and wrong types are errors.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, doc := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
		var head meta.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		key := head.APIVersion + " " + head.Kind
		fresh := kinds[key]
		if fresh == nil {
			t.Fatalf("unknown kind %q\n%s", key, doc)
		}
		object := fresh()
		if err := yaml.UnmarshalStrict([]byte(doc), object); err != nil {
			t.Errorf("%s: %v\n%s", key, err, doc)
		}
		all[key] = object
	}
	return all
}

// TestManifests decodes every manifest of testdata/cases, and holds its objects together.
func TestManifests(t *testing.T) {
	files, err := filepath.Glob("../cases/*/kubernetes/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d manifests, %v", len(files), err)
	}
	extra := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all := decode(t, string(text))
			d := all["apps/v1 Deployment"].(*apps.Deployment)
			checkPod(t, d, all["v1 ConfigMap"].(*core.ConfigMap))
			checkAround(t, d, all)
			extra += len(all) - 4
		})
	}
	if extra < 2 {
		t.Error("no manifest has a PodMonitor and a HorizontalPodAutoscaler")
	}
}

func checkPod(t *testing.T, d *apps.Deployment, cm *core.ConfigMap) {
	t.Helper()
	for _, problem := range validation.IsDNS1035Label(d.Name) {
		t.Errorf("name %q: %s", d.Name, problem)
	}
	if !labels.Set(d.Spec.Selector.MatchLabels).AsSelector().Matches(labels.Set(d.Spec.Template.Labels)) {
		t.Errorf("the selector %v does not match the pods' labels %v", d.Spec.Selector, d.Spec.Template.Labels)
	}
	pod := d.Spec.Template.Spec
	if s := pod.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("securityContext %+v", s)
	}
	volumes := map[string]core.Volume{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v
	}
	for _, c := range pod.Containers {
		ports := map[string]bool{}
		for _, p := range c.Ports {
			ports[p.Name] = true
			for _, problem := range validation.IsValidPortName(p.Name) {
				t.Errorf("port %q: %s", p.Name, problem)
			}
		}
		for _, p := range []*core.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
			if p != nil && (p.HTTPGet == nil || !ports[p.HTTPGet.Port.String()]) && (p.TCPSocket == nil || !ports[p.TCPSocket.Port.String()]) {
				t.Errorf("%s: a probe asks %+v; ports are %v", c.Name, p.ProbeHandler, ports)
			}
		}
		for _, m := range c.VolumeMounts {
			v, ok := volumes[m.Name]
			if _, has := cm.Data[m.SubPath]; !ok || v.ConfigMap != nil && (v.ConfigMap.Name != cm.Name || m.SubPath != "" && !has) {
				t.Errorf("%s mounts %+v, which is not there", c.Name, m)
			}
		}
		if c.SecurityContext == nil || !*c.SecurityContext.ReadOnlyRootFilesystem || *c.SecurityContext.AllowPrivilegeEscalation || len(c.SecurityContext.Capabilities.Drop) != 1 {
			t.Errorf("%s: %+v", c.Name, c.SecurityContext)
		}
	}
}

func checkAround(t *testing.T, d *apps.Deployment, all map[string]any) {
	t.Helper()
	pods := labels.Set(d.Spec.Template.Labels)
	service := all["v1 Service"].(*core.Service)
	if !labels.Set(service.Spec.Selector).AsSelector().Matches(pods) || len(service.Spec.Ports) != 1 {
		t.Errorf("service %+v", service.Spec)
	}
	for key, selector := range map[string]*meta.LabelSelector{"policy/v1 PodDisruptionBudget": all["policy/v1 PodDisruptionBudget"].(*policy.PodDisruptionBudget).Spec.Selector} {
		if s, err := meta.LabelSelectorAsSelector(selector); err != nil || !s.Matches(pods) {
			t.Errorf("%s selects %v: %v", key, selector, err)
		}
	}
	if m, ok := all["monitoring.coreos.com/v1 PodMonitor"].(*monitoring.PodMonitor); ok {
		if s, err := meta.LabelSelectorAsSelector(&m.Spec.Selector); err != nil || !s.Matches(pods) || len(m.Spec.PodMetricsEndpoints) != 1 {
			t.Errorf("PodMonitor %+v: %v", m.Spec, err)
		}
	}
	h, ok := all["autoscaling/v2 HorizontalPodAutoscaler"].(*autoscaling.HorizontalPodAutoscaler)
	if (d.Spec.Replicas == nil) != ok {
		t.Errorf("replicas %v, autoscaler %v", d.Spec.Replicas, h)
	}
	if ok {
		m := h.Spec.Metrics[0]
		if h.Spec.ScaleTargetRef.Name != d.Name || *h.Spec.MinReplicas < 1 || h.Spec.MaxReplicas < *h.Spec.MinReplicas ||
			m.Type != autoscaling.PodsMetricSourceType || m.Pods.Metric.Name != "fcgisup_saturation" || m.Pods.Target.AverageValue.MilliValue() != 700 {
			t.Errorf("HorizontalPodAutoscaler %+v", h.Spec)
		}
	}
}

// TestDocs decodes the objects on docs/kubernetes.md.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(apiVersion: .*?)```").FindAllStringSubmatch(string(text), -1) {
		for key, object := range decode(t, block[1]) {
			found[key] = true
			if o, ok := object.(*scaledObject); ok && (o.Spec.ScaleTargetRef.Name == "" || len(o.Spec.Triggers) != 1 || !strings.Contains(o.Spec.Triggers[0].Metadata["query"], "fcgisup_saturation")) {
				t.Errorf("ScaledObject %+v", o)
			}
		}
	}
	for _, key := range []string{"autoscaling/v2 HorizontalPodAutoscaler", "keda.sh/v1alpha1 ScaledObject"} {
		if !found[key] {
			t.Errorf("docs/kubernetes.md shows no %s", key)
		}
	}
}
