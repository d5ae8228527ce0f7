package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// credentials are variables read without being named anywhere.
var credentials = []string{"OSC_CLIENT_ID", "OSC_CLIENT_SECRET", "CLIENT_ID", "CLIENT_SECRET"}

// ownPrefix begins the names of the gateway's own variables.
const ownPrefix = "OSC_GATEWAY_"

// variables looks at the values of the gateway's variables, and says nothing of
// what they are.
func (d *Doctor) variables() []Result {
	read := d.readVariables()
	var found []Result
	seen := 0
	for _, pair := range d.Environ {
		name, value, _ := strings.Cut(pair, "=")
		upper := strings.ToUpper(name)
		switch {
		case value == "", !read[upper] && !strings.HasPrefix(upper, ownPrefix): // says nothing, or is not the gateway's
		case d.Strays[name] != "":
			found = append(found, Result{
				Check: CheckVariables, Status: Fail, Message: name + " is no option, and the gateway does not start with it", Fix: d.Strays[name],
			})
		case name == upper || read[name]:
			seen++
			found = append(found, oddValue(name, value)...)
		case !d.isSet(upper):
			found = append(found, Result{
				Check: CheckVariables, Status: Warn, Message: name + " is not read: names are in upper case", Fix: "call it " + upper,
			})
		}
	}
	switch {
	case len(found) > 0:
		return found
	case seen == 0:
		return []Result{{Check: CheckVariables, Status: OK, Message: "none of the gateway's is set"}}
	default:
		return []Result{{Check: CheckVariables, Status: OK, Message: fmt.Sprintf("%d of the gateway's, none with an odd value", seen)}}
	}
}

// readVariables are those the gateway reads under names that are not its own.
func (d *Doctor) readVariables() map[string]bool {
	read := map[string]bool{}
	for _, name := range credentials {
		read[name] = true
	}
	if d.Setup != nil {
		for _, name := range d.Setup.Variables {
			read[name] = true
		}
	}
	return read
}

func (d *Doctor) isSet(name string) bool {
	return slices.ContainsFunc(d.Environ, func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
}

// masked is what OSC shows of a secret in place of it.
const masked = "***"

func oddValue(name, value string) []Result {
	trimmed := strings.TrimSpace(value)
	quoted := len(trimmed) >= 2 && strings.ContainsRune(`"'`, rune(trimmed[0])) && trimmed[0] == trimmed[len(trimmed)-1]
	switch {
	case trimmed == masked || quoted && trimmed[1:len(trimmed)-1] == masked:
		return []Result{{
			Check: CheckVariables, Status: Fail, Message: name + " reads ***, which is what OSC shows in place of a secret",
			Fix: "store it as a plain parameter of My Apps, or give the app the parameter store's key; a value copied from the screen is the mask itself",
		}}
	case quoted:
		return []Result{{Check: CheckVariables, Status: Fail, Message: name + " stands in quotes, which are part of its value", Fix: "leave the quotes out"}}
	case trimmed != value:
		return []Result{{Check: CheckVariables, Status: Warn, Message: name + " has blanks or a line's end around its value", Fix: "leave them out"}}
	default:
		return nil
	}
}
