package control

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
)

// Selection is APP or APP@N; an empty app is all.
type Selection struct {
	App      string
	Instance int // 0: all
}

// ParseSelection reads what an argument of a command selects: APP or APP@N.
func ParseSelection(s string) (Selection, error) {
	name, number, numbered := strings.Cut(s, "@")
	if err := fcgisup.CheckName(name); err != nil {
		return Selection{}, err
	}
	if !numbered {
		return Selection{App: name}, nil
	}
	n, err := strconv.Atoi(number)
	switch {
	case err != nil:
		return Selection{}, fmt.Errorf("%q is neither APP nor APP@N: %q is not a number", s, number)
	case n < 1:
		return Selection{}, fmt.Errorf("there is no instance %s: instances are numbered from 1, as in %s@1", s, name)
	}
	return Selection{name, n}, nil
}

// Has reports whether an instance is selected.
func (s Selection) Has(st Status) bool {
	return (s.App == "" || s.App == st.App) && (s.Instance == 0 || s.Instance == st.Instance)
}

// MayBe returns true if the directory of a control socket may be that of a
// supervisor of the selected instances: APP, or APP-N.
func (s Selection) MayBe(dir string) bool {
	if dir == s.App {
		return true
	}
	number, ok := strings.CutPrefix(dir, s.App+"-")
	n, err := strconv.Atoi(number)
	return ok && err == nil && n > 0 && (s.Instance == 0 || n == s.Instance)
}

func (s Selection) String() string {
	if s.Instance == 0 {
		return s.App
	}
	return fmt.Sprintf("%s@%d", s.App, s.Instance)
}
