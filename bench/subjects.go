package main

import (
	"context"
	"fmt"
)

// Names of the subjects that others are compared with.
const (
	plainName    = "plain"
	constantName = "constant"
	gatewayName  = "gateway"
	againstName  = "against"
)

// headline is what the first table shows: the floor, the floor that carries
// as much to the upstream, and the gateway as it is without any settings; and
// the gateway of another binary, if one is given.
func headline(r *rig, against string) []*subject {
	subjects := []*subject{plain(r), constant(r), gateway(r, gatewayName)}
	if against != "" {
		other := gateway(r, againstName)
		other.binary = against
		subjects = append(subjects, other)
	}
	return subjects
}

// compare puts every subject beside plain Caddy, the gateway beside the Caddy
// that sends as many bytes, and beside the gateway it is to be better than.
func compare(subjects []*subject) []comparison {
	var pairs []comparison
	for _, s := range subjects[1:] {
		pairs = append(pairs, comparison{s, subjects[0]})
	}
	for _, s := range subjects[2:] {
		pairs = append(pairs, comparison{s, subjects[1]})
	}
	for _, s := range subjects {
		if s.name == againstName {
			pairs = append(pairs, comparison{subjects[2], s})
		}
	}
	return pairs
}

// plain is Caddy without us: what nothing in Caddy can be cheaper than.
func plain(r *rig) *subject {
	return &subject{
		name:   plainName,
		site:   fmt.Sprintf("\treverse_proxy %s\n", r.upstream.address),
		signIn: everybodyGets(""),
	}
}

// constant is Caddy that sends one and the same token for everybody: what
// forwarding so many bytes costs, whoever does it.
func constant(r *rig) *subject {
	token := "Bearer " + r.provider.token()
	return &subject{
		name:   constantName,
		site:   fmt.Sprintf("\treverse_proxy %s {\n\t\theader_up %s %q\n\t}\n", r.upstream.address, tokenHeader, token),
		signIn: everybodyGets(token),
	}
}

// gateway is osc_proxy with its defaults and sessions in memory.
func gateway(r *rig, name string) *subject {
	return &subject{
		name:   name,
		global: fmt.Sprintf("\tosc_auth {\n\t\tissuer %s\n\t\tstore memory\n\t}\n", r.provider.issuer),
		site:   fmt.Sprintf("\tosc_proxy %s\n", r.upstream.address),
		signIn: r.signIn,
	}
}

// everybodyGets is for subjects that know no users.
func everybodyGets(token string) func(context.Context, *subject) ([]identity, error) {
	return func(context.Context, *subject) ([]identity, error) {
		identities := make([]identity, visitors)
		for i := range identities {
			identities[i].token = token
		}
		return identities, nil
	}
}
