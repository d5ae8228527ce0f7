package pages

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// schemes reads the colours of the light and the dark scheme from the style.
func schemes(t *testing.T) map[string]map[string]string {
	t.Helper()
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(style, -1)
	if len(blocks) != 2 || !strings.Contains(style, "prefers-color-scheme: dark") {
		t.Fatalf("%d colour schemes", len(blocks))
	}
	found := map[string]map[string]string{"light": {}, "dark": {}}
	for i, scheme := range []string{"light", "dark"} {
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(blocks[i][1], -1) {
			found[scheme][m[1]] = m[2]
		}
	}
	return found
}

// luminance is the relative luminance of #rrggbb (WCAG 2.2).
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(v) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func TestColoursHaveEnoughContrast(t *testing.T) {
	const text, control = 4.5, 3.0 // WCAG 2.2 AA, 1.4.3 and 1.4.11
	pairs := []struct {
		front, back string
		least       float64
	}{
		{"text", "card", text}, {"muted", "card", text}, {"text", "hint", text},
		{"on-accent", "accent", text}, {"accent", "card", control},
	}
	for scheme, colours := range schemes(t) {
		for _, p := range pairs {
			front, back := colours[p.front], colours[p.back]
			if front == "" || back == "" {
				t.Fatalf("%s has no %s on %s", scheme, p.front, p.back)
			}
			a, b := luminance(t, front), luminance(t, back)
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < p.least {
				t.Errorf("%s: %s on %s has %.2f, needs %.1f", scheme, p.front, p.back, ratio, p.least)
			}
		}
	}
}

func TestEveryColourIsOneOfTheScheme(t *testing.T) {
	rules := regexp.MustCompile(`(?s):root \{.*?\}`).ReplaceAllString(style, "")
	if stray := regexp.MustCompile(`#[0-9a-fA-F]{3,8}|rgb|hsl`).FindString(rules); stray != "" {
		t.Errorf("%s is outside the schemes, where nothing checks its contrast", stray)
	}
	if !strings.Contains(style, ":focus-visible") || strings.Contains(style, "outline: none") {
		t.Error("keyboard users cannot see where they are")
	}
}
