package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkThroughput compares requests per second through one nginx, of the same C program with the same number of
// processes on one socket: under fcgisup and under spawn-fcgi with multiwatch. All are up all the time; short runs
// alternate, and so does which comes first, so that what else the machine does hits all. A second multiwatch is the
// control: its ratio would be 1 if the machine were quiet.
func BenchmarkThroughput(b *testing.B) {
	needTools(b, "/usr/sbin/nginx", "/usr/bin/spawn-fcgi", "/usr/bin/multiwatch", "/usr/bin/wrk")
	const workers, rounds = "4", 30
	binary, worker, dir := releaseBinary(b), compileC(b), b.TempDir()
	sockets := []string{dir + "/s1.sock", dir + "/theirs.sock", dir + "/control.sock"}
	config := writeConfig(b, dir, fmt.Sprintf("command: %s\n    workers: %s\n    activation: eager\n    listen: %s", worker, workers, sockets[0]))
	supervisor, stop := startWith(b, dir, nil, binary, "run", "--config", config)
	defer stop()
	for _, socket := range sockets[1:] {
		defer start(b, dir, "/usr/bin/spawn-fcgi", "-n", "-b", "4096", "-s", socket, "--", "/usr/bin/multiwatch", "-f", workers, "--", worker)()
	}
	urls := startProxy(b, dir, sockets...)
	rates, ratios, control := make([][]float64, len(urls)), []float64{}, []float64{}
	before := cpuSeconds(b, supervisor.Process.Pid)
	for round := range rounds * b.N {
		for turn := range urls {
			side := (round + turn) % len(urls)
			rates[side] = append(rates[side], requestRate(b, urls[side]))
		}
		ratios = append(ratios, rates[0][round]/rates[1][round])
		control = append(control, rates[2][round]/rates[1][round])
	}
	b.ReportMetric((cpuSeconds(b, supervisor.Process.Pid)-before)/float64(rounds*b.N)*100, "%cpu-supervisor")
	b.ReportMetric(quantile(rates[0], 0.5), "requests/s")
	b.ReportMetric(quantile(rates[1], 0.5), "requests/s-multiwatch")
	for name, r := range map[string][]float64{"ratio": ratios, "control": control} {
		b.ReportMetric(quantile(r, 0.5), name)
		b.ReportMetric(quantile(r, 0.25), name+"-q1")
		b.ReportMetric(quantile(r, 0.75), name+"-q3")
	}
	b.ReportMetric(boundRate/quantile(ratios, 0.5), "of-bound")
}

// startProxy runs nginx with a server per socket, alike in all else, and returns their addresses.
func startProxy(b *testing.B, dir string, sockets ...string) []string {
	var servers strings.Builder
	var urls []string
	for _, socket := range sockets {
		address := freePort(b)
		urls = append(urls, "http://"+address+"/")
		fmt.Fprintf(&servers, `server { listen %s backlog=4096; location / {
	fastcgi_pass unix:%s; fastcgi_keep_conn off;
	fastcgi_param PATH_INFO $uri; fastcgi_param REQUEST_METHOD $request_method; fastcgi_param QUERY_STRING $query_string;
} }
`, address, socket)
	}
	me, err := user.Current()
	if err != nil {
		b.Fatal(err)
	}
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("user %s;\nworker_processes 2;\ndaemon off;\npid %s/nginx.pid;\nerror_log stderr crit;\nevents { worker_connections 1024; }\nhttp {\naccess_log off;\n%s}\n", me.Username, dir, &servers)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(start(b, dir, "/usr/sbin/nginx", "-e", "stderr", "-p", dir, "-c", config))
	for _, url := range urls {
		awaitBench(b, "an answer through nginx", func() bool {
			resp, err := http.Get(url)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
	}
	return urls
}

func freePort(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var wrkRate = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

func requestRate(b *testing.B, url string) float64 {
	out, err := exec.Command("/usr/bin/wrk", "-t1", "-c16", "-d1s", url).CombinedOutput()
	m := wrkRate.FindSubmatch(out)
	if err != nil || m == nil || bytes.Contains(out, []byte("Non-2xx")) || bytes.Contains(out, []byte("Socket errors")) {
		b.Fatalf("wrk: %v\n%s", err, out)
	}
	rate, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}

// cpuSeconds is what a process has used by itself, workers not included: utime and stime of proc_pid_stat(5), in ticks
// of 10 ms.
func cpuSeconds(b *testing.B, pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return float64(ticks) / 100
}
