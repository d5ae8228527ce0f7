package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
		if path, ok := errors.AsType[*os.PathError](err); ok { // whose name is ours and of no use to anybody
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
