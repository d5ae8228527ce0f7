package simulator

import "maps"

// Counters is what happened since the start or the last reset.
type Counters struct {
	Discovery       int `json:"discovery"`        // metadata requests
	Registrations   int `json:"registrations"`    // clients registered
	Authorizations  int `json:"authorizations"`   // valid authorization requests
	ConsentsAllowed int `json:"consents_allowed"` // codes issued
	ConsentsDenied  int `json:"consents_denied"`

	CodeExchanges   int `json:"code_exchanges"`    // attempts, injected faults included
	CodeExchangesOK int `json:"code_exchanges_ok"` // answered with tokens
	CodeRejected    int `json:"code_rejected"`     // refused; injected faults do not count

	Refreshes       int `json:"refreshes"`        // attempts, injected faults included
	RefreshesOK     int `json:"refreshes_ok"`     // pairs issued, lost replies included
	RefreshRejected int `json:"refresh_rejected"` // refused; injected faults do not count
	ReuseDetected   int `json:"reuse_detected"`   // rotated refresh tokens that came again
	CodeReuse       int `json:"code_reuse"`       // used codes that came again

	MaxConcurrentRefreshes          int            `json:"max_concurrent_refreshes"`
	MaxConcurrentRefreshesPerFamily int            `json:"max_concurrent_refreshes_per_family"`
	RefreshesPerFamily              map[string]int `json:"refreshes_per_family"` // attempts by family id

	ServiceTokens int            `json:"service_tokens"` // SATs issued
	Faults        int            `json:"faults"`         // faults injected
	CanaryHits    int            `json:"canary_hits"`    // requests that followed redirect_307
	Endpoints     map[string]int `json:"endpoints"`      // calls by endpoint name
	LiveFamilies  int            `json:"live_families"`  // refreshable sign-ins right now
}

func newCounters() Counters {
	return Counters{RefreshesPerFamily: make(map[string]int), Endpoints: make(map[string]int)}
}

// Counters returns a copy of the counters.
func (s *Server) Counters() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counters
	c.RefreshesPerFamily = maps.Clone(c.RefreshesPerFamily)
	c.Endpoints = maps.Clone(c.Endpoints)
	s.families.each(s.now(), func(string, *Family) { c.LiveFamilies++ })
	return c
}

// ResetCounters starts counting anew.
func (s *Server) ResetCounters() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters = newCounters()
}

func (s *Server) count(add func(*Counters)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add(&s.counters)
}

// trackRefresh counts a refresh call for as long as it is being answered,
// whatever the answer, and returns what ends it.
func (s *Server) trackRefresh(token string) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	family := ""
	if id, _, ok := s.keys.parseRefreshToken(token); ok {
		family = id
		if _, known := s.counters.RefreshesPerFamily[id]; known || len(s.counters.RefreshesPerFamily) < maxFamilies {
			s.counters.RefreshesPerFamily[id]++
		}
	}
	s.counters.Refreshes++
	s.inFlight[family]++
	all := 0
	for _, n := range s.inFlight {
		all += n
	}
	s.counters.MaxConcurrentRefreshes = max(s.counters.MaxConcurrentRefreshes, all)
	if family != "" {
		s.counters.MaxConcurrentRefreshesPerFamily = max(s.counters.MaxConcurrentRefreshesPerFamily, s.inFlight[family])
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.inFlight[family]--; s.inFlight[family] == 0 {
			delete(s.inFlight, family)
		}
	}
}
