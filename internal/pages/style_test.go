package pages

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// schemes reads the colours of the light and the dark scheme from a style, of
// whose blocks the later ones count.
func schemes(t *testing.T, style string) map[string]map[string]string {
	t.Helper()
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(style, -1)
	if len(blocks) == 0 || len(blocks)%2 != 0 || strings.Count(style, "prefers-color-scheme: dark") != len(blocks)/2 {
		t.Fatalf("%d colour schemes", len(blocks))
	}
	found := map[string]map[string]string{"light": {}, "dark": {}}
	for i := range blocks {
		scheme := []string{"light", "dark"}[i%2]
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

// pairs are all colours that stand on one another, and what contrast they need.
var pairs = []struct {
	front, back string
	least       float64
}{
	{"text", "card", enoughForText}, {"text", "hint", enoughForText},
	{"muted", "card", enoughForText}, {"muted", "hint", enoughForText},
	{"link", "card", enoughForText}, {"link", "hint", enoughForText}, {"link", "ground", enoughForText},
	{"on-accent", "accent", enoughForText},
}

// enoughForText is what WCAG 2.2 AA asks for in 1.4.3. The edge of a button and
// the mark of the focus are the link's colour, so that 1.4.11, which asks for
// less, holds for them.
const enoughForText = 4.5

func checkContrast(t *testing.T, style string) {
	t.Helper()
	for scheme, colours := range schemes(t, style) {
		for _, p := range pairs {
			front, back := colours[p.front], colours[p.back]
			if front == "" || back == "" {
				t.Fatalf("%s has no %s on %s", scheme, p.front, p.back)
			}
			a, b := luminance(t, front), luminance(t, back)
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < p.least {
				t.Errorf("%s: %s %s on %s %s has %.2f, needs %.1f", scheme, p.front, front, p.back, back, ratio, p.least)
			}
		}
	}
}

func TestColoursHaveEnoughContrast(t *testing.T) { checkContrast(t, style) }

// Whatever colour a site has, what is written in it and on it can be read.
func TestEveryBrandsColourHasEnoughContrast(t *testing.T) {
	nasty := []string{"#ffff00", "#ffffff", "#000000", "#808080", "#777777", "#00ff00", "#0000ff", "#ff0000", "#1a202a", "#f3f4f6", "0b5fff", "#fd0", "fd0"}
	for level := 0; level < 1<<24; level += 0x0f1e2d {
		nasty = append(nasty, Color{uint8(level >> 16), uint8(level >> 8), uint8(level), true}.String())
	}
	for _, text := range nasty {
		color, err := ParseColor(text)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(text, func(t *testing.T) {
			checkContrast(t, style+color.style())
			for scheme, colours := range schemes(t, style+color.style()) {
				if colours["accent"] != color.String() {
					t.Errorf("%s: the button is %s", scheme, colours["accent"])
				}
			}
		})
	}
}

func TestAColourThatCanBeReadIsLeftAsItIs(t *testing.T) {
	blue, err := ParseColor("0B5FFF")
	if err != nil {
		t.Fatal(err)
	}
	if got := schemes(t, style+blue.style()); got["light"]["link"] != "#0b5fff" || got["dark"]["link"] == "#0b5fff" {
		t.Errorf("links are %s and %s", got["light"]["link"], got["dark"]["link"])
	}
}

// The colours brands have to fit into are those of the style.
func TestTheBackgroundsAreTheStyles(t *testing.T) {
	for name, s := range map[string]scheme{"light": light, "dark": dark} {
		colours := schemes(t, style)[name]
		for _, surface := range []string{"card", "hint", "ground"} {
			known := false
			for _, background := range s.backgrounds {
				known = known || background.String() == colours[surface]
			}
			if !known {
				t.Errorf("%s: nothing is checked against %s %s", name, surface, colours[surface])
			}
		}
	}
}

func TestWhatIsNoColour(t *testing.T) {
	for _, text := range []string{"", "#", "##0b5fff", "#0b5ff", "0b5fff0", "#0b5fff00", "#ggg", "red", "#+1+1+1", "#0b5ff;", "rgb(0,0,0)"} {
		if color, err := ParseColor(text); err == nil || color.style() != "" {
			t.Errorf("%q is %s", text, color)
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

// Nothing moves, so that nobody has to ask for less motion.
func TestNothingMoves(t *testing.T) {
	if moving := regexp.MustCompile(`animation|transition|@keyframes|scroll-behavior`).FindString(style); moving != "" {
		t.Errorf("the style has %s, and no rule for prefers-reduced-motion", moving)
	}
}
