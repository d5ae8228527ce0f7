package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

var errNoFile = errors.New("there is no such file")

// readConfiguration reads a configuration's file. adapt makes Caddy's JSON of it,
// each time by the variables as they are then.
func readConfiguration(file, adapter string) (adapt func() ([]byte, error), err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoFile
	}
	if err != nil {
		return nil, err
	}
	if adapter == "" && filepath.Ext(file) == ".json" {
		return func() ([]byte, error) { return text, nil }, nil
	}
	if adapter == "" {
		adapter = "caddyfile"
	}
	adapting := caddyconfig.GetAdapter(adapter)
	if adapting == nil {
		return nil, fmt.Errorf("--adapter %s: there is no such adapter", adapter)
	}
	return func() ([]byte, error) {
		adapted, _, err := adapting.Adapt(text, map[string]any{"filename": file})
		return adapted, err
	}, nil
}
