package simulator

import (
	"errors"
	"strconv"
)

// Preset is a button of the control page: one trouble, put on top of the
// knobs as they are.
type Preset struct {
	Name  string // the last part of its path
	Label string
	Help  string
	apply func(*Knobs)
}

func addFault(f Fault) func(*Knobs) {
	return func(k *Knobs) {
		// The latest wish goes first: a fault behind one that never ends would
		// never be seen.
		k.Faults = append([]Fault{f}, k.Faults...)
	}
}

// Presets lists the buttons of the control page.
func Presets() []Preset {
	return []Preset{
		{"token-down", "Token endpoint down", "503 to every call",
			addFault(Fault{Kind: Fault503})},
		{"token-slow", "Token endpoint slow", "5 seconds before every answer",
			addFault(Fault{Kind: FaultDelay, DelayMS: 5000})},
		{"token-hang", "Token endpoint hangs", "the next call gets no answer",
			addFault(Fault{Kind: FaultHang, Count: 1})},
		{"reply-lost", "Reply lost", "the next refresh rotates, and its answer never arrives",
			addFault(Fault{Kind: FaultCloseAfterCommit, Scope: ScopeRefresh, Count: 1})},
		{"rate-limited", "Rate limited", "429 with Retry-After: 30 to the next 3 calls",
			addFault(Fault{Kind: Fault429, RetryAfterSeconds: 30, Count: 3})},
		{"refuse-refresh", "Refuse the next refresh", "invalid_grant: the session is over",
			addFault(Fault{Kind: FaultInvalidGrant, Scope: ScopeRefresh, Count: 1})},
		{"bad-gateway", "Bad gateway", "502 with a page, once",
			addFault(Fault{Kind: Fault502HTML, Count: 1})},
		{"discovery-down", "Discovery down", "500 for the metadata",
			func(k *Knobs) { k.Discovery.Mode = "500" }},
		{"registration-down", "Registration down", "500 for new clients",
			func(k *Knobs) { k.Registration.Fault = "500" }},
		{"platform-down", "Service tokens down", "503 for the exchange",
			addFault(Fault{Kind: Fault503, Endpoint: EndpointServiceToken})},
		{"deny", "Decline consent", "every sign-in ends in access_denied",
			func(k *Knobs) { k.Authorize.Deny = true }},
		{"auto-approve", "Sign in without asking", "as alice, consent given",
			func(k *Knobs) { k.Authorize.AutoUser, k.Authorize.AutoApprove = "alice", true }},
		{"short-tokens", "Short-lived tokens", "access 90 s, refresh 300 s",
			func(k *Knobs) { k.Token.AccessLifetimeSeconds, k.Token.RefreshLifetimeSeconds = 90, 300 }},
		{"short-clients", "Short-lived clients", "a registration lasts 5 minutes",
			func(k *Knobs) { k.Registration.ClientLifetimeSeconds = 300 }},
	}
}

// ApplyPreset presses a button of the control page.
func (s *Server) ApplyPreset(name string) error {
	for _, p := range Presets() {
		if p.Name == name {
			s.SetKnobs(p.apply)
			return nil
		}
	}
	return errors.New("no preset named " + strconv.Quote(name))
}
