package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Names of the subjects that others are compared with.
const (
	plainName    = "plain"
	constantName = "constant"
	gatewayName  = "gateway"
	againstName  = "against"
)

// stockCollector is how often Caddy collects garbage, and every Go program that
// nobody told otherwise. The gateway's binary does it less often unless told so.
const stockCollector = "GOGC=100"

// headline is what the first table shows: the floor, the floor that carries as
// much to the upstream, and the gateway with each store; the gateway of
// another binary, if one is given; and peers, if they are asked for. All but the
// one named tuned run as a module in somebody's own Caddy does.
func headline(r *rig, o options) ([]*subject, error) {
	memory := gateway(r, gatewayName, "memory")
	memory.goals = []goal{{reference: plainName, most: 1.20, next: 1.12}, {reference: constantName, most: 1.15}}
	file := gateway(r, "gateway file", "file")
	file.goals = []goal{{reference: plainName, most: 1.20, next: 1.12}}
	tuned := gateway(r, "gateway tuned", "memory")
	tuned.env, tuned.goals = nil, []goal{{reference: plainName, most: 1.00}}
	subjects := []*subject{plain(r), constant(r), memory, file, tuned}
	if _, err := redisProgram(); err != nil {
		r.notMeasured("gateway redis, gateway redis miss", err)
	} else {
		hit, err := onRedis(r, "gateway redis", newRedis)
		if err != nil {
			return nil, err
		}
		miss, err := onRedis(r, "gateway redis miss", newSilentRedis)
		if err != nil {
			return nil, err
		}
		hit.goals = []goal{{reference: plainName, most: 1.25}}
		miss.goals = []goal{{reference: plainName, most: 1.70}}
		subjects = append(subjects, hit, miss)
	}
	if o.against != "" {
		other := gateway(r, againstName, "memory")
		other.binary = o.against
		subjects = append(subjects, other)
	}
	if o.peers {
		others, err := peers(r)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, others...)
	}
	return chosen(subjects, o.subjects)
}

// chosen are the subjects with these names, which commas part; none names all.
// Plain Caddy is always among them.
func chosen(subjects []*subject, names string) ([]*subject, error) {
	if names == "" {
		return subjects, nil
	}
	kept := subjects[:1:1]
	for name := range strings.SplitSeq(names, ",") {
		s := named(subjects, name)
		if s == nil {
			return nil, fmt.Errorf("-subjects: there is no %q", name)
		}
		if !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept, nil
}

func named(subjects []*subject, name string) *subject {
	for _, s := range subjects {
		if s.name == name {
			return s
		}
	}
	return nil
}

// compare puts every subject beside plain Caddy, and the gateway beside the
// Caddy that sends as many bytes and beside the gateway it is to be better than.
func compare(subjects []*subject) []comparison {
	pairs := besidePlain(subjects)
	for _, pair := range [][2]string{{gatewayName, constantName}, {againstName, constantName}, {gatewayName, againstName}} {
		if one, other := named(subjects, pair[0]), named(subjects, pair[1]); one != nil && other != nil {
			pairs = append(pairs, comparison{one, other})
		}
	}
	return pairs
}

// besidePlain puts every subject beside the first.
func besidePlain(subjects []*subject) []comparison {
	var pairs []comparison
	for _, s := range subjects[1:] {
		pairs = append(pairs, comparison{s, subjects[0]})
	}
	return pairs
}

// plain is Caddy without us: what nothing in Caddy can be cheaper than.
func plain(r *rig) *subject {
	return &subject{
		name:   plainName,
		env:    []string{stockCollector},
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
		env:    []string{stockCollector},
		site:   fmt.Sprintf("\treverse_proxy %s {\n\t\theader_up %s %q\n\t}\n", r.upstream.address, tokenHeader, token),
		signIn: everybodyGets(token),
	}
}

// gateway is osc_proxy with its defaults and sessions in such a store.
func gateway(r *rig, name, store string) *subject {
	return &subject{
		name:   name,
		env:    []string{stockCollector},
		global: fmt.Sprintf("\tosc_auth {\n\t\tissuer %s\n\t\tstore %s\n\t}\n", r.provider.issuer, store),
		site:   fmt.Sprintf("\tosc_proxy %s\n", r.upstream.address),
		signIn: r.signIn,
	}
}

// onRedis is the gateway with a Redis of its own.
func onRedis(r *rig, name string, server func() (*redis, error)) (*subject, error) {
	own, err := server()
	if err != nil {
		return nil, err
	}
	s := gateway(r, name, "redis "+own.url())
	s.redis = own
	return s, nil
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
