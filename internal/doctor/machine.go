package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// configuration tells whether it loaded.
func (d *Doctor) configuration() Result {
	if d.Err != nil {
		return Result{Check: CheckConfiguration, Status: Fail, Message: d.From + ": " + d.Err.Error(), Fix: cmp.Or(d.Fix, "correct that and run doctor again")}
	}
	sites := fmt.Sprintf("%d sites", len(d.Setup.Sites))
	if len(d.Setup.Sites) == 1 {
		sites = "one site"
	}
	return Result{Check: CheckConfiguration, Status: OK, Message: "loaded " + d.From + ", with " + sites + " behind the gateway"}
}

// user tells whose rights these are: the gateway's, if it runs as the same.
func (d *Doctor) user() Result {
	switch d.User {
	case -1:
		return skipped("this system has no user ids", "", CheckUser)[0]
	case 0:
		return Result{
			Check: CheckUser, Status: Warn, Message: "this is root, and the gateway needs no such rights",
			Fix: "run it, and doctor, as a user of its own; for ports below 1024 grant cap_net_bind_service",
		}
	default:
		return Result{Check: CheckUser, Status: OK, Message: fmt.Sprintf("user %d; what follows holds for a gateway that runs as the same", d.User)}
	}
}

// data tells whether the gateway could write to Caddy's data directory.
func (d *Doctor) data() Result {
	if d.Setup.DataDir == "" {
		return skipped("Caddy's storage is not a directory", "", CheckData)[0]
	}
	if err := tryWriting(d.Setup.DataDir); err != nil {
		return Result{
			Check: CheckData, Status: Fail, Message: d.Setup.DataDir + " can't be written to: " + err.Error(),
			Fix: "give it to the gateway's user, or name another with XDG_DATA_HOME",
		}
	}
	return Result{Check: CheckData, Status: OK, Message: d.Setup.DataDir + " can be written to"}
}

// tryWriting makes and removes a directory there, or in what there is above.
func tryWriting(directory string) error {
	probe, err := probeDirectory(directory)
	if err != nil {
		return err
	}
	return os.Remove(probe)
}

// probeDirectory makes a directory of nobody else's in another one, or in what
// there is above it, on the same disk. It is to be removed.
func probeDirectory(directory string) (string, error) {
	for {
		probe, err := os.MkdirTemp(directory, ".osc-gateway-doctor-")
		if errors.Is(err, os.ErrNotExist) && directory != filepath.Dir(directory) {
			directory = filepath.Dir(directory)
			continue
		}
		var path *os.PathError
		if errors.As(err, &path) { // whose name is ours and of no use to anybody
			err = fmt.Errorf("%s: %w", directory, path.Err)
		}
		return probe, err
	}
}

// keys tells where the master keys come from.
func (d *Doctor) keys(ctx context.Context) Result {
	result := Result{Check: CheckKeys, Status: OK}
	keys, store := d.Setup.Keys, d.Setup.Store
	switch {
	case keys.Configured == 1:
		result.Message = "one, from the configuration"
		return result
	case keys.Configured > 1:
		result.Message = fmt.Sprintf("%d, from the configuration; the first seals, all open", keys.Configured)
		return result
	}
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	there, err := keys.Stored(ctx)
	switch {
	case err != nil:
		return Result{Check: CheckKeys, Status: Fail, Message: "Caddy's storage can't be read: " + err.Error(), Fix: "see to it that the gateway can read it"}
	case there:
		result.Message = "one, made by the gateway and kept in Caddy's storage"
	default:
		result.Message = "one will be made at the first start and kept in Caddy's storage"
	}
	switch {
	case store.Kind == "redis":
		result.Status = Warn
		result.Message += ", which other gateways on this store do not share by itself"
		result.Fix = "set key, the same everywhere (osc-gateway keys generate makes one)"
	case store.Kind == "file" && filepath.Dir(keys.Path) == filepath.Dir(store.Path):
		result.Message += ", beside the sessions: a copy of " + filepath.Dir(keys.Path) + " holds both"
	}
	return result
}

// credentials are variables read without being named anywhere.
var credentials = []string{"OSC_CLIENT_ID", "OSC_CLIENT_SECRET", "CLIENT_ID", "CLIENT_SECRET"}

// ownPrefix begins the names of the gateway's own variables.
const ownPrefix = "OSC_GATEWAY_"

// variables looks at the values of the gateway's variables, and says nothing of
// what they are.
func (d *Doctor) variables() []Result {
	read := map[string]bool{}
	for _, name := range credentials {
		read[name] = true
	}
	if d.Setup != nil {
		for _, name := range d.Setup.Variables {
			read[name] = true
		}
	}
	set := map[string]bool{}
	for _, pair := range d.Environ {
		name, _, _ := strings.Cut(pair, "=")
		set[name] = true
	}
	var found []Result
	seen := 0
	for _, pair := range d.Environ {
		name, value, _ := strings.Cut(pair, "=")
		upper := strings.ToUpper(name)
		ours := read[upper] || strings.HasPrefix(upper, ownPrefix)
		switch {
		case !ours || value == "":
		case d.Strays[name] != "":
			found = append(found, Result{
				Check: CheckVariables, Status: Fail, Message: name + " is no option, and the gateway does not start with it", Fix: d.Strays[name],
			})
		case name != upper && !read[name]:
			if !set[upper] {
				found = append(found, Result{
					Check: CheckVariables, Status: Warn, Message: name + " is not read: names are in upper case", Fix: "call it " + upper,
				})
			}
		default:
			seen++
			found = append(found, oddValue(name, value)...)
		}
	}
	switch {
	case len(found) > 0:
	case seen == 0:
		return []Result{{Check: CheckVariables, Status: OK, Message: "none of the gateway's is set"}}
	default:
		return []Result{{Check: CheckVariables, Status: OK, Message: fmt.Sprintf("%d of the gateway's, none with an odd value", seen)}}
	}
	return found
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
