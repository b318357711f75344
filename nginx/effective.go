package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"
)

// Build is what nginx was compiled with, nginx(8) "-V".
type Build struct {
	// Version is such as "1.22.1".
	Version string
	// Config is the file that nginx reads; empty where it is not told.
	Config string
	// User is the workers' where no user directive says otherwise.
	User string
}

var (
	versionLine = pattern(`nginx version: [^/\n]*/([0-9.]+)`)
	builtConfig = pattern(` --conf-path=(\S+)`)
	builtUser   = pattern(` --user=(\S+)`)
)

// Built asks nginx what it was compiled with.
func Built(ctx context.Context, binary string) (Build, error) {
	out, err := command(ctx, binary, "-V")
	if err != nil {
		return Build{}, fmt.Errorf("cannot ask nginx for its version: %w", complaint(out, err))
	}
	b := Build{User: "nobody"}
	for value, to := range map[*regexp.Regexp]*string{versionLine(): &b.Version, builtConfig(): &b.Config, builtUser(): &b.User} {
		if m := value.FindSubmatch(out); m != nil {
			*to = string(m[1])
		}
	}
	return b, nil
}

// ErrRefused says that nginx would not start with its configuration; the error's text says why.
var ErrRefused = errors.New("nginx refuses the configuration")

// Read has nginx test and print its configuration, nginx(8) "-T", and returns
// what it says about FastCGI. It needs what nginx itself needs to start: root,
// mostly. The error wraps [ErrRefused] if nginx complained.
func Read(ctx context.Context, binary string) (*Effective, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	var dump, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, "-q", "-T")
	cmd.Stdout, cmd.Stderr = &dump, &complaints
	cmd.WaitDelay = commandTimeout / 60
	err := cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, complaint(complaints.Bytes(), err))
	}
	return ParseDump(dump.Bytes())
}

// dumpMark begins each file in what "nginx -T" prints.
const dumpMark = "# configuration file "

// ParseDump reads what "nginx -T" printed. What nginx has accepted but cannot
// be understood here is left out.
func ParseDump(dump []byte) (*Effective, error) {
	files, first := splitDump(string(dump))
	if first == "" {
		return nil, errors.New("cannot read the configuration of nginx: nginx -T printed none")
	}
	return parseFiles(first, func(path string) (io.ReadCloser, error) {
		if text, ok := files[path]; ok {
			return io.NopCloser(strings.NewReader(text)), nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}, func(glob string) ([]string, error) {
		var found []string
		for path := range files {
			if ok, _ := filepath.Match(glob, path); ok {
				found = append(found, path)
			}
		}
		slices.Sort(found)
		return found, nil
	})
}

// splitDump returns the files by path, and the path of the first. A path that
// comes again is not a mark but a comment, of a file that was made from a dump.
func splitDump(dump string) (files map[string]string, first string) {
	files = map[string]string{}
	path, begin, at := "", 0, 0
	for line := range strings.Lines(dump) {
		at += len(line)
		name, marked := strings.CutPrefix(strings.TrimRight(line, "\r\n"), dumpMark)
		name, colon := strings.CutSuffix(name, ":")
		if _, again := files[name]; !marked || !colon || again || name == "" {
			continue
		}
		if path != "" {
			files[path] = dump[begin : at-len(line)]
		} else {
			first = name
		}
		files[name] = ""
		path, begin = name, at
	}
	if path != "" {
		files[path] = dump[begin:]
	}
	return files, first
}

// ReadFiles reads the configuration from its files, without nginx: for those
// who may not run "nginx -T", and for a configuration that nginx refuses. What
// cannot be read is left out; the error says that not even this file can be.
func ReadFiles(config string) (*Effective, error) {
	return parseFiles(config, func(path string) (io.ReadCloser, error) { return os.Open(path) }, filepath.Glob)
}

func parseFiles(config string, open func(string) (io.ReadCloser, error), glob func(string) ([]string, error)) (e *Effective, err error) {
	defer func() {
		// The parser slices beyond the end of what nginx would not take either, such as "if ()".
		if r := recover(); r != nil {
			e, err = nil, fmt.Errorf("cannot read the configuration of nginx: the parser fails: %v", r)
		}
	}()
	payload, err := crossplane.Parse(config, &crossplane.ParseOptions{
		// An include of what cannot be read is the parser's to leave out, not to end at.
		Open: func(path string) (io.ReadCloser, error) {
			f, err := open(path)
			if err != nil && path != config {
				return io.NopCloser(strings.NewReader("")), nil
			}
			return f, err
		},
		Glob:                      glob,
		SkipDirectiveContextCheck: true,
		SkipDirectiveArgsCheck:    true,
		LexOptions:                crossplane.LexOptions{Lexers: []crossplane.RegisterLexer{(&crossplane.Lua{}).RegisterLexer()}},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration of nginx: %w", err)
	}
	return interpret(payload.Config), nil
}
