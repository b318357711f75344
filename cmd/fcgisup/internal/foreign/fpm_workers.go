package foreign

import (
	"time"
)

// managed takes pm and its numbers.
func (p *pool) managed(e entry) bool {
	m := &p.manage
	number := func(to *int) {
		n, ok := wholeNumber(e.value)
		if !ok {
			p.note(e.at, e.key, "%q is not a number: %s is left out", e.value, p.draft.of)
			p.ok = false
		}
		*to = n
	}
	switch e.key {
	case "pm":
		m.kind, m.kindAt = e.value, e.at
	case "pm.max_children":
		number(&m.max)
		m.maxAt = e.at
	case "pm.min_spare_servers":
		number(&m.spare)
	case "pm.start_servers":
		m.startAt = e.at
	case "pm.max_spare_servers":
		m.maxSpareAt = e.at
	case "pm.max_spawn_rate":
		m.spawnsAt = e.at
	case "pm.process_idle_timeout":
		d, ok := fpmTime(e.value)
		if !ok || d == 0 {
			p.note(e.at, e.key, "%q is not a duration", e.value)
			d = 10 * time.Second
		}
		m.idle = d
	default:
		return false
	}
	return true
}

// workers says pm in numbers. FPM looks at idle workers alone, fcgisup also at
// the queue; the bounds are the same.
func (p *pool) workers() bool {
	m := p.manage
	if m.max < 1 {
		p.note(p.at, "pm.max_children", "is missing, or 0: %s is left out", p.draft.of)
		return false
	}
	p.draft.set("activation", "eager", m.kindAt)
	switch m.kind {
	case "static":
		p.draft.set("workers", m.max, m.maxAt)
	case "dynamic":
		spare := min(max(m.spare, 1), m.max)
		p.elastic(spare, spare)
		if m.startAt.line > 0 {
			p.note(m.startAt, "pm.start_servers", "no counterpart: an instance starts workers.min and grows at once when they are busy")
		}
		if m.maxSpareAt.line > 0 {
			p.note(m.maxSpareAt, "pm.max_spare_servers", "no counterpart: as many stay as were needed in the last 30 s, and workers.spare more")
		}
		if m.spawnsAt.line > 0 {
			p.note(m.spawnsAt, "pm.max_spawn_rate", "no counterpart: the rate doubles up to 16 at a time")
		}
	case "ondemand":
		p.draft.set("activation", "lazy", m.kindAt)
		p.elastic(0, 0)
		p.draft.set("limits.idle_timeout", duration(m.idle), m.kindAt)
	default:
		p.note(p.at, "pm", "%q is none of static, dynamic and ondemand: %s is left out", m.kind, p.draft.of)
		return false
	}
	return true
}

func (p *pool) elastic(low, spare int) {
	p.draft.set("workers.min", low, p.manage.maxAt)
	p.draft.set("workers.max", p.manage.max, p.manage.maxAt)
	p.draft.set("workers.spare", spare, p.manage.maxAt)
}
