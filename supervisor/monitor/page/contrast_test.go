package page

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var property = regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`)

// colours are the custom properties of both schemes, from the style sheet itself.
func colours(t *testing.T) (light, dark map[string]string) {
	t.Helper()
	css := string(loadAssets().byName["page.css"].content)
	before, after, found := strings.Cut(css, "@media (prefers-color-scheme: dark) {")
	if !found {
		t.Fatal("there is no dark scheme")
	}
	after, _, _ = strings.Cut(after, "\n}\n")
	read := func(text string) map[string]string {
		all := map[string]string{}
		for _, m := range property.FindAllStringSubmatch(text, -1) {
			all[m[1]] = m[2]
		}
		return all
	}
	return read(before), read(after)
}

// luminance is WCAG's relative one.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatalf("no colour: %q", hex)
	}
	linear := func(c uint64) float64 {
		v := float64(c&255) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// TestContrast holds the style sheet to WCAG AA: 4.5 for text (1.4.3), 3 for
// marks and the outline of the focus (1.4.11).
func TestContrast(t *testing.T) {
	light, dark := colours(t)
	if fmt.Sprint(len(light)) != fmt.Sprint(len(dark)) {
		t.Errorf("light has %d colours, dark %d", len(light), len(dark))
	}
	grounds := []string{"ground", "sheet", "code", "bad-tint", "warn-tint"}
	for scheme, c := range map[string]map[string]string{"light": light, "dark": dark} {
		need := func(least float64, front string, backs ...string) {
			for _, back := range backs {
				if got := contrast(t, c[front], c[back]); got < least {
					t.Errorf("%s: --%s on --%s is %.2f, less than %.1f", scheme, front, back, got, least)
				}
			}
		}
		for _, text := range []string{"text", "muted", "link", "bad", "warn"} {
			need(4.5, text, grounds...)
		}
		need(4.5, "good", "sheet", "ground", "good-tint")
		need(4.5, "quiet", "sheet", "ground", "quiet-tint")
		need(3, "focus", append(grounds, "good-tint", "quiet-tint")...)
		for _, mark := range []string{"mark-up", "mark-asleep", "mark-down", "mark-stopped"} {
			need(3, mark, "sheet", "ground", "bad-tint", "warn-tint")
		}
	}
}

// No colour is anywhere but in the two lists.
func TestColoursAreNamed(t *testing.T) {
	css := string(loadAssets().byName["page.css"].content)
	_, rest, _ := strings.Cut(css, "*, ::before")
	rest, _, _ = strings.Cut(rest, "@media print")
	if found := regexp.MustCompile(`#[0-9a-f]{3,8}\b|rgba?\(|hsl`).FindAllString(rest, -1); len(found) > 0 {
		t.Errorf("colours that are not a property: %v", found)
	}
}
