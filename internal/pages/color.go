package pages

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Color is one of sRGB. The zero value is none.
type Color struct {
	r, g, b uint8
	given   bool
}

var errColor = errors.New("write a colour as three or six hex digits, like 0b5fff")

// ParseColor reads #rgb or #rrggbb, with or without the mark, which begins a
// comment in some files.
func ParseColor(text string) (Color, error) {
	digits := strings.TrimPrefix(text, "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	if len(digits) != 6 {
		return Color{}, errColor
	}
	value, err := strconv.ParseUint(digits, 16, 24)
	if err != nil {
		return Color{}, errColor
	}
	return Color{uint8(value >> 16), uint8(value >> 8), uint8(value), true}, nil
}

// String is the colour as CSS writes it.
func (c Color) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

var (
	black = Color{0, 0, 0, true}
	white = Color{255, 255, 255, true}
)

// luminance is the relative luminance (WCAG 2.2).
func (c Color) luminance() float64 {
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

func linear(channel uint8) float64 {
	v := float64(channel) / 255
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// contrast is the contrast ratio of two colours (WCAG 2.2), 1 to 21.
func contrast(a, b Color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// textContrast is what text needs (WCAG 2.2 AA, 1.4.3).
const textContrast = 4.5

// textOn is the colour of text on c. One of the two always has contrast enough.
func (c Color) textOn() Color {
	if contrast(c, black) >= contrast(c, white) {
		return black
	}
	return white
}

// readable is c as text on all of the backgrounds: itself if it can be read
// there, else as little nearer to the ink as it takes.
func (c Color) readable(ink Color, backgrounds ...Color) Color {
	const steps = 64
	for step := range steps {
		mixed := c.mix(ink, step, steps)
		if readsOn(mixed, backgrounds) {
			return mixed
		}
	}
	return ink
}

func readsOn(text Color, backgrounds []Color) bool {
	for _, background := range backgrounds {
		if contrast(text, background) < textContrast {
			return false
		}
	}
	return true
}

// mix is c with so many parts of all taken from other.
func (c Color) mix(other Color, parts, all int) Color {
	channel := func(a, b uint8) uint8 { return uint8((int(a)*(all-parts) + int(b)*parts) / all) }
	return Color{channel(c.r, other.r), channel(c.g, other.g), channel(c.b, other.b), true}
}

// scheme is what a colour must fit into, as style.css has it.
type scheme struct {
	ink         Color   // the way to more contrast
	backgrounds []Color // what text stands on
}

var (
	light = scheme{black, []Color{{0xff, 0xff, 0xff, true}, {0xf3, 0xf4, 0xf6, true}}}
	dark  = scheme{white, []Color{{0x1a, 0x20, 0x2a, true}, {0x11, 0x15, 0x1c, true}}}
)

// style are the rules that put c in the place of the gateway's own colour.
func (c Color) style() string {
	if !c.given {
		return ""
	}
	return ":root {" + c.variables(light) + "}\n@media (prefers-color-scheme: dark) {\n\t:root {" + c.variables(dark) + "}\n}\n"
}

func (c Color) variables(s scheme) string {
	return fmt.Sprintf(" --accent: %s; --on-accent: %s; --link: %s; ", c, c.textOn(), c.readable(s.ink, s.backgrounds...))
}
