package page

import (
	"strings"
	"testing"
	"time"
)

// ageTexts are checked here and, in the browser, of page.js.
var ageTexts = map[time.Duration]string{
	0: "0s", 999 * time.Millisecond: "0s", -300 * time.Millisecond: "0s", 59 * time.Second: "59s", time.Minute: "1m", 30*time.Minute + 31*time.Second: "30m", 59*time.Minute + 59*time.Second: "59m",
	time.Hour: "1h0m", 3*time.Hour + 5*time.Minute: "3h5m", 47 * time.Hour: "1d", 4*time.Hour + 40*time.Minute: "4h40m", 23*time.Hour + 59*time.Minute: "23h59m", day: "1d", 400 * day: "400d",
	-3 * time.Second: "in 3s", -2 * time.Hour: "in 2h0m",
}

func TestAgeText(t *testing.T) {
	for d, want := range ageTexts {
		if got := ageText(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestAged(t *testing.T) {
	text := "a " + string(age(sampleAt, time.UTC)) + " b " + string(age(ago(time.Hour), time.UTC)) + " c"
	got := aged(text, sampleAt.Add(5*time.Second))
	for _, want := range []string{">5s</time> b ", ">1h0m</time> c"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if got := age(time.Time{}, time.UTC); got != "?" {
		t.Errorf("no time is %q", got)
	}
	for _, odd := range []string{ageOpen, ageOpen + "x", ageOpen + ageClose, ageOpen + "2026-99-99T00:00:00Z\"" + ageClose} {
		if got := aged(odd, sampleAt); got != odd {
			t.Errorf("%q became %q", odd, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range [][2]string{
		{seconds(nil), "?"},
		{seconds(ptr(0.0)), "–"},
		{seconds(ptr(0.04)), "0.0s"},
		{seconds(ptr(9.94)), "9.9s"},
		{seconds(ptr(48.3)), "48s"},
		{seconds(ptr(90.0)), "1m"},
		{size(nil), "?"},
		{size(ptr(uint64(0))), "0 KiB"},
		{size(ptr(uint64(184 << 20))), "184 MiB"},
		{size(ptr(uint64(1536 << 20))), "1.5 GiB"},
		{duration(0.0123), "12 ms"},
		{duration(4.2), "4.2 s"},
		{optional(nil), "?"},
		{optional(ptr(3)), "3"},
		{plural(1, "down"), "1 down"},
		{plural(0, "down"), "0 downs"},
		{percent(0, 0), "–"},
		{percent(day, day), "100 %"},
		{percent(day-time.Millisecond, day), "99.99 %"},
		{percent(day/2, day), "50 %"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
}
