package pages

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Brand is how the pages of a site look. The zero value is the gateway's own
// look, and names no app.
type Brand struct {
	Name     string
	Logo     Logo
	Color    Color
	Support  Support
	Template *Template // in place of the gateway's own
}

// Logo is a picture to embed in a page. The zero value is none.
type Logo struct{ image template.HTML }

// MaxLogo is how large a logo's file may be: it is part of every page.
const MaxLogo = 64 << 10

var errLogo = errors.New("not a picture browsers show: expected SVG, PNG, JPEG, WebP or GIF")

// ReadLogo makes a logo of a picture's file, by its content and not its name.
// As an image an SVG runs no script and loads nothing (SVG Integration §3).
func ReadLogo(file []byte) (Logo, error) {
	if len(file) > MaxLogo {
		return Logo{}, fmt.Errorf("%d bytes, and at most %d are embedded in a page", len(file), MaxLogo)
	}
	mediaType := http.DetectContentType(file)
	switch mediaType {
	case "image/png", "image/jpeg", "image/webp", "image/gif":
	default:
		if err := checkSVG(file); err != nil {
			return Logo{}, err
		}
		mediaType = "image/svg+xml"
	}
	data := base64.StdEncoding.EncodeToString(file)
	// The name stands beside it, so that it has nothing to say of its own.
	return Logo{template.HTML(`<img class="logo" alt="" src="data:` + mediaType + ";base64," + data + `">`)}, nil
}

// checkSVG tells whether browsers would show file as an image: they take
// well-formed XML in the namespace of SVG only.
func checkSVG(file []byte) error {
	decoder := xml.NewDecoder(bytes.NewReader(file))
	rooted := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && rooted {
			return nil
		}
		if err != nil && rooted {
			return fmt.Errorf("broken SVG: %w", err)
		}
		if err != nil {
			return errLogo
		}
		if element, ok := token.(xml.StartElement); ok && !rooted {
			rooted = true
			if element.Name.Local != "svg" {
				return errLogo
			}
			if element.Name.Space != "http://www.w3.org/2000/svg" {
				return errors.New(`an SVG that browsers don't show as a picture: its <svg> lacks xmlns="http://www.w3.org/2000/svg"`)
			}
		}
	}
}

// Support is where people find help. The zero value is nowhere.
type Support struct{ url string }

// ParseSupport reads an address of the web or of mail; no other kind of link
// belongs on a page about signing in.
func ParseSupport(text string) (Support, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
	case u.Scheme == "https" && u.Hostname() != "" && u.User == nil:
		return Support{u.String()}, nil
	case u.Scheme == "mailto" && strings.Contains(u.Opaque, "@"):
		return Support{u.String()}, nil
	}
	return Support{}, fmt.Errorf("%q: write https://… or mailto:help@example.com", text)
}
