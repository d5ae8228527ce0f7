package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
)

// contentSecurityPolicy lets nothing in but the body's own styles, by their
// hashes, pictures that are part of it where there is one, and forms to our own
// site (CSP Level 3 §6). Nothing a visitor sent can write a tag into a body, so
// all of them are ours.
func contentSecurityPolicy(body []byte) string {
	policy := "default-src 'none'; "
	if styles := styleElements(body); len(styles) > 0 {
		policy += "style-src"
		for _, style := range styles {
			sum := sha256.Sum256(style)
			policy += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		}
		policy += "; "
	}
	if bytes.Contains(body, []byte(`src="data:image/`)) {
		policy += "img-src data:; "
	}
	return policy + "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
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
