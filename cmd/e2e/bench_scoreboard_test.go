package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// The bounds of the scoreboard's job. That of one sample is measured in supervisor/scoreboard.
const (
	boundLooking = 0.02                  // of one core, for 1,000 workers looked at once a second
	boundOn      = 0.98                  // requests per second while the supervisor looks, of those while it cannot
	boundReplace = 10 * time.Millisecond // from the end of a worker to the exec of the next
	boundMixed   = 1.0 / 20              // the fast requests' p90, of that under round robin
)

// BenchmarkLooking is the processor time of one supervisor of 125 instances with 8 workers each, the workers' own not
// included. "busy" has a request of 200 ms after the other on each instance, "full" seven long ones beside it; a look
// that comes more seldom than that sees a new one each time, so the requests that workers are said to have seen count
// the looks.
func BenchmarkLooking(b *testing.B) {
	for _, test := range []struct {
		name        string
		short, long int
		interval    string
	}{
		{"idle", 0, 0, "0s"},
		{"busy", 1, 0, "0s"},
		{"full", 1, 7, "0s"},
		{"full,probe", 1, 7, "10s"},
	} {
		b.Run(test.name, func(b *testing.B) {
			for range b.N {
				measureLooking(b, test.short, test.long, test.interval)
			}
		})
	}
}

func measureLooking(b *testing.B, short, long int, interval string) {
	const instances, window = 125, 20 * time.Second
	binary, dir := releaseBinary(b), b.TempDir()
	config := writeConfig(b, dir, fmt.Sprintf("command: %s\n    instances: %d\n    workers: 8\n    activation: eager\n    listen: %s/s%%i.sock\n    health: {interval: %s}\n    limits: {stop_timeout: 1s}",
		compileC(b), instances, dir, interval))
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		b.Fatal(err)
	}
	defer notify.Close()
	cmd, stop := startWith(b, dir, []string{"NOTIFY_SOCKET=" + notify.LocalAddr().String()}, binary, "run", "--config", config)
	defer stop()
	awaitReady(b, notify)
	go drain(notify)

	ctx, cancel := context.WithCancel(b.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	for n := range instances {
		socket := fmt.Sprintf("%s/s%d.sock", dir, n+1)
		for range short {
			clients.Go(func() { askUntil(ctx, socket, "/sleep?ms=200") })
		}
		for range long {
			clients.Go(func() { askUntil(ctx, socket, "/sleep?ms=60000") })
		}
	}
	time.Sleep(8 * time.Second) // the beginning's work is done, and looking has found its pace
	seen, begin := requestsSeen(b, dir), time.Now()
	used := cpuSeconds(b, cmd.Process.Pid)
	time.Sleep(window)
	used = cpuSeconds(b, cmd.Process.Pid) - used
	took := time.Since(begin).Seconds()
	looks := float64(requestsSeen(b, dir)-seen) / instances
	pace := max(0, looks-1) / took // the last look was ours
	b.ReportMetric(used/took*100, "%core")
	b.ReportMetric(pace, "Hz")
	if pace > 0 { // looking less often would not be a way to keep the bound
		b.ReportMetric(used/took/pace*100, "%core-at-1Hz")
		b.ReportMetric(used/took/pace/boundLooking, "of-bound")
	}
}

// askUntil sends one request after the other; the one under way is given up at the end.
func askUntil(ctx context.Context, socket, target string) {
	request := fcgiRequest(target, nil, nil)
	for ctx.Err() == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return
		}
		hangUp := context.AfterFunc(ctx, func() { _ = conn.Close() })
		if _, err := conn.Write(request); err == nil {
			_, _ = io.Copy(io.Discard, conn)
		}
		hangUp()
		_ = conn.Close()
	}
}

// statuses asks the control socket in the runtime directory.
func statuses(b *testing.B, dir string) []control.Status {
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, control.ControlName))
		},
	}}
	response, err := client.Get("http://fcgisup/status")
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	var all []control.Status
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		b.Fatal(err)
	}
	return all
}

func requestsSeen(b *testing.B, dir string) (sum uint64) {
	for _, status := range statuses(b, dir) {
		for _, w := range status.Workers {
			if w.RequestsSeen != nil {
				sum += *w.RequestsSeen
			}
		}
	}
	return sum
}

// BenchmarkScoreboard compares requests per second with the scoreboard and without. There is no switch: without is the
// same workers under a stopped supervisor, which no request passes through. A second run with it is the control.
func BenchmarkScoreboard(b *testing.B) {
	needTools(b, "/usr/sbin/nginx", "/usr/bin/wrk")
	const rounds = 30
	dir := b.TempDir()
	config := writeConfig(b, dir, fmt.Sprintf("command: %s\n    workers: 8\n    activation: eager\n    listen: %s/s1.sock", compileC(b), dir))
	cmd, stop := startWith(b, dir, nil, releaseBinary(b), "run", "--config", config)
	defer stop()
	defer signalProcess(b, cmd, syscall.SIGCONT)
	url := startProxy(b, dir, dir+"/s1.sock")[0]
	requestRate(b, url)

	rates, ratios, control := make([][]float64, 3), []float64{}, []float64{}
	used := 0.0
	for round := range rounds * b.N {
		for turn := range rates {
			side := (round + turn) % len(rates)
			if side == 1 {
				signalProcess(b, cmd, syscall.SIGSTOP)
			}
			before := cpuSeconds(b, cmd.Process.Pid)
			rates[side] = append(rates[side], requestRate(b, url))
			if side == 1 {
				signalProcess(b, cmd, syscall.SIGCONT)
			} else {
				used += cpuSeconds(b, cmd.Process.Pid) - before
			}
		}
		ratios = append(ratios, (rates[0][round]+rates[2][round])/2/rates[1][round])
		control = append(control, rates[2][round]/rates[0][round])
	}
	b.ReportMetric(used/float64(2*rounds*b.N)*100, "%cpu-supervisor")
	b.ReportMetric(quantile(rates[0], 0.5), "requests/s-on")
	b.ReportMetric(quantile(rates[1], 0.5), "requests/s-off")
	for name, r := range map[string][]float64{"ratio": ratios, "control": control} {
		b.ReportMetric(quantile(r, 0.5), name)
		b.ReportMetric(quantile(r, 0.25), name+"-q1")
		b.ReportMetric(quantile(r, 0.75), name+"-q3")
	}
	b.ReportMetric(boundOn/quantile(ratios, 0.5), "of-bound")
}

func signalProcess(b *testing.B, cmd *exec.Cmd, signal syscall.Signal) {
	if err := cmd.Process.Signal(signal); err != nil {
		b.Error(err)
	}
}

// BenchmarkReplace kills a worker that has been ready for more than a second and awaits its successor's first statement,
// which is later than its exec by the start of a shell.
func BenchmarkReplace(b *testing.B) {
	needTools(b, "/bin/bash")
	dir := b.TempDir()
	stamp := filepath.Join(dir, "stamp")
	script := `echo "$EPOCHREALTIME" >` + stamp + `; exec ` + compileC(b)
	config := writeConfig(b, dir, fmt.Sprintf("command: [/bin/bash, -c, %q]\n    activation: eager\n    listen: %s/s1.sock", script, dir))
	defer start(b, dir, releaseBinary(b), "run", "--config", config)()
	awaitStamp(b, stamp)
	var took []time.Duration
	for range 20 * b.N {
		var old int
		awaitBench(b, "a worker that is ready for long", func() bool {
			time.Sleep(50 * time.Millisecond)
			w := statuses(b, dir)[0].Workers[0]
			old = w.PID
			return w.State == control.Ready && time.Since(w.Since) > 1200*time.Millisecond
		})
		if err := os.Remove(stamp); err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		took = append(took, awaitStamp(b, stamp).Sub(begin))
	}
	reportDuration(b, quantile(took, 0.5), "ms")
	reportDuration(b, quantile(took, 0.9), "ms-p90")
	reportDuration(b, quantile(took, 1), "ms-max")
	b.ReportMetric(float64(quantile(took, 0.9))/float64(boundReplace), "of-bound")
}

// BenchmarkMixed is what fast requests wait for where one in ten is a hundred times slower: five workers that serve one
// request at a time, behind the generated upstream, behind one shared socket, and behind plain round robin over the five
// sockets. The three take turns; each turn's clients want the same.
func BenchmarkMixed(b *testing.B) {
	needTools(b, "/usr/sbin/nginx")
	const rounds = 4
	binary, worker, dir := releaseBinary(b), compileC(b), b.TempDir()
	var servers strings.Builder
	fmt.Fprintf(&servers, "upstream plain {\n")
	for n := range 5 {
		fmt.Fprintf(&servers, "server unix:%s/five/s%d.sock;\n", dir, n+1)
	}
	plain := freePort(b)
	fmt.Fprintf(&servers, `}
server { listen %s; location / {
	fastcgi_pass plain; fastcgi_param PATH_INFO $uri; fastcgi_param QUERY_STRING $query_string; fastcgi_param REQUEST_METHOD $request_method;
} }
`, plain)
	urls := []string{"http://" + plain}
	for _, side := range []struct{ name, keys string }{{"five", "instances: 5"}, {"one", "workers: 5"}} {
		own := filepath.Join(dir, side.name)
		if err := os.Mkdir(own, 0o755); err != nil {
			b.Fatal(err)
		}
		config := writeConfig(b, own, fmt.Sprintf("command: %s\n    %s\n    activation: eager\n    listen: %s/s%%i.sock\n    nginx: {upstream: %s}", worker, side.keys, own, side.name))
		if out, err := exec.Command(binary, "gen", "nginx", "--config", config, "--out", own).CombinedOutput(); err != nil {
			b.Fatalf("gen: %v\n%s", err, out)
		}
		b.Cleanup(start(b, own, binary, "run", "--config", config))
		address := freePort(b)
		fmt.Fprintf(&servers, "include %s/nginx/bench-upstream.conf;\nserver { listen %s; include %s/nginx/bench-location.conf; }\n", own, address, own)
		urls = append(urls, "http://"+address)
	}
	startNginx(b, dir, servers.String(), urls)

	took := make([][]time.Duration, len(urls))
	for round := range rounds * b.N {
		for turn := range urls {
			side := (round + turn) % len(urls)
			took[side] = append(took[side], mixedLoad(b, urls[side], uint64(round))...)
		}
	}
	for side, name := range []string{"round-robin", "generated", "shared"} {
		reportDuration(b, quantile(took[side], 0.5), "ms-p50-"+name)
		reportDuration(b, quantile(took[side], 0.9), "ms-p90-"+name)
		b.ReportMetric(float64(len(took[side])), "fast-"+name)
		if side > 0 {
			ratio := float64(quantile(took[side], 0.9)) / float64(quantile(took[0], 0.9))
			b.ReportMetric(1/ratio, "times-faster-"+name)
			b.ReportMetric(ratio/boundMixed, "of-bound-"+name)
		}
	}
}

// mixedLoad is six clients that think up to 20 ms before each request, for five seconds; it returns what the fast
// requests took.
func mixedLoad(b *testing.B, url string, seed uint64) []time.Duration {
	var all []time.Duration
	var mu sync.Mutex
	var clients sync.WaitGroup
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	end := time.Now().Add(5 * time.Second)
	for n := range 6 {
		clients.Go(func() {
			chance := rand.New(rand.NewPCG(seed, uint64(n)))
			for time.Now().Before(end) {
				time.Sleep(time.Duration(chance.Int64N(int64(20 * time.Millisecond))))
				slow := chance.IntN(10) == 0
				target := url + "/sleep?ms=5"
				if slow {
					target = url + "/sleep?ms=500"
				}
				begin := time.Now()
				if err := getPage(&client, target); err != nil {
					b.Error(err)
					return
				}
				if !slow {
					mu.Lock()
					all = append(all, time.Since(begin))
					mu.Unlock()
				}
			}
		})
	}
	clients.Wait()
	return all
}

func getPage(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// startNginx runs two nginx workers with these servers until the benchmark's end, and awaits an answer from each.
func startNginx(b *testing.B, dir, servers string, urls []string) {
	me, err := user.Current()
	if err != nil {
		b.Fatal(err)
	}
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("user %s;\nworker_processes 2;\ndaemon off;\npid %s/nginx.pid;\nerror_log stderr crit;\nevents { worker_connections 1024; }\nhttp {\naccess_log off;\n%s}\n", me.Username, dir, servers)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(start(b, dir, "/usr/sbin/nginx", "-e", "stderr", "-p", dir, "-c", config))
	for _, url := range urls {
		awaitBench(b, "an answer through nginx", func() bool { return getPage(http.DefaultClient, url+"/") == nil })
	}
}
