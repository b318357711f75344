package fcgisup

import (
	"strings"
	"testing"
)

// testVariables are set as their names say; EMPTY is set to nothing.
func testVariables(name string) (string, bool) {
	value, ok := map[string]string{"USER_NAME": "rt", "N": "3", "EMPTY": "", "ODD": "a: b # ${N} $$", "LINES": "a\nb", "LONG": strings.Repeat("x", MaxConfigSize/2)}[name]
	return value, ok
}

func TestExpand(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"${USER_NAME}": "rt", "a-${USER_NAME}-${N}b": "a-rt-3b", "${NONE:-x y}": "x y", "${EMPTY:-x}": "x", "${EMPTY}": "", "${NONE:-}": "",
		"$uri": "$uri", "$$": "$", "$$uri$": "$uri$", "$${USER_NAME}": "${USER_NAME}", "$$$${N}": "$${N}", "$$${N}": "$3",
		"${ODD}": "a: b # ${N} $$", // a value is not looked at again
	} {
		cfg, err := Parse("test", []byte("apps: {a: {command: [/x, '"+value+"']}}"), testVariables)
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if got := cfg.Apps[0].Command[1]; got != want {
			t.Errorf("%s becomes %q, want %q", value, got, want)
		}
	}
	cfg, err := Parse("test", []byte("apps: {a: {command: [/x, '${N} $$']}}"))
	if err != nil || cfg.Apps[0].Command[1] != "${N} $$" {
		t.Errorf("without variables: %v, %v", cfg, err)
	}
}

// TestExpandKeys: keys are what they are, also where an alias makes one of a value, and aliases have their own values.
func TestExpandKeys(t *testing.T) {
	t.Parallel()
	const text = `apps:
  a:
    command: &c [/x, "${USER_NAME}"]
    instances: ${N}
    user: &u ${USER_NAME}
    group: *u
    nginx: {params: {A: $uri, B: "${N}"}}
  b:
    command: *c
`
	cfg, err := Parse("test", []byte(text), testVariables)
	if err != nil {
		t.Fatal(err)
	}
	a, b := cfg.Apps[0], cfg.Apps[1]
	if a.Instances != 3 || a.User != "rt" || a.Group != "rt" || a.Nginx.Params["A"] != "$uri" || a.Nginx.Params["B"] != "3" || b.Command[1] != "rt" {
		t.Errorf("%+v", cfg.Apps)
	}
	for text, want := range map[string]string{
		"apps: {a: {command: [/x], environment: {\"${USER_NAME}\": x}}}":              `"${USER_NAME}" is not the name of an environment variable`,
		"apps: {a: {command: [/x], description: &d \"${N}\", environment: {*d : x}}}": `"${N}" is not the name of an environment variable`,
	} {
		if _, err := Parse("test", []byte(text), testVariables); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestExpandErrors: all at once, in file order among the others, one for each value.
func TestExpandErrors(t *testing.T) {
	t.Parallel()
	const text = `apps:
  a:
    command: [/x, "${NONE} ${N}"]
    instances: ${COUNT}
    workers: ${EMPTY}
    user: "${1}"
    listen: /run/${USER_NAME
    environment: {A: "${LINES}"}
    limits: ${LIMITS}
`
	const want = `test:3:19: apps.a.command[1]: the variable NONE is not set; ${NONE:-DEFAULT} has a default
test:4:16: apps.a.instances: the variable COUNT is not set; ${COUNT:-DEFAULT} has a default
test:5:14: apps.a.workers: "" is not a whole number
test:6:11: apps.a.user: "${1}" is not a variable; they are ${NAME} or ${NAME:-DEFAULT}, and $$ is a dollar
test:7:13: apps.a.listen: "${USER_NAME" is not a variable; they are ${NAME} or ${NAME:-DEFAULT}, and $$ is a dollar
test:8:22: apps.a.environment.A: must not contain a newline, a NUL or another control character
test:9:13: apps.a.limits: the variable LIMITS is not set; ${LIMITS:-DEFAULT} has a default`
	if _, err := Parse("test", []byte(text), testVariables); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	_, err := Parse("test", []byte("apps: {a: {command: [/x, '${LONG}', '${LONG}', '${LONG}']}}"), testVariables)
	if err == nil || !strings.Contains(err.Error(), "variables expand to more than 1 MiB") {
		t.Errorf("without bound: %v", err)
	}
}

// FuzzExpand: no text panics, and one without a dollar means the same.
func FuzzExpand(f *testing.F) {
	f.Add([]byte(everyKey))
	f.Add([]byte("apps: {a: {command: [/x, '${N} ${M:-$$} $uri ${', &a '${N}', *a]}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		expanded, err := Parse("fuzz", data, testVariables)
		plain, plainErr := Parse("fuzz", data)
		if !strings.Contains(string(data), "$") && (err == nil) != (plainErr == nil) {
			t.Errorf("%v, without variables %v", err, plainErr)
		}
		if err == nil && len(expanded.Apps) == 0 || plainErr == nil && len(plain.Apps) == 0 {
			t.Error("no app")
		}
	})
}
