package scoreboard

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// kin is what each program of TestTracked begins with: child runs code in a new process, which then sleeps; in and
// out print the process as one that belongs to the worker, or does not.
const kin = `use POSIX; $| = 1;
sub child { my $p = fork; return $p if $p; $_[0]->(); sleep 3600; exit }
sub in { syswrite STDOUT, "in $$\n" } sub out { syswrite STDOUT, "out $$\n" } sub gone { syswrite STDOUT, "gone $$\n" }
in; `

func TestTracked(t *testing.T) {
	for name, test := range map[string]struct {
		program string
		lines   int
	}{
		"stays":              {`child(sub { in })`, 2},
		"sessions":           {`child(sub { setsid; in }) for 1 .. 3`, 4},
		"groups":             {`child(sub { setpgid(0, 0); in }) for 1 .. 3`, 4},
		"without listener":   {`child(sub { setsid; close STDIN; out })`, 2},
		"behind one without": {`child(sub { setsid; child(sub { in }); close STDIN; out })`, 3},
		"two generations":    {`child(sub { setsid; in; child(sub { setsid; in; child(sub { in }) }) })`, 4},
		"beside a leader":    {`child(sub { in; child(sub { setsid; in }) })`, 3},
		"executes":           {`child(sub { setpgid(0, 0); exec "perl", "-e", 'syswrite STDOUT, "in $$\n"; sleep 3600' })`, 2},
		"a daemon":           {`my $p = child(sub { my $me = $$; child(sub { setsid; select undef, undef, undef, 0.01 while getppid == $me; out }); exit }); waitpid $p, 0`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := listenUnix(t, 8)
			c := exec.Command("perl", "-e", kin+test.program+`; sleep 3600`)
			stdout, err := c.StdoutPipe()
			must(t, err)
			p := start(t, c, l.fd)
			said := readKin(t, bufio.NewReader(stdout), test.lines)
			var g Groups
			g.Track(p.pid, l.Inode())
			var got []int
			eventually(t, fmt.Sprintf("members %v (outside: %v)", said["in"], said["out"]), func() bool {
				var err error
				got, err = g.Members(p.pid)
				must(t, err)
				return slices.Equal(got, said["in"])
			})
			if said["out"] != nil {
				time.Sleep(settleTime + 100*time.Millisecond)
				if got, err := g.Members(p.pid); err != nil || !slices.Equal(got, said["in"]) {
					t.Errorf("members %v (%v), want %v; %v have become some", got, err, said["in"], said["out"])
				}
			}
			for _, o := range g.Outside(p.pid) {
				if group, _ := unix.Getpgid(o.PID); group == p.pid {
					t.Errorf("%d is listed as outside of its group", o.PID)
				}
			}
		})
	}
}

// readKin reads the lines of a program, and kills what they name at the end.
func readKin(t *testing.T, r *bufio.Reader, lines int) map[string][]int {
	t.Helper()
	said := map[string][]int{}
	t.Cleanup(func() {
		for _, pids := range said {
			for _, pid := range pids {
				unix.Kill(pid, unix.SIGKILL)
			}
		}
	})
	for range lines {
		line, err := r.ReadString('\n')
		must(t, err)
		var pid int
		word, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		_, err = fmt.Sscan(number, &pid)
		must(t, err)
		said[word] = append(said[word], pid)
	}
	for _, pids := range said {
		slices.Sort(pids)
	}
	return said
}

// What leaves the group between two looks is still a member, also when its parent has ended, until it ends or closes the
// listener; processes of other groups that are asked for never are.
func TestTrackedOverTime(t *testing.T) {
	l := listenUnix(t, 8)
	program := kin + `open my $orders, '<&=', 3 or die; while (<$orders>) {
		if (/fork/) { child(sub { $SIG{USR1} = sub { setsid; in }; $SIG{USR2} = sub { close STDIN; out }; in; sleep 1 while 1 }) }
		if (/exit/) { exit }
	}`
	c := exec.Command("perl", "-e", program)
	orders, w, err := os.Pipe()
	must(t, err)
	defer w.Close()
	c.ExtraFiles = []*os.File{orders}
	stdout, err := c.StdoutPipe()
	must(t, err)
	p := start(t, c, l.fd)
	orders.Close()
	r := bufio.NewReader(stdout)
	readKin(t, r, 1)

	var g Groups
	g.Track(p.pid, l.Inode())
	want := func(what string, pids ...int) {
		t.Helper()
		slices.Sort(pids)
		eventually(t, what, func() bool {
			got, err := g.Members(p.pid)
			must(t, err)
			return slices.Equal(got, pids)
		})
	}
	order := func(text string) {
		t.Helper()
		_, err := w.WriteString(text + "\n")
		must(t, err)
	}
	want("alone", p.pid)
	order("fork")
	a := readKin(t, r, 1)["in"][0]
	want("the child is a member", p.pid, a)
	must(t, unix.Kill(a, unix.SIGUSR1)) // no process begins, so that only its absence shows
	readKin(t, r, 1)
	want("the child that has left", p.pid, a)
	if got := g.Outside(p.pid); len(got) != 1 || got[0].PID != a || got[0].Start == 0 {
		t.Errorf("outside: %+v", got)
	}
	order("fork")
	b := readKin(t, r, 1)["in"][0]
	must(t, unix.Kill(b, unix.SIGUSR1))
	readKin(t, r, 1)
	want("two have left", p.pid, a, b)
	lists, err := g.All([]int{p.pid, b})
	must(t, err)
	if !slices.Equal(lists[1], []int{b}) || slices.Contains(lists[0], b) {
		t.Errorf("a group that is asked for belongs to %v as well", lists)
	}
	g = Groups{}
	g.Track(p.pid, l.Inode())
	want("again", p.pid, a, b)
	order("exit")
	eventually(t, "the leader ends", func() bool { s, err := ReadStat(p.pid); return err == nil && s.State == 'Z' })
	want("without their parent", a, b)
	must(t, unix.Kill(a, unix.SIGUSR2))
	want("one closes the listener", b)
	must(t, unix.Kill(b, unix.SIGKILL))
	want("one ends")
	if len(g.members) != 0 {
		t.Errorf("%v is remembered of a group that has ended", g.members)
	}
}
