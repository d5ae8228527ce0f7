package simulator

import (
	"net/url"
	"sync"
	"testing"
	"time"
)

func TestRotationModes(t *testing.T) {
	for name, tc := range map[string]struct {
		mode               string
		oldAtOnce, oldLate int
		newAfterwards      int
	}{
		"strict family": {RotationStrictFamily, 400, 400, 400},
		"strict":        {RotationStrict, 400, 400, 200},
		"grace":         {RotationGrace, 200, 400, 400},
		"none":          {RotationNone, 200, 200, 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{Knobs: Knobs{Token: TokenKnobs{Rotation: tc.mode, GraceSeconds: 10}}})
			client, tokens := w.signIn("alice", "acme")
			first := tokens["refresh_token"].(string)
			second := w.wantStatus(w.refresh(client, first), 200).json(t)["refresh_token"].(string)
			if (first == second) != (tc.mode == RotationNone) {
				t.Errorf("first %q, second %q", first, second)
			}
			again := w.wantStatus(w.refresh(client, first), tc.oldAtOnce)
			if tc.mode == RotationGrace && again.json(t)["refresh_token"] != second {
				t.Error("the grace answer is not the current token")
			}
			w.advance(11 * time.Second)
			w.wantStatus(w.refresh(client, first), tc.oldLate)
			w.wantStatus(w.refresh(client, second), tc.newAfterwards)
		})
	}
}

func TestRefreshTokenLifetimes(t *testing.T) {
	for name, tc := range map[string]struct {
		knobs TokenKnobs
		alive []bool // after each of several steps of 90 minutes, refreshed in between
	}{
		"7200 seconds, sliding":  {TokenKnobs{}, []bool{true, true, true, true}},
		"7200 seconds, fixed":    {TokenKnobs{RefreshFixed: true}, []bool{true, false}},
		"30 days, capped at 4 h": {TokenKnobs{RefreshLifetimeSeconds: 30 * 24 * 3600, RefreshCapSeconds: 4 * 3600}, []bool{true, true, false}},
		"one hour":               {TokenKnobs{RefreshLifetimeSeconds: 3600}, []bool{false}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{Knobs: Knobs{Token: tc.knobs}})
			client, tokens := w.signIn("alice", "acme")
			token := tokens["refresh_token"].(string)
			for i, alive := range tc.alive {
				w.advance(90 * time.Minute)
				a := w.refresh(client, token)
				if (a.status == 200) != alive {
					t.Fatalf("step %d: %d %s", i, a.status, a.body)
				}
				if alive {
					token = a.json(t)["refresh_token"].(string)
				}
			}
		})
	}
}

func TestARefreshTokenBelongsToItsClient(t *testing.T) {
	w := newWorld(t, Config{})
	client, tokens := w.signIn("alice", "acme")
	token := tokens["refresh_token"].(string)
	w.wantError(w.refresh(w.client(), token), 400, "invalid_grant")
	w.wantError(w.refresh(client, token[:len(token)-1]), 400, "invalid_grant")
	w.wantError(w.refresh(client, "osc_refresh_"), 400, "invalid_grant")
	w.wantStatus(w.refresh(client, token), 200)
}

func TestForgottenClientsCannotRefresh(t *testing.T) {
	w := newWorld(t, Config{})
	client, tokens := w.signIn("alice", "acme")
	w.sim.ForgetClients()
	w.wantError(w.refresh(client, tokens["refresh_token"].(string)), 401, "invalid_client")
	if c := w.sim.Counters(); c.LiveFamilies != 1 || c.RefreshRejected != 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestRevokingAUserEndsOnlyTheirs(t *testing.T) {
	w := newWorld(t, Config{})
	alice, hers := w.signIn("alice", "acme")
	bob, his := w.signIn("bob", "beta")
	if n := w.sim.RevokeUser("alice"); n != 1 {
		t.Errorf("revoked %d", n)
	}
	w.wantError(w.refresh(alice, hers["refresh_token"].(string)), 400, "invalid_grant")
	w.wantStatus(w.refresh(bob, his["refresh_token"].(string)), 200)
	families := w.sim.Families()
	if len(families) != 1 || families[0].UserID != "bob" || families[0].TenantID != "beta" || families[0].Refreshes != 1 || families[0].ClientID != bob.Get("client_id") {
		t.Errorf("families %+v", families)
	}
}

func TestRefreshWithoutANewTokenKeepsTheOld(t *testing.T) {
	w := newWorld(t, Config{Knobs: Knobs{Token: TokenKnobs{OmitRefreshToken: true}}})
	client, tokens := w.signIn("alice", "acme")
	for range 2 {
		m := w.wantStatus(w.refresh(client, tokens["refresh_token"].(string)), 200).json(t)
		if _, ok := m["refresh_token"]; ok || len(m) != 4 {
			t.Errorf("answer %v", m)
		}
	}
}

func TestAProviderThatMixesUpItsUsers(t *testing.T) {
	w := newWorld(t, Config{Knobs: Knobs{PAT: PATKnobs{RefreshUser: "mallory", RefreshTenant: "evil"}}})
	client, tokens := w.signIn("alice", "acme")
	claims := claimsOf(t, w.refresh(client, tokens["refresh_token"].(string)).json(t)["access_token"])
	if claims["userId"] != "mallory" || claims["tenantId"] != "evil" {
		t.Errorf("claims %v", claims)
	}
}

func TestOfParallelRefreshesOneWins(t *testing.T) {
	const callers = 8
	arrived := make(chan struct{}, callers)
	release := make(chan struct{})
	w := newWorld(t, Config{
		Knobs: Knobs{Faults: []Fault{{Kind: FaultDelay, Scope: ScopeRefresh, DelayMS: 1}}},
		Wait:  gate(arrived, release),
	})
	client, tokens := w.signIn("alice", "acme")
	results := make(chan int, callers)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			form := with(client, "grant_type", "refresh_token", "refresh_token", tokens["refresh_token"].(string))
			a, err := w.trySend(w.request("POST", "/api/connect/token", form.Encode(), formType))
			if err != nil {
				t.Error(err)
			}
			results <- a.status
		})
	}
	for range callers {
		<-arrived
	}
	close(release)
	wg.Wait()
	close(results)
	won := map[int]int{}
	for status := range results {
		won[status]++
	}
	c := w.sim.Counters()
	if won[200] != 1 || c.RefreshesOK != 1 || c.Refreshes != callers || c.RefreshRejected != callers-1 || c.ReuseDetected != 1 {
		t.Errorf("answers %v; counters %+v", won, c)
	}
	if c.MaxConcurrentRefreshes != callers || c.MaxConcurrentRefreshesPerFamily != callers || c.LiveFamilies != 0 {
		t.Errorf("counters %+v", c)
	}
	for family, n := range c.RefreshesPerFamily {
		if n != callers || len(family) != 2*familyIDSize {
			t.Errorf("family %q: %d", family, n)
		}
	}
}

func TestParallelSignInsAndRefreshesOfManyFamilies(t *testing.T) {
	w := newWorld(t, Config{})
	client := w.client()
	var wg sync.WaitGroup
	for range 8 {
		code := w.code(client, "alice", "acme")
		wg.Go(func() {
			refresh := func(form url.Values) string {
				a, err := w.trySend(w.request("POST", "/api/connect/token", with(client).Encode()+"&"+form.Encode(), formType))
				if err != nil || a.status != 200 {
					t.Errorf("%d %v", a.status, err)
					return ""
				}
				return a.json(t)["refresh_token"].(string)
			}
			token := refresh(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {testRedirect}, "code_verifier": {testVerifier}})
			for range 5 {
				token = refresh(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
			}
		})
	}
	wg.Wait()
	if c := w.sim.Counters(); c.RefreshesOK != 40 || c.LiveFamilies != 8 || c.MaxConcurrentRefreshesPerFamily != 1 {
		t.Errorf("counters %+v", c)
	}
}
