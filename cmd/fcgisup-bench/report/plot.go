package report

import (
	"fmt"
	"math"
	"strings"
)

// Plot is a picture of a table: Bars, or else Lines.
type Plot struct {
	Name  string `json:"name"` // of its file
	Title string `json:"title"`
	Bars  []Bar  `json:"bars,omitempty"`
	Lines []Line `json:"lines,omitempty"`
	X     Axis   `json:"x"`
	Y     Axis   `json:"y"` // of lines
}

// Axis has a label with the unit. Mark is a value to which all are compared (a ratio's 1), drawn if it is not 0.
type Axis struct {
	Label string  `json:"label"`
	Log   bool    `json:"log,omitempty"`
	Mark  float64 `json:"mark,omitempty"`
}

// Bar is a value with its quartiles; those of an exact value are the value.
type Bar struct {
	Group string  `json:"group,omitempty"`
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Q1    float64 `json:"q1"`
	Q3    float64 `json:"q3"`
	Ours  bool    `json:"ours,omitempty"`
}

// Line is a series of points; Breaks in it are NaN and cannot be in JSON, so a line ends where it ends.
type Line struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
	Ours   bool         `json:"ours,omitempty"`
}

// The picture's measures in px.
const (
	width     = 760.0
	labels    = 190.0 // left of bars
	barHeight = 18.0
	margin    = 16.0
	heading   = 40.0
	axisSpace = 44.0
	lineArea  = 300.0
	keySpace  = 12.0 // above lines, for the label of y
)

// style is readable on a light and on a dark page. The colours are those of Okabe and Ito, which the colour-blind can
// tell apart; in the dark the bluest is lighter.
const style = `<style>
text{font:12px system-ui,sans-serif;fill:#24292f}
.t{font-size:15px;font-weight:600}.g{font-weight:600}.m{fill:#57606a}
.a{stroke:#8c959f}.l{stroke:#d0d7de}.w{stroke:#24292f;stroke-width:1.5}
.k{stroke:#cf222e;stroke-dasharray:4 3}
.o{fill:#0072b2}.p{fill:#8c959f}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.m{fill:#9198a1}.l{stroke:#3d444d}.w{stroke:#e6edf3}.o{fill:#56b4e9}.p{fill:#656c76}.k{stroke:#ff7b72}}
</style>
`

// palette is for lines; ours is the first.
var palette = []string{"#56b4e9", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#b8a800", "#8c6bb1", "#999999", "#41ab5d", "#a6611a"}

// SVG is the picture as a file of its own.
func (p Plot) SVG() []byte {
	var b strings.Builder
	height := heading + axisSpace + lineArea
	if len(p.Lines) == 0 {
		height = heading + axisSpace + float64(len(p.Bars)+groups(p.Bars))*barHeight
	} else {
		height += keySpace + float64((len(p.Lines)+1)/2)*barHeight
	}
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">\n%s", width, height, quote(p.Title), style)
	fmt.Fprintf(&b, "<text class=\"t\" x=\"%g\" y=\"24\">%s</text>\n", margin, quote(p.Title))
	if len(p.Lines) > 0 {
		p.lines(&b)
	} else {
		p.bars(&b, height)
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

func groups(bars []Bar) int {
	n, last := 0, ""
	for _, bar := range bars {
		if bar.Group != last {
			n++
		}
		last = bar.Group
	}
	return n
}

func (p Plot) bars(b *strings.Builder, height float64) {
	var values []float64
	for _, bar := range p.Bars {
		values = append(values, bar.Value, bar.Q3)
		if p.X.Log {
			values = append(values, bar.Q1)
		}
	}
	x := newScale(p.X, values, labels, width-margin-48)
	top, bottom := heading, height-axisSpace+4
	x.ticks(func(at float64, text string) {
		fmt.Fprintf(b, "<line class=\"l\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\"/><text class=\"m\" text-anchor=\"middle\" x=\"%.1f\" y=\"%g\">%s</text>\n", at, at, top, bottom, at, bottom+16, text)
	})
	y, group := top, ""
	for _, bar := range p.Bars {
		if bar.Group != group {
			group = bar.Group
			y += barHeight
			fmt.Fprintf(b, "<text class=\"g\" x=\"%g\" y=\"%g\">%s</text>\n", margin, y-4, quote(group))
		}
		class := "p"
		if bar.Ours {
			class = "o"
		}
		middle := y + barHeight/2
		fmt.Fprintf(b, "<text text-anchor=\"end\" x=\"%g\" y=\"%g\">%s</text>", labels-8, middle+4, quote(bar.Name))
		fmt.Fprintf(b, "<rect class=\"%s\" x=\"%g\" y=\"%g\" width=\"%.1f\" height=\"%g\" rx=\"2\"/>", class, labels, y+2, max(x.at(bar.Value)-labels, 1), barHeight-4)
		if bar.Q1 != bar.Q3 {
			fmt.Fprintf(b, "<line class=\"w\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\"/>", x.at(bar.Q1), x.at(bar.Q3), middle, middle)
		}
		fmt.Fprintf(b, "<text class=\"m\" x=\"%.1f\" y=\"%g\">%s</text>\n", max(x.at(bar.Value), x.at(bar.Q3))+5, middle+4, short(bar.Value))
		y += barHeight
	}
	if p.X.Mark != 0 {
		fmt.Fprintf(b, "<line class=\"k\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\"/>\n", x.at(p.X.Mark), x.at(p.X.Mark), top, bottom)
	}
	fmt.Fprintf(b, "<text class=\"m\" text-anchor=\"middle\" x=\"%g\" y=\"%g\">%s</text>\n", (labels+width)/2, bottom+34, quote(p.X.Label))
}

func (p Plot) lines(b *strings.Builder) {
	var xs, ys []float64
	for _, line := range p.Lines {
		for _, point := range line.Points {
			xs, ys = append(xs, point[0]), append(ys, point[1])
		}
	}
	left, top, bottom := 64.0, heading+keySpace, heading+keySpace+lineArea
	x, y := newScale(p.X, xs, left, width-margin), newScale(p.Y, ys, bottom, top)
	x.ticks(func(at float64, text string) {
		fmt.Fprintf(b, "<line class=\"l\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\"/><text class=\"m\" text-anchor=\"middle\" x=\"%.1f\" y=\"%g\">%s</text>\n", at, at, top, bottom, at, bottom+16, text)
	})
	y.ticks(func(at float64, text string) {
		fmt.Fprintf(b, "<line class=\"l\" x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"m\" text-anchor=\"end\" x=\"%g\" y=\"%.1f\">%s</text>\n", left, width-margin, at, at, left-6, at+4, text)
	})
	for i, line := range p.Lines {
		colour, thick := palette[i%len(palette)], 1.5
		if line.Ours {
			thick = 3
		}
		var points strings.Builder
		for _, point := range line.Points {
			fmt.Fprintf(&points, "%.1f,%.1f ", x.at(point[0]), y.at(point[1]))
		}
		fmt.Fprintf(b, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%g\" points=\"%s\"/>\n", colour, thick, strings.TrimSpace(points.String()))
		keyX, keyY := left+float64(i%2)*340, bottom+axisSpace+float64(i/2)*barHeight+6
		fmt.Fprintf(b, "<line stroke=\"%s\" stroke-width=\"%g\" x1=\"%g\" x2=\"%g\" y1=\"%g\" y2=\"%g\"/><text x=\"%g\" y=\"%g\">%s</text>\n", colour, thick+1, keyX, keyX+18, keyY-4, keyY-4, keyX+24, keyY, quote(line.Name))
	}
	fmt.Fprintf(b, "<text class=\"m\" text-anchor=\"middle\" x=\"%g\" y=\"%g\">%s</text>\n", (left+width)/2, bottom+32, quote(p.X.Label))
	fmt.Fprintf(b, "<text class=\"m\" x=\"%g\" y=\"%g\">%s</text>\n", margin, top-10, quote(p.Y.Label))
}

func quote(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}

// scale takes values to places on an axis.
type scale struct {
	log      bool
	low, top float64 // values at the ends
	from, to float64 // places of the ends
}

// newScale has room for all values, and begins at 0 or at a power of ten.
func newScale(axis Axis, values []float64, from, to float64) scale {
	s := scale{log: axis.Log, from: from, to: to, low: math.Inf(1), top: axis.Mark}
	for _, v := range values {
		s.top = max(s.top, v)
		if v > 0 {
			s.low = min(s.low, v)
		}
	}
	if s.top <= 0 {
		s.top = 1
	}
	if !s.log {
		s.low = 0
		return s
	}
	s.low = math.Pow(10, math.Floor(math.Log10(min(s.low, s.top))))
	s.top = math.Pow(10, math.Ceil(math.Log10(s.top)))
	if s.top <= s.low {
		s.top = s.low * 10
	}
	return s
}

func (s scale) at(v float64) float64 {
	share := v / s.top
	if s.log {
		share = math.Log(max(v, s.low)/s.low) / math.Log(s.top/s.low)
	}
	return s.from + share*(s.to-s.from)
}

// ticks gives the places of round values.
func (s scale) ticks(each func(at float64, text string)) {
	if s.log {
		for v := s.low; v <= s.top*1.001; v *= 10 {
			each(s.at(v), tick(v))
		}
		return
	}
	step := math.Pow(10, math.Floor(math.Log10(s.top)))
	switch {
	case s.top/step < 2:
		step /= 5
	case s.top/step < 5:
		step /= 2
	}
	for i := 0; float64(i)*step <= s.top*1.001; i++ {
		each(s.at(float64(i)*step), tick(float64(i)*step))
	}
}

func tick(v float64) string {
	if v >= 1e4 {
		return thousands(v)
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.6f", v), "0"), ".")
}
