package caddymodule

import (
	"errors"
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/Eyevinn/osc-gateway/internal/pages"
)

// Pages is how the gateway's own pages look on a site. Placeholders are
// replaced in all of it.
type Pages struct {
	// What the app is called. Default: the client_name.
	Name string `json:"name,omitempty"`

	// The file of a picture to embed in every page: SVG, PNG, JPEG, WebP or GIF,
	// of at most 64 KiB.
	Logo string `json:"logo,omitempty"`

	// The colour of buttons and links, like 0b5fff. It is made darker or lighter
	// where it is text that could not be read otherwise.
	Color string `json:"color,omitempty"`

	// Where people find help: a mailto: or https: address.
	Support string `json:"support,omitempty"`

	// The file of an HTML template in place of the gateway's own.
	Template string `json:"template,omitempty"`
}

// unmarshalPages reads the block
//
//	pages {
//	    name     <name>
//	    logo     <file>
//	    color    <rrggbb>
//	    support  <mailto: or https: address>
//	    template <file>
//	}
func (h *Handler) unmarshalPages(helper httpcaddyfile.Helper) error {
	d := helper.Dispenser
	if err := noMore(d); err != nil {
		return err
	}
	h.Pages = new(Pages)
	given := onceOnly{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		if err := given.note(d, word); err != nil {
			return err
		}
		if err := h.Pages.unmarshalWord(d, word); err != nil {
			return err
		}
	}
	if len(given) == 0 {
		return d.Err("pages: expected a block with name, logo, color, support or template")
	}
	return nil
}

func (p *Pages) unmarshalWord(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "name":
		return scalar(d, &p.Name)
	case "logo":
		return scalar(d, &p.Logo)
	case "template":
		return scalar(d, &p.Template)
	case "color":
		if d.CountRemainingArgs() == 0 {
			return d.Err("color: # begins a comment in a Caddyfile; write the digits alone, like 0b5fff, or quotes around it all")
		}
		return checked(d, &p.Color, pages.ParseColor)
	case "support":
		return checked(d, &p.Support, pages.ParseSupport)
	default:
		return d.Errf("unknown word %q; expected name, logo, color, support or template", word)
	}
}

// checked takes one argument that can be parsed; one with placeholders is, when
// it is loaded.
func checked[T any](d *caddyfile.Dispenser, value *string, parse func(string) (T, error)) error {
	word := d.Val()
	if err := scalar(d, value); err != nil || isPlaceholder(*value) {
		return err
	}
	if _, err := parse(*value); err != nil {
		return d.Errf("%s %s: %v", word, *value, err)
	}
	return nil
}

// brand is what the settings come to. Files are read here, once.
func (p *Pages) brand(clientName string) (brand pages.Brand, err error) {
	if clientName != defaultClientName {
		brand.Name = clientName
	}
	if p == nil {
		return brand, nil
	}
	for _, setting := range []error{
		provisionSetting("name", p.Name, &brand.Name, func(name string) (string, error) { return name, nil }),
		provisionSetting("color", p.Color, &brand.Color, pages.ParseColor),
		provisionSetting("support", p.Support, &brand.Support, pages.ParseSupport),
		provisionSetting("logo", p.Logo, &brand.Logo, func(path string) (logo pages.Logo, err error) {
			file, err := readFile(path, pages.MaxLogo)
			if err != nil {
				return logo, err
			}
			return pages.ReadLogo(file)
		}),
		provisionSetting("template", p.Template, &brand.Template, func(path string) (*pages.Template, error) {
			file, err := readFile(path, pages.MaxTemplate)
			if err != nil {
				return nil, err
			}
			return pages.ParseTemplate(string(file))
		}),
	} {
		if setting != nil {
			return pages.Brand{}, setting
		}
	}
	return brand, nil
}

// provisionSetting reads one setting, if it was given.
func provisionSetting[T any](word, text string, value *T, parse func(string) (T, error)) error {
	if text == "" {
		return nil
	}
	resolved, err := resolve("pages: "+word, text)
	if err != nil {
		return err
	}
	if *value, err = parse(resolved); err != nil {
		return fmt.Errorf("pages: %s %s: %w", word, resolved, err)
	}
	return nil
}

// readFile reads a file that may not be larger than most.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a file")
	case info.Size() > most:
		return nil, fmt.Errorf("%d bytes, which is more than %d", info.Size(), most)
	}
	return os.ReadFile(path)
}
