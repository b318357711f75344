package doctor

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// headSize is how much of a file the kernel looks at, BINPRM_BUF_SIZE.
const headSize = 256

// shebang is a script's first line as the kernel understands it, execve(2)
// "Interpreter scripts".
type shebang struct {
	interpreter string
	// arg is all that follows, as one word.
	arg string
	// cr says that the line ends in CR LF; the CR has been taken off the last word.
	cr bool
	// loneCR says that there is a CR that no LF follows.
	loneCR bool
}

func (s shebang) inEnv() bool { return filepath.Base(s.interpreter) == "env" }

// ignoresCR says whether the CR at the end is harmless: env -S splits there, and
// perl and ruby ignore it in an option. Other interpreters refuse the option (measured).
func (s shebang) ignoresCR() bool {
	if s.inEnv() {
		_, split := splitString(s.arg)
		return split
	}
	name := filepath.Base(s.interpreter)
	return s.arg != "" && (strings.HasPrefix(name, "perl") || strings.HasPrefix(name, "ruby"))
}

func (s shebang) lastWord() string {
	words := append([]string{s.interpreter}, strings.Fields(s.arg)...)
	return words[len(words)-1] + "\r"
}

// parseShebang does what the kernel's load_script does with the beginning of a
// file; the error says why it refuses.
func parseShebang(head []byte) (s shebang, problem string) {
	line, _, whole := bytes.Cut(head[2:], []byte("\n"))
	if !whole && len(head) >= headSize {
		line = line[:headSize-1-2]
		name := bytes.TrimLeft(line, " \t")
		if !bytes.ContainsAny(name, " \t\x00") {
			return s, "is longer than the kernel reads (255 bytes)"
		}
	}
	if s.cr = whole && bytes.HasSuffix(line, []byte("\r")); s.cr {
		line = line[:len(line)-1]
	}
	s.loneCR = bytes.ContainsRune(line, '\r')
	line = bytes.Trim(line, " \t")
	name, arg := line, []byte(nil)
	if at := bytes.IndexAny(line, " \t\x00"); at >= 0 {
		name = line[:at]
		if line[at] != 0 {
			arg = bytes.TrimLeft(line[at:], " \t")
		}
	}
	if len(name) == 0 {
		return s, "names no interpreter"
	}
	s.interpreter, s.arg = string(name), string(arg)
	return s, ""
}

// formatProblem says why the kernel would not execute a file that is not a
// script, or why that would fail at once; empty if it would.
func formatProblem(path string, head []byte) string {
	if registered("/proc/sys/fs/binfmt_misc", path, head) {
		return ""
	}
	switch {
	case len(head) == 0:
		return "is empty"
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return elfProblem(path)
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf#!")):
		return "begins with a byte order mark before #!"
	case bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("#!")):
		return "has something before #!, which must be its first two bytes"
	}
	return "is neither a program nor a script whose first line begins with #!"
}

// machines are what a kernel for our architecture executes, as far as it is known here.
var machines = map[string][]elf.Machine{
	"amd64": {elf.EM_X86_64, elf.EM_386}, "386": {elf.EM_386, elf.EM_X86_64},
	"arm64": {elf.EM_AARCH64, elf.EM_ARM}, "arm": {elf.EM_ARM, elf.EM_AARCH64},
	"riscv64": {elf.EM_RISCV}, "s390x": {elf.EM_S390}, "ppc64le": {elf.EM_PPC64},
}

// elfProblem finds a program of another machine, and one whose loader is missing.
func elfProblem(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return "is damaged: " + err.Error()
	}
	defer f.Close()
	if ours := machines[runtime.GOARCH]; ours != nil && !slices.Contains(ours, f.Machine) {
		return "is a program for another machine (" + strings.TrimPrefix(f.Machine.String(), "EM_") + ")"
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > 4096 {
			continue
		}
		name := make([]byte, p.Filesz)
		if _, err := p.ReadAt(name, 0); err != nil {
			return "is damaged: " + err.Error()
		}
		loader := string(bytes.TrimRight(name, "\x00"))
		if _, err := os.Stat(loader); os.IsNotExist(err) {
			return "needs " + loader + ", which does not exist"
		}
	}
	return ""
}

// registered reports whether the kernel was configured how to execute such a
// file, binfmt_misc: programs of other machines, Java, Windows.
func registered(folder, path string, head []byte) bool {
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err == nil && strings.HasPrefix(string(text), "enabled\ninterpreter ") && matchesFormat(string(text), path, head) {
			return true
		}
	}
	return false
}

// matchesFormat reads an entry: magic, mask and offset, or an extension.
func matchesFormat(entry, path string, head []byte) bool {
	offset := 0
	var magic, mask []byte
	for line := range strings.Lines(entry) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "extension":
			return strings.HasSuffix(path, value)
		case "offset":
			offset, _ = strconv.Atoi(value)
		case "magic":
			magic, _ = hex.DecodeString(value)
		case "mask":
			mask, _ = hex.DecodeString(value)
		}
	}
	if len(magic) == 0 || offset < 0 || len(head) < offset+len(magic) {
		return false
	}
	for i, want := range magic {
		bits := byte(0xff)
		if i < len(mask) {
			bits = mask[i]
		}
		if (head[offset+i]^want)&bits != 0 {
			return false
		}
	}
	return true
}

// envUse is what env(1) is asked to run.
type envUse struct {
	// program is empty where that is not known.
	program string
	// path is the PATH that it sets itself, empty without one.
	path string
	// unsplit says that words of a first line have come as one: -S is missing.
	unsplit bool
}

// parseEnv reads env's arguments; fromLine says that they are the rest of a
// first line, which the kernel hands over as one word.
func parseEnv(args []string, fromLine bool) envUse {
	use := envUse{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if rest, ok := splitString(arg); ok && (rest != "" || i+1 < len(args)) {
			if rest == "" {
				i++
				rest = args[i]
			}
			args, i, fromLine = append(strings.Fields(rest), args[i+1:]...), -1, false
			continue
		}
		if fromLine && strings.ContainsAny(arg, " \t") {
			return envUse{program: arg, unsplit: true}
		}
		switch {
		case arg == "-i" || arg == "-" || arg == "--ignore-environment" || arg == "-v" || arg == "--debug" || arg == "--":
		case arg == "-u" || arg == "-C" || arg == "--unset" || arg == "--chdir":
			i++
		case strings.HasPrefix(arg, "-u") || strings.HasPrefix(arg, "--unset=") || strings.HasPrefix(arg, "--chdir="):
		case strings.HasPrefix(arg, "-"):
			return envUse{}
		case strings.Contains(arg, "="):
			if path, ok := strings.CutPrefix(arg, "PATH="); ok {
				use.path = path
			}
		default:
			use.program = arg
			return use
		}
	}
	return envUse{}
}

// splitString is the text of env's -S, which alone or behind -i and -v begins a word.
func splitString(arg string) (string, bool) {
	if rest, ok := strings.CutPrefix(arg, "--split-string"); ok {
		return strings.TrimPrefix(rest, "="), true
	}
	if flags, rest, ok := strings.Cut(arg, "S"); ok && strings.HasPrefix(flags, "-") && strings.Trim(flags[1:], "iv0") == "" {
		return strings.TrimLeft(rest, " \t="), true
	}
	return "", false
}
