package check

import "testing"

// TestCheckShowsWrongAnswers: the line of a backend ends with how its wrong answer begins, on one line.
func TestCheckShowsWrongAnswers(t *testing.T) {
	t.Parallel()
	r := checked{Class: "status", Error: "status 500, expected 200-399", Answer: `Status: 500\r\n\r\nno database`, code: nagiosCritical}
	if got, want := r.text(), `status: status 500, expected 200-399; the answer begins: Status: 500\r\n\r\nno database`; got != want {
		t.Errorf("text() = %q, want %q", got, want)
	}
}
