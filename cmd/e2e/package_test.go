package e2e

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	boxes "github.com/fcgisup/fcgisup/cmd/internal/box"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

const (
	packageBefore = "1.2.3"
	packageAfter  = "1.2.4~rc1"
)

// packageSources is a copy of the checkout, so that nothing of this one is touched, and no build sees git.
func packageSources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("sh", "-c", `tar -C ../.. --exclude=./.git --exclude=./bin --exclude=./dist -c . | tar -C "$0" -x --no-same-owner`, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("cannot copy the sources: %v\n%s", err, out)
	}
	return dir
}

// makePackage builds the packages of a version there, in an environment with the variables and the umask.
func makePackage(t *testing.T, dir, version, arches, umask string, env ...string) {
	t.Helper()
	build := exec.Command("sh", "-c", `umask "$0" && exec make package "$@"`, umask, "VERSION="+version, "SOURCE_DATE_EPOCH=1800000000", "ARCHES="+arches)
	build.Dir = dir
	build.Env = append(os.Environ(), env...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make package: %v\n%s", err, out)
	}
}

// repackage makes the next version's package of the previous one's: it has another program and another version, and the same
// files.
func repackage(t *testing.T, dir string) {
	t.Helper()
	make := exec.Command("sh", "-ec", `
		umask 022
		dpkg-deb -R "$0" dist/next
		install -m755 "$3" dist/next/usr/bin/fcgisup
		sed -i "s/^Version: .*/Version: $2-1/" dist/next/DEBIAN/control
		(cd dist/next && find . -path ./DEBIAN -prune -o -type f -printf '%P\n' | sort | xargs -d '\n' md5sum >DEBIAN/md5sums)
		dpkg-deb -b -Zgzip -z1 --root-owner-group dist/next "$1"`,
		debOf(dir, packageBefore, "amd64"), debOf(dir, packageAfter, "amd64"), packageAfter, procPath(t, builtFcgisup))
	make.Dir = dir
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("cannot make the next package: %v\n%s", err, out)
	}
}

func debOf(dir, version, arch string) string {
	return filepath.Join(dir, "dist", fmt.Sprintf("fcgisup_%s-1_%s.deb", version, arch))
}

// TestPackage is the life of the package on a host: made, installed, upgraded under load, removed and purged.
func TestPackage(t *testing.T) {
	inTurn(t, heavy)
	needBox(t)
	needFiles(t, "/usr/bin/lintian", "/usr/bin/dpkg-deb", "/usr/bin/make")
	here, there := packageSources(t), packageSources(t)
	makePackage(t, here, packageBefore, "amd64 arm64", "022")
	makePackage(t, there, packageBefore, "amd64", "077", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8")
	repackage(t, here)
	t.Run("the same bytes wherever it is built", func(t *testing.T) {
		samePackage(t, debOf(here, packageBefore, "amd64"), debOf(there, packageBefore, "amd64"))
	})
	t.Run("a program for each architecture", func(t *testing.T) {
		for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
			checkProgram(t, debOf(here, packageBefore, arch), machine)
		}
	})
	t.Run("the architectures differ in the program alone", func(t *testing.T) {
		sameButTheProgram(t, debOf(here, packageBefore, "amd64"), debOf(here, packageBefore, "arm64"))
	})
	// It takes its time beside the box, and as long for each package: the other architecture's is the same but for the program.
	// Its check of manual pages starts some programs for each; TestManPages starts them once for all.
	lintian := make(chan string)
	go func() {
		out, err := exec.Command("lintian", "--allow-root", "-X", "documentation/manual", "--tag-display-limit", "0", "--fail-on", "error,warning",
			debOf(here, packageBefore, "amd64")).CombinedOutput()
		if err != nil {
			out = append(out, err.Error()...)
		}
		lintian <- string(out)
	}()
	defer func() {
		if said := <-lintian; said != "" {
			t.Errorf("lintian:\n%s", said)
		}
	}()
	newBox(t).packageLife(t, debOf(here, packageBefore, "amd64"), debOf(here, packageAfter, "amd64"))
}

func samePackage(t *testing.T, a, b string) {
	t.Helper()
	one, err1 := os.ReadFile(a)
	other, err2 := os.ReadFile(b)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if bytes.Equal(one, other) {
		return
	}
	list, _ := exec.Command("sh", "-c", `
		for deb; do
			d=$(mktemp -d) && dpkg-deb -R "$deb" "$d" && (cd "$d" && find . -type f -exec sha256sum {} + | sort -k2) >"$deb.sums"; rm -rf "$d"
			dpkg-deb -c "$deb" >>"$deb.sums"
		done
		diff "$1.sums" "$2.sums"`, "sh", a, b).CombinedOutput()
	t.Errorf("two builds of %s differ:\n%s", filepath.Base(a), list)
}

// sameButTheProgram compares what lintian looks at in two architectures' packages.
func sameButTheProgram(t *testing.T, a, b string) {
	t.Helper()
	out, err := exec.Command("sh", "-ec", `
		for deb; do
			dpkg-deb -R "$deb" "$deb.d"
			sed -i -e '/^Architecture:/d' -e '/^Installed-Size:/d' "$deb.d/DEBIAN/control"
			sed -i '/ usr.bin.fcgisup$/d' "$deb.d/DEBIAN/md5sums"
			stat -c '%A %U:%G' "$deb.d/usr/bin/fcgisup" >"$deb.d/program"
			rm "$deb.d/usr/bin/fcgisup"
		done
		diff -r "$1.d" "$2.d"`, "sh", a, b).CombinedOutput()
	if err != nil {
		t.Errorf("they differ: %v\n%s", err, out)
	}
}

// checkProgram checks that the program runs on the machine and needs nothing of it.
func checkProgram(t *testing.T, deb string, machine elf.Machine) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("dpkg-deb", "-x", deb, dir).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	f, err := elf.Open(filepath.Join(dir, "usr/bin/fcgisup"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if f.Machine != machine || len(libraries) > 0 || slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Errorf("%s holds a program for %v that needs %v, %v; want one for %v that needs nothing", filepath.Base(deb), f.Machine, libraries, err, machine)
	}
}

// packagedConfig: an app that is supervised, and one that systemd runs by itself.
const packagedConfig = `apps:
  web:
    command: [/opt/apps/web.pl]
    user: www-data
    group: www-data
    instances: 2
    workers: 2
    activation: eager
    listen: /run/web%i.sock
    health: {path: /, interval: 500ms}
  bare:
    command: [/opt/apps/bare.pl]
    user: www-data
    activation: eager
    listen: /run/bare.sock
    systemd: {supervise: false}
`

const monitorUnit = "fcgisup-monitor.service"

// packageLife: the order of the subtests matters.
func (b *box) packageLife(t *testing.T, before, after string) {
	// A machine for tests may forbid its packages to start anything; this one is like an administrator's.
	// Nor does the index of manual pages concern anybody here, which takes seconds each time.
	b.run(t, "rm", "-f", "/usr/bin/fcgisup", "/usr/sbin/policy-rc.d", "/var/lib/man-db/auto-update")
	for _, app := range []string{"web", "bare"} {
		b.copyFrom(t, appPath(t, "hello.pl"), programPath(app), 0o755)
	}
	b.copyFrom(t, before, "/srv/before.deb", 0o644)
	b.copyFrom(t, after, "/srv/after.deb", 0o644)
	b.startNginx(t)
	files := b.packageFiles(t)

	t.Run("install", b.packageInstalled)
	b.leaveAlone(t)
	b.configure(t, packagedConfig)
	b.write(t, "/etc/nginx/sites-enabled/web.conf", fmt.Sprintf("server {\n\tlisten unix:%s;\n\tinclude snippets/web-location.conf;\n}\n", siteSocket("web")), 0o644)
	b.apply(t)
	b.run(t, "systemctl", "start", monitorUnit)
	t.Run("upgrade", func(t *testing.T) { b.packageUpgraded(t, "/srv/after.deb", packageAfter) })
	t.Run("reinstall", func(t *testing.T) { b.packageUpgraded(t, "/srv/after.deb", packageAfter) })
	t.Run("refused", b.packageRefused)
	t.Run("downgrade", func(t *testing.T) { b.packageUpgraded(t, "/srv/before.deb", packageBefore) })
	t.Run("remove", b.packageRemoved)
	t.Run("install again", func(t *testing.T) { b.packageUpgraded(t, "/srv/after.deb", packageAfter) })
	b.remove(t, "/etc/nginx/sites-enabled/web.conf")
	b.run(t, "fcgisup", "remove", "web")
	b.run(t, "fcgisup", "remove", "bare")
	t.Run("purge", func(t *testing.T) { b.packagePurged(t, files) })
}

var (
	packageLeaves = regexp.MustCompile(`fcgi[^/]*$|fcgisup/|^etc/|^var/lib/systemd/`)
	othersLeave   = regexp.MustCompile(`^var/(cache|log|tmp)/|^etc/nginx|^var/lib/systemd/(timers|catalog|coredump|random-seed)`)
)

// packageFiles are all files that a package, or what it ran, could have left; not the logs and databases of others. Of files
// that the machine has as well, they are those that were written or removed in the box.
func (b *box) packageFiles(t *testing.T) string {
	t.Helper()
	var all []string
	for root, dirs := range map[string][]string{boxes.Changes: {"etc", "opt", "usr", "var"}, "/": {"run/fcgisup", "run/systemd/system"}} {
		for _, dir := range dirs {
			top := b.path(filepath.Join(root, dir))
			if _, err := os.Lstat(top); err != nil {
				continue
			}
			err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				name := filepath.Join(dir, strings.TrimPrefix(path, top))
				if here, err := os.Lstat("/" + name); root == boxes.Changes && d.IsDir() && err == nil && here.IsDir() {
					return nil // one that something was written to
				}
				if packageLeaves.MatchString(name) && !othersLeave.MatchString(name) {
					all = append(all, name)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n") + "\n"
}

// leaveAlone has dpkg know of the package alone, now that it has found that no other has files of the same names: it reads
// the lists of all that it knows each time.
func (b *box) leaveAlone(t *testing.T) {
	t.Helper()
	const known = "/var/lib/dpkg/status"
	all := strings.Split(b.read(known), "\n\n")
	i := slices.IndexFunc(all, func(one string) bool { return strings.HasPrefix(one, "Package: fcgisup\n") })
	if i < 0 {
		t.Fatal("dpkg does not know of fcgisup")
	}
	b.write(t, known, all[i]+"\n", 0o644)
	b.write(t, "/var/lib/dpkg/triggers/File", "", 0o644)
}

func (b *box) packageInstalled(t *testing.T) {
	t.Log("\n" + b.run(t, "dpkg", "-i", "/srv/before.deb"))
	if out := b.run(t, "fcgisup", "version"); !strings.HasPrefix(out, "fcgisup "+packageBefore+" ") {
		t.Errorf("the program says %q", out)
	}
	for _, file := range []string{
		"/etc/fcgisup", "/usr/share/man/man1/fcgisup-run.1.gz", "/usr/share/doc/fcgisup/copyright",
		"/usr/share/bash-completion/completions/fcgisup", "/usr/share/zsh/vendor-completions/_fcgisup", "/usr/share/fish/vendor_completions.d/fcgisup.fish",
	} {
		if !b.exists(file) {
			t.Errorf("no %s", file)
		}
	}
	b.run(t, "fcgisup", "validate", "--config", "/usr/share/doc/fcgisup/examples/fcgisup.yaml")
	if b.exists("/etc/fcgisup/fcgisup.yaml") {
		t.Error("the package brings a configuration: an upgrade would ask about it")
	}
	if out, _ := b.try("systemctl", "is-enabled", monitorUnit); out != "enabled\n" {
		t.Errorf("the monitor is %s", out)
	}
	if state, result := b.property(t, monitorUnit, "ActiveState"), b.property(t, monitorUnit, "ConditionResult"); state != "inactive" || result != "no" {
		t.Errorf("without a configuration the monitor is %s, its condition %s", state, result)
	}
	if out := b.run(t, "dpkg", "--verify", "fcgisup"); out != "" {
		t.Errorf("dpkg --verify:\n%s", out)
	}
}

// runningApps is what an upgrade must not touch: supervisors and workers.
func (b *box) runningApps(t *testing.T) string {
	t.Helper()
	var all []string
	for _, unit := range []string{service("web", 1), service("web", 2), service("bare", 1)} {
		all = append(all, unit+" "+b.property(t, unit, "MainPID")+" "+b.property(t, unit, "NRestarts"))
	}
	for n := 1; n <= 2; n++ {
		all = append(all, fmt.Sprint(service("web", n), " ", pids(b.settledWeb(t, n))))
	}
	return strings.Join(all, "\n") + "\n"
}

// settledWeb waits until both workers of an instance are up. It asks the supervisor without the program, which may be gone.
func (b *box) settledWeb(t *testing.T, n int) (st control.Status) {
	t.Helper()
	within(t, 20*time.Second, func() error {
		all, err := fetchStatus(t.Context(), b.path(fmt.Sprintf("/run/fcgisup/web-%d/control.sock", n)))
		if err != nil {
			return err
		}
		st = all[0]
		return settled(2)(st)
	})
	return st
}

// versionOf is the version that an instance's supervisor says it is.
func (b *box) versionOf(t *testing.T, n int) string {
	t.Helper()
	metrics := b.run(t, "curl", "-s", "--unix-socket", fmt.Sprintf("/run/fcgisup/web-%d/control.sock", n), "http://fcgisup/metrics")
	m := regexp.MustCompile(`fcgisup_build_info\{(?:.*,)?version="([^"]*)"`).FindStringSubmatch(metrics)
	if m == nil {
		t.Fatalf("no version in the metrics:\n%s", metrics)
	}
	return m[1]
}

// packageUpgraded installs under load; afterwards all run the version, and nothing has been restarted but the monitor.
func (b *box) packageUpgraded(t *testing.T, deb, version string) {
	before := b.runningApps(t)
	web := startLoad(2, b.throughNginx("web", "/sleep?ms=5"))
	out := b.run(t, "dpkg", "-i", deb)
	t.Log("\n" + out)
	if strings.Contains(out, "fcgisup: ") {
		t.Errorf("the package has something to say:\n%s", out)
	}
	for n := 1; n <= 2; n++ {
		if got := b.versionOf(t, n); got != version {
			t.Errorf("web@%d is supervised by version %q, want %s\n%s", n, got, version, b.journal(service("web", n)))
		}
	}
	web.end(t, "requests over dpkg -i")
	if after := b.runningApps(t); after != before {
		t.Errorf("something was restarted:\n%s", cmp.Diff(before, after))
	}
	b.monitorRuns(t)
	if out, code := b.try("fcgisup", "apply", "--dry-run"); code != exitDone {
		t.Errorf("fcgisup apply --dry-run: exit %d\n%s", code, out)
	}
}

// monitorRuns: it is active, and runs the installed program.
func (b *box) monitorRuns(t *testing.T) {
	t.Helper()
	defer b.logFailures(t)
	within(t, 20*time.Second, func() error {
		pid := b.property(t, monitorUnit, "MainPID")
		if state := b.property(t, monitorUnit, "ActiveState"); state != "active" {
			return fmt.Errorf("the monitor is %s", state)
		}
		if exe, err := os.Readlink(b.path("/proc/" + pid + "/exe")); exe != "/usr/bin/fcgisup" {
			return fmt.Errorf("the monitor runs %s, %w", exe, err)
		}
		return nil
	})
}

// packageRefused: supervisors that cannot be succeeded go on, and the administrator is told which.
func (b *box) packageRefused(t *testing.T) {
	before := b.runningApps(t)
	b.write(t, "/etc/fcgisup/fcgisup.yaml", "apps: {web: {comand: []}}\n", 0o644)
	out := b.run(t, "dpkg", "-i", "/srv/before.deb")
	b.configure(t, packagedConfig)
	for _, want := range []string{"the previous version: ", " " + service("web", 1), " " + service("web", 2)} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	if strings.Contains(out, service("bare", 1)) {
		t.Errorf("a service without a supervisor is taken for one:\n%s", out)
	}
	if after := b.runningApps(t); after != before {
		t.Errorf("something was restarted:\n%s", cmp.Diff(before, after))
	}
	if got := b.versionOf(t, 1); got != packageAfter {
		t.Errorf("version %q has taken over with a broken configuration", got)
	}
}

// packageRemoved: the sites go on, their workers are still replaced, and the administrator has been told.
func (b *box) packageRemoved(t *testing.T) {
	before := b.runningApps(t)
	web := startLoad(1, b.throughNginx("web", "/sleep?ms=5"))
	out := b.run(t, "dpkg", "-r", "fcgisup")
	t.Log("\n" + out)
	if !strings.Contains(out, "these apps are left as they are: web\n") {
		t.Errorf("removal does not tell of the apps:\n%s", out)
	}
	web.end(t, "requests over dpkg -r")
	if after := b.runningApps(t); after != before {
		t.Errorf("something was restarted:\n%s", cmp.Diff(before, after))
	}
	if b.exists("/usr/bin/fcgisup") || !b.exists("/etc/fcgisup/fcgisup.yaml") {
		t.Error("the program is still there, or the configuration is not")
	}
	if state := b.property(t, monitorUnit, "ActiveState"); state == "active" {
		t.Error("the monitor still runs")
	}
	worker, err := b.ask("/run/web1.sock")
	if err != nil {
		t.Fatal(err)
	}
	b.run(t, "kill", "-KILL", strconv.Itoa(worker))
	within(t, 20*time.Second, func() error {
		if st := b.settledWeb(t, 1); slices.Contains(pids(st), worker) || st.Restarts[control.Crash] != 1 {
			return fmt.Errorf("a killed worker is not replaced: %s", describe(st))
		}
		return nil
	})
}

// packagePurged: what is left is what the README says: the administrator's configuration.
func (b *box) packagePurged(t *testing.T, files string) {
	t.Log("\n" + b.run(t, "dpkg", "-P", "fcgisup"))
	administrators := regexp.MustCompile(`(?m)^etc/fcgisup(/fcgisup\.yaml)?\n`)
	want := administrators.ReplaceAllString(files, "")
	now := administrators.ReplaceAllString(b.packageFiles(t), "")
	if now != want {
		t.Errorf("purged, the host is not as it was:\n%s", cmp.Diff(want, now))
	}
	if out, _ := b.try("systemctl", "list-units", "--all", "--plain", "--no-legend", "*fcgi*"); out != "" {
		t.Errorf("units are left:\n%s", out)
	}
	if left := b.processesLike(t, "fcgisup"); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}
