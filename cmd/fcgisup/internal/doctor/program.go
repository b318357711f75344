package doctor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// launch is how a unit executes a program: what decides whether that succeeds.
type launch struct {
	argv []string
	// directory is where relative names begin, path where env looks for names.
	directory, path string
	mounts          units.Mounts
	// user is whom it runs as, for messages; who is nil where that cannot be tried.
	user string
	who  *access.Credentials
	// correct is what to correct: "apps.rt.command", "ExecStart=".
	correct string
	// loosen is how the unit gets another value of a directive.
	loosen func(directive string) string
}

// as says whom the program runs as. What cannot be tried, as by others than root, is not.
func (l *launch) as(who access.Credentials, err error) {
	if err == nil && (term.IsRoot() || who.UID == os.Geteuid()) {
		l.who = &who
	}
}

// problem is why the program cannot be executed, found without executing it;
// nil if nothing is known to be wrong. Severity and subject are left open.
func (l launch) problem() *finding.Finding {
	if l.mounts.OwnRoot || len(l.argv) == 0 {
		return nil
	}
	if f := l.execute(l.argv[0], "", 0); f != nil {
		return f
	}
	if filepath.Base(l.argv[0]) == "env" {
		if f := l.env(parseEnv(l.argv[1:], false), "The command", 0); f != nil {
			return f
		}
	}
	for _, word := range l.argv[1:] {
		if _, err := os.Lstat(word); err == nil && filepath.IsAbs(word) {
			if f := l.hidden(word, "which its command names"); f != nil {
				return f
			}
		}
	}
	if f := l.hidden(l.directory, "its working directory"); f != nil {
		return f
	}
	if f := l.argument(); f != nil {
		return f
	}
	return l.closedDirectory()
}

// closedDirectory says that the user may not enter the working directory, exit code 200/CHDIR.
func (l launch) closedDirectory() *finding.Finding {
	if l.who == nil || l.directory == "" || l.directory == "~" {
		return nil
	}
	x := l.try(l.directory, unix.X_OK)
	if x.Denied == "" {
		return nil
	}
	return &finding.Finding{
		ID: "directory-closed", Message: fmt.Sprintf("%s cannot enter the working directory %s: it cannot search %s (%s).", l.user, l.directory, x.Denied, x.Mode),
		Fix: "chmod o+x " + term.ShellWord(x.Denied) + ", or change its group to one of " + l.user,
	}
}

// maxInterpreters is how many scripts may be each other's interpreters, as the kernel bounds it.
const maxInterpreters = 5

// execute follows what execve(2) would do with a file. script is the one whose
// first line names it, empty for the command itself.
func (l launch) execute(path, script string, depth int) *finding.Finding {
	if depth > maxInterpreters {
		return &finding.Finding{ID: "interpreter-missing", Message: script + " names an interpreter that is a script, which names another one; the kernel allows only a few.", Fix: "name a program on its first line"}
	}
	path = l.absolute(path)
	names := "which its command names"
	if script != "" {
		names = "which the first line of " + script + " names"
	}
	if f := l.hidden(path, names); f != nil {
		return f
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP):
		return l.missing(path, script)
	case err != nil:
		return nil // it may not be looked at
	case info.IsDir():
		return &finding.Finding{ID: "command-not-executable", Message: path + " is a directory.", Fix: "correct " + l.correct}
	case !info.Mode().IsRegular():
		return &finding.Finding{ID: "command-not-executable", Message: path + " is not a regular file.", Fix: "correct " + l.correct}
	}
	if f := l.forbidden(path, info); f != nil {
		return f
	}
	head, err := readHead(path)
	if err != nil {
		return nil
	}
	if !strings.HasPrefix(string(head), "#!") {
		if why := formatProblem(path, head); why != "" {
			return &finding.Finding{
				ID: "command-format", Message: fmt.Sprintf("%s %s: it cannot be executed (exec format error).", path, why),
				Fix: "start the script with a line such as #!/usr/bin/perl, build the program for this machine, or name the interpreter first in " + l.correct,
			}
		}
		return nil
	}
	return l.script(path, head, depth)
}

// script looks at the interpreter of a script.
func (l launch) script(path string, head []byte, depth int) *finding.Finding {
	s, why := parseShebang(head)
	if why != "" {
		return &finding.Finding{ID: "command-format", Message: fmt.Sprintf("The first line of %s %s: it cannot be executed (exec format error).", path, why), Fix: "fix that line"}
	}
	if s.loneCR {
		return &finding.Finding{
			ID: "interpreter-missing", Message: fmt.Sprintf("The first line of %s has a CR without a LF, so the line does not end there.", path),
			Fix: `sed -i 's/\r$//; s/\r/\n/g' ` + term.ShellWord(path),
		}
	}
	if s.cr && !s.ignoresCR() {
		return &finding.Finding{
			ID: "interpreter-missing", Message: fmt.Sprintf("The first line of %s ends in CR LF, as on Windows. The CR becomes part of %q.", path, s.lastWord()),
			Fix: `sed -i 's/\r$//' ` + term.ShellWord(path),
		}
	}
	if f := l.unreadable(path); f != nil {
		return f
	}
	if f := l.execute(s.interpreter, path, depth+1); f != nil || !s.inEnv() || s.arg == "" {
		return f
	}
	return l.env(parseEnv([]string{s.arg}, true), "The first line of "+path, depth+1)
}

// env looks at what env would run.
func (l launch) env(use envUse, who string, depth int) *finding.Finding {
	switch {
	case use.unsplit:
		return &finding.Finding{
			ID: "interpreter-missing", Message: fmt.Sprintf("%s passes %q to env as one word, and no program has that name.", who, use.program),
			Fix: "have env split it: #!/usr/bin/env -S " + use.program,
		}
	case use.program == "":
		return nil
	case strings.Contains(use.program, "/"):
		return l.execute(use.program, strings.TrimPrefix(who, "The first line of "), depth)
	}
	path := use.path
	if path == "" {
		path = l.path
	}
	var hidden *finding.Finding
	for _, dir := range filepath.SplitList(path) {
		at := filepath.Join(l.absolute(dir), use.program)
		info, err := os.Stat(at)
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			continue
		}
		if f := l.hidden(at, "which "+lower(who)+" has env search for"); f != nil {
			hidden = f
			continue
		}
		return l.execute(at, strings.TrimPrefix(who, "The first line of "), depth)
	}
	if hidden != nil {
		return hidden
	}
	return &finding.Finding{
		ID: "interpreter-missing", Message: fmt.Sprintf("%s has env search for %s, which is not in PATH (%s).", who, use.program, path),
		Fix: "install " + use.program + ", or name it with its path",
	}
}

func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }

func (l launch) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join("/", l.directory, path)
}

func (l launch) missing(path, script string) *finding.Finding {
	f := &finding.Finding{ID: "command-missing", Message: path + " does not exist.", Fix: "install the program, or fix " + l.correct}
	if script != "" {
		f = &finding.Finding{ID: "interpreter-missing", Message: fmt.Sprintf("The first line of %s names %s, which does not exist.", script, path), Fix: "install " + path + ", or fix that line"}
	}
	if to, err := os.Readlink(path); err == nil {
		f.Message = strings.TrimSuffix(f.Message, "does not exist.") + "is a link to " + to + ", which does not exist."
	}
	return f
}

// hidden says that the sandbox hides a path, or a link that leads to it.
func (l launch) hidden(path, role string) *finding.Finding {
	directive, at := l.hides(path)
	if directive == "" {
		return nil
	}
	what := path
	if at != path {
		what = fmt.Sprintf("%s on the way to %s", at, path)
	}
	return &finding.Finding{
		ID:      "sandbox-hides",
		Message: fmt.Sprintf("The sandbox of the unit (%s) hides %s, %s. It cannot start (permission denied or no such file).", directive, what, role),
		Fix:     l.loosen(loosened(directive)) + "; or move it, for example to /srv or /opt",
	}
}

// hides returns the directive that hides a path, and which part of its trail; empty if none does.
func (l launch) hides(path string) (directive, at string) {
	for _, at := range trail(l.absolute(path)) {
		if directive := l.mounts.Hides(at); directive != "" {
			return directive, at
		}
	}
	return "", ""
}

// loosened is the directive that lets a hidden path be seen.
func loosened(directive string) string {
	switch key, _, _ := strings.Cut(directive, "="); key {
	case "ProtectHome":
		return "ProtectHome=read-only"
	case "PrivateTmp":
		return "PrivateTmp=no"
	default:
		return key + "="
	}
}

// trail are the places that a path leads through: itself, each link, and where it ends.
func trail(path string) []string {
	all := []string{path}
	const maxLinks = 40 // as the kernel has it
	for range maxLinks {
		at, next := firstLink(path)
		if at == "" {
			return all
		}
		path = next
		all = append(all, at, path)
	}
	return all
}

// firstLink is the first link among the directories of a path and the path itself, and the path with the link followed.
func firstLink(path string) (link, followed string) {
	at := "/"
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		at = filepath.Join(at, part)
		to, err := os.Readlink(at)
		if err != nil {
			continue
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(at), to)
		}
		return at, filepath.Join(append([]string{to}, parts[i+1:]...)...)
	}
	return "", ""
}

// forbidden returns what forbids executing a file: a mount, a directive, a directory, or its own mode.
func (l launch) forbidden(path string, info fs.FileInfo) *finding.Finding {
	if directive := l.mounts.NoExec(path); directive != "" {
		return &finding.Finding{ID: "sandbox-hides", Message: fmt.Sprintf("The sandbox of the unit (%s) forbids executing %s.", directive, path), Fix: l.loosen("ExecPaths=" + path)}
	}
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err == nil && st.Flags&unix.ST_NOEXEC != 0 {
		return &finding.Finding{ID: "command-not-executable", Message: path + " is on a file system that is mounted noexec, so it cannot be executed.", Fix: "move it, or mount the file system with exec; a script can also be an argument of its interpreter in " + l.correct}
	}
	if l.who == nil {
		if info.Mode()&0o111 == 0 {
			return l.denied(path, access.Result{Denied: path, Mode: fcgisup.Permissions(info)}, "execute")
		}
		return nil
	}
	return l.denied(path, l.try(path, unix.X_OK), "execute")
}

// unreadable: a script has to be readable for its interpreter.
func (l launch) unreadable(path string) *finding.Finding {
	if l.who == nil {
		return nil
	}
	return l.denied(path, l.try(path, unix.R_OK), "read")
}

// denied names what refuses access: a directory on the way, or the file.
func (l launch) denied(path string, x access.Result, verb string) *finding.Finding {
	if x.Denied == "" {
		return nil
	}
	f := &finding.Finding{ID: "command-not-executable"}
	if f.Message = fmt.Sprintf("%s cannot %s %s (%s).", l.user, verb, path, x.Mode); x.Denied == path {
		f.Fix = "chmod 755 " + term.ShellWord(path)
		return f
	}
	f.Message = fmt.Sprintf("%s cannot %s %s: it cannot search the directory %s (%s).", l.user, verb, path, x.Denied, x.Mode)
	f.Fix = "chmod o+x " + term.ShellWord(x.Denied) + ", or change its group to one of " + l.user
	return f
}

// try asks for permission as the user, by the path and by where that leads.
func (l launch) try(path string, permission uint32) (got access.Result) {
	paths := []string{path}
	if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
		paths = append(paths, real)
	}
	all, _ := access.TryAs(*l.who, 0, permission, paths...) // what cannot be tried is not a finding
	for _, p := range paths {
		if got = all[p]; got.Denied != "" {
			break
		}
	}
	if got.Denied == paths[len(paths)-1] {
		got.Denied = path // the file itself, whichever way
	}
	return got
}

func readHead(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}

// usualPath is systemd's for services, systemd.exec(5).
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// pathIn is the PATH among assignments, or in a file of them; the last wins, the file over all.
func pathIn(assignments []string, files []string) string {
	path := usualPath
	for _, a := range assignments {
		if value, ok := strings.CutPrefix(a, "PATH="); ok {
			path = value
		}
	}
	for _, file := range files {
		text, err := deploy.ReadRegular(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PATH="); ok {
				path = strings.Trim(value, `"'`)
			}
		}
	}
	return path
}

// dropIns are the directives of a template's service: the file as rendered and what administrators have added.
func dropIns(name string, rendered []byte) []units.Directive {
	all, _ := units.Read(rendered)
	var files []string
	for _, folder := range []string{"/usr/lib/systemd/system", "/run/systemd/system", "/etc/systemd/system"} {
		for _, unit := range []string{"service.d", name + ".d"} {
			found, _ := filepath.Glob(filepath.Join(folder, unit, "*.conf"))
			files = append(files, found...)
		}
	}
	slices.SortStableFunc(files, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	for _, file := range files {
		if text, err := deploy.ReadRegular(file); err == nil {
			more, _ := units.Read(text)
			all = append(all, more...)
		}
	}
	return all
}
