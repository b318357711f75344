package show

import (
	"fmt"
	"io"
	"strings"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// notes says below the table what a word in it cannot, once for all instances that
// it is true of.
func notes(w io.Writer, all []control.Status) error {
	for _, note := range []struct {
		text string
		of   func(control.Status) bool
	}{
		{"PROBE none: the program answers no ping and is judged by kernel tables alone; set health.path to probe it with a request", control.Status.PingUnanswered},
		{
			"IN FLIGHT kept: idle connections that the web server keeps open; each occupies a worker (nginx: fastcgi_keep_conn off; HAProxy: no option keep-conn)",
			func(st control.Status) bool { return st.Kept > 0 },
		},
	} {
		var names []string
		for _, st := range all {
			if note.of(st) {
				names = append(names, fmt.Sprintf("%s@%d", st.App, st.Instance))
			}
		}
		if len(names) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", strings.Join(names, ", "), note.text); err != nil {
			return err
		}
	}
	if err := templates(w, all); err != nil {
		return err
	}
	return wrongAnswers(w, all)
}

// wrongAnswers shows how the answers begin that failed the last probes.
func wrongAnswers(w io.Writer, all []control.Status) error {
	for _, st := range all {
		if st.Probe == nil || st.Probe.OK || st.Probe.Answer == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s@%d: the probe fails (%s); the answer begins: %s\n", st.App, st.Instance, st.Probe.Error, st.Probe.Answer); err != nil {
			return err
		}
	}
	return nil
}

// templates names the processes that workers are forked from, and says why there is none, once for each reason.
func templates(w io.Writer, all []control.Status) error {
	var texts []string
	by := map[string][]string{}
	for _, st := range all {
		if st.Template == nil {
			continue
		}
		text := "workers are started one by one, not forked from a template: " + st.Template.Reason
		if st.Template.State != control.TemplateFailed {
			text = fmt.Sprintf("the template is %s, process %d", st.Template.State, st.Template.PID)
		}
		if by[text] == nil {
			texts = append(texts, text)
		}
		by[text] = append(by[text], fmt.Sprintf("%s@%d", st.App, st.Instance))
	}
	for _, text := range texts {
		if _, err := fmt.Fprintf(w, "%s: %s\n", strings.Join(by[text], ", "), text); err != nil {
			return err
		}
	}
	return nil
}
