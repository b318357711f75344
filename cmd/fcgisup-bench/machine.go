package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

// packages are those whose versions matter to a number.
var packages = []string{"nginx", "wrk", "spawn-fcgi", "multiwatch", "supervisor", "uwsgi-core", "apache2-bin", "libapache2-mod-fcgid", "lighttpd", "php8.2-fpm", "php8.2-cgi", "libfcgi0ldbl", "perl", "systemd"}

// describe looks at this machine; what it does not tell is left out.
func describe(fcgisup string, box bool) report.Machine {
	m := report.Machine{Cores: runtime.NumCPU(), Box: box, CPU: "unknown", Versions: map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go")}}
	if text, err := readFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(text) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				m.CPU = strings.TrimSpace(value)
			}
		}
	}
	m.Memory = fmt.Sprintf("%.0f GiB", fields("/proc/meminfo")["MemTotal"]/kib/kib)
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	if text, err := readFile("/etc/debian_version"); err == nil {
		m.System = "Debian " + strings.TrimSpace(text)
	}
	out, err := exec.Command("dpkg-query", append([]string{"-W", "-f", "${Package} ${Version}\n"}, packages...)...).Output()
	if err == nil || len(out) > 0 { // it fails if one is unknown, and tells of the others
		for line := range strings.Lines(string(out)) {
			if pkg, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok && version != "" {
				m.Versions[pkg] = version
			}
		}
	}
	if out, err := exec.Command(fcgisup, "version").Output(); err == nil {
		m.Versions["fcgisup"] = strings.TrimSpace(strings.TrimPrefix(string(bytes.SplitN(out, []byte("\n"), 2)[0]), "fcgisup "))
	}
	return m
}
