//go:build programs

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// composeFile is what compose needs of what "gen compose" renders.
type composeFile struct {
	Services map[string]composeService
	Configs  map[string]struct{ Content string }
	Volumes  map[string]struct {
		DriverOpts struct{ O string } `yaml:"driver_opts"`
	}
}

type composeService struct {
	Image, User         string
	Command, Entrypoint []string
	StopGracePeriod     string   `yaml:"stop_grace_period"`
	ReadOnly            bool     `yaml:"read_only"`
	CapDrop             []string `yaml:"cap_drop"`
	SecurityOpt         []string `yaml:"security_opt"`
	Tmpfs, Volumes      []string
	DependsOn           []string `yaml:"depends_on"`
	Configs             []struct{ Source, Target string }
}

// compose: the two services that "gen compose" renders run as containers, and one that is stopped serves what it has begun.
func (b *box) compose(t *testing.T) {
	b.configure(t, podsConfig)
	var file composeFile
	if err := yaml.Unmarshal([]byte(b.run(t, "fcgisup", "gen", "compose", "hello", "--image", "localhost/hello:1.2")), &file); err != nil {
		t.Fatal(err)
	}
	host := b.appHost(t, 90)
	for name, v := range file.Volumes {
		b.run(t, "sh", "-ec", fmt.Sprintf("mkdir -p /run/compose/%[1]s && mount -t tmpfs -o '%[2]s' tmpfs /run/compose/%[1]s", name, v.DriverOpts.O))
	}
	order := []string{"hello", "hello-nginx"}
	if !slices.Contains(file.Services["hello-nginx"].DependsOn, "hello") || len(file.Services) != len(order) {
		t.Fatalf("services %+v", file.Services)
	}
	for _, name := range order {
		b.run(t, b.composeRun(t, file, name, host)...)
	}
	p := &kubePod{box: b, host: host, address: "10.0.0.90"}
	within(t, waitLimit, func() error { return p.composeAsk("/") })

	answers := make(chan error, 4)
	for range cap(answers) {
		go func() { answers <- p.composeAsk("/sleep?ms=2000") }()
	}
	time.Sleep(time.Second)
	for _, name := range slices.Backward(order) { // what depends on another ends first
		grace, err := time.ParseDuration(file.Services[name].StopGracePeriod)
		if err != nil {
			t.Fatal(err)
		}
		b.run(t, "podman", "stop", "-t", strconv.Itoa(int(grace.Seconds())), name)
		if code := strings.TrimSpace(b.run(t, "podman", "inspect", "--format", "{{.State.ExitCode}}", name)); code != "0" {
			t.Errorf("%s ends with exit code %s", name, code)
		}
	}
	failed := 0
	for range cap(answers) {
		if err := <-answers; err != nil {
			failed++
			t.Errorf("a request while the services stop: %v", err)
		}
	}
	t.Logf("compose: stop: %d requests in flight, %d failed", cap(answers), failed)
}

func (p *kubePod) composeAsk(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	status, text, err := p.get(ctx, 8080, path)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("answered %d %.200q", status, text)
	}
	return err
}

// composeRun starts a service.
func (b *box) composeRun(t *testing.T, file composeFile, name, host string) []string {
	t.Helper()
	s := file.Services[name]
	argv := []string{"podman", "run", "-d", "--pull=never", "--name", name, "--network", "ns:/run/netns/" + host, "--user", s.User, fmt.Sprintf("--read-only=%t", s.ReadOnly), "--read-only-tmpfs=false"}
	for _, c := range s.CapDrop {
		argv = append(argv, "--cap-drop", c)
	}
	for _, o := range s.SecurityOpt {
		argv = append(argv, "--security-opt", strings.TrimSuffix(o, ":true"))
	}
	for _, m := range s.Tmpfs {
		where, options, _ := strings.Cut(m, ":")
		from := path.Join("/run/compose/tmpfs", name, where) // podman's own tmpfs takes no owner
		b.run(t, "sh", "-ec", fmt.Sprintf("mkdir -p %[1]s && mount -t tmpfs -o '%[2]s' tmpfs %[1]s", from, options))
		argv = append(argv, "-v", from+":"+where)
	}
	for _, v := range s.Volumes {
		argv = append(argv, "-v", "/run/compose/"+v)
	}
	for _, c := range s.Configs {
		from := path.Join("/run/compose/configs", c.Source)
		b.write(t, from, strings.ReplaceAll(file.Configs[c.Source].Content, "$$", "$"), 0o444)
		argv = append(argv, "-v", from+":"+c.Target+":ro")
	}
	command := append(s.Entrypoint, s.Command...)
	if len(command) > 0 {
		text, err := json.Marshal(command)
		if err != nil {
			t.Fatal(err)
		}
		argv = append(argv, "--entrypoint", string(text))
	}
	return append(argv, s.Image)
}
