package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
)

// policy is what a page may do beyond what all of them may.
type policy struct {
	script string // the hash of the one that runs; "" for none
	// sendsOn does without form-action, which browsers apply to redirects too: where
	// the app leads on to after a form is its own affair.
	sendsOn bool
}

// of is the policy of a body. It lets nothing in but the body's own styles and the
// script, by their hashes, pictures that are part of it where there is one, and
// forms to our own site (CSP Level 3 §6). Nothing a visitor sent can write a tag
// into a body, so all of them are ours.
func (p policy) of(body []byte) string {
	text := "default-src 'none'; "
	if styles := styleElements(body); len(styles) > 0 {
		text += "style-src"
		for _, style := range styles {
			text += " " + hashOf(style)
		}
		text += "; "
	}
	if bytes.Contains(body, []byte(`src="data:image/`)) {
		text += "img-src data:; "
	}
	if !p.sendsOn {
		text += "form-action 'self'; "
	}
	text += "frame-ancestors 'none'; base-uri 'none'"
	if p.script != "" {
		text += "; script-src " + p.script
	}
	return text
}

// hashOf lets an element of exactly that text in, and no other (CSP Level 3
// §6.6.2).
func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// styleElements are the texts of the style elements in body.
func styleElements(body []byte) [][]byte {
	var styles [][]byte
	for {
		_, rest, found := bytes.Cut(body, []byte("<style>"))
		if !found {
			return styles
		}
		style, rest, found := bytes.Cut(rest, []byte("</style>"))
		if !found {
			return styles
		}
		styles, body = append(styles, style), rest
	}
}
