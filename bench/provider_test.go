package main

import "testing"

func TestTokensAreAsLongAsWanted(t *testing.T) {
	for _, size := range []int{600, 900, 2000} {
		p, err := newProvider(size)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		if got := len(p.token()); got > size || got < size-3 {
			t.Errorf("tokens of %d bytes, want %d", got, size)
		}
	}
}

func TestATokenCanNotBeShorterThanItsClaims(t *testing.T) {
	p, err := newProvider(50)
	if err == nil {
		p.close()
		t.Fatal("tokens of 50 bytes were promised")
	}
}

func TestCheckTokenKnowsWhoseItIs(t *testing.T) {
	p, err := newProvider(900)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	r := &rig{provider: p}
	token := p.osc.IssuePAT(userName(3), userName(3))
	for name, test := range map[string]struct {
		user, field string
		good        bool
	}{
		"the visitor's own":          {userName(3), "Bearer " + token, true},
		"another visitor's":          {userName(4), "Bearer " + token, false},
		"one without its scheme":     {userName(3), token, false},
		"none":                       {userName(3), "", false},
		"one with another signature": {userName(3), "Bearer " + token[:len(token)-4] + "AAAA", false},
		"something that is no token": {userName(3), "Bearer a.b.c", false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := r.checkToken(t.Context(), test.user, test.field); (err == nil) != test.good {
				t.Errorf("checkToken = %v", err)
			}
		})
	}
}
