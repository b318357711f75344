package supervisor

import "time"

// noteDenial keeps what a program says if the sandbox may be the reason: programs
// seldom end of it, they answer 500, or send no mail.
func (i *instance) noteDenial(text string, now time.Time) {
	if i.opt.Denied == nil {
		return
	}
	d, found := i.opt.Denied(text)
	if !found {
		return
	}
	d.At = now
	last := i.denial.Swap(&d)
	if last == nil || last.Directive != d.Directive || last.Fix != d.Fix {
		i.log.Warn("the sandbox may forbid this", "directive", d.Directive, "path", d.Path, "fix", d.Fix)
	}
}
