package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// selection is APP or APP@N; an empty app is all.
type selection struct {
	app      string
	instance int // 0: all
}

func parseSelection(s string) (selection, error) {
	name, number, numbered := strings.Cut(s, "@")
	if err := fcgisup.CheckName(name); err != nil {
		return selection{}, err
	}
	if !numbered {
		return selection{app: name}, nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return selection{}, fmt.Errorf("%q is neither APP nor APP@N", s)
	}
	return selection{name, n}, nil
}

func (s selection) has(st control.Status) bool {
	return (s.app == "" || s.app == st.App) && (s.instance == 0 || s.instance == st.Instance)
}

// mayBe returns true if the directory of a control socket may be that of a
// supervisor of the selected instances: APP, or APP-N.
func (s selection) mayBe(dir string) bool {
	if dir == s.app {
		return true
	}
	number, ok := strings.CutPrefix(dir, s.app+"-")
	n, err := strconv.Atoi(number)
	return ok && err == nil && n > 0 && (s.instance == 0 || n == s.instance)
}

func (s selection) String() string {
	if s.instance == 0 {
		return s.app
	}
	return fmt.Sprintf("%s@%d", s.app, s.instance)
}
