package caddymodule

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/Eyevinn/osc-gateway/internal/gate"
)

// defaultSignInLimit is generous: many people come from one address, and a
// sign-in begun costs the gateway next to nothing.
const (
	defaultSignInLimit = "60/m"
	noSignInLimit      = "off"
	maxSignInLimit     = 100_000
)

// startLimit is the limit an option asks for, nil for none.
func startLimit(word string) (*gate.StartLimit, error) {
	if word == noSignInLimit {
		return nil, nil
	}
	number, found := strings.CutSuffix(word, "/m")
	perMinute, err := strconv.Atoi(number)
	if !found || err != nil || perMinute < 1 || perMinute > maxSignInLimit {
		return nil, fmt.Errorf("expected how many sign-ins a client may begin in a minute, like 60/m, or off; got %q", word)
	}
	return gate.NewStartLimit(perMinute), nil
}
