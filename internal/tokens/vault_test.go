package tokens_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/secret"
	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func TestASessionOpensForItsTicket(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket, created, err := r.Create(t.Context(), site, client, grant(1))
		if err != nil {
			t.Fatal(err)
		}
		opened := r.fresh(t, ticket)
		opened.wantToken(t, 1)
		now := r.clock.Now()
		for what, s := range map[string]*tokens.Session{"created": created, "opened": opened.session} {
			if s.Name != ticket.Name() || s.User != "ada" || s.Tenant != "acme" || !s.Access.Equal(grant(1).Access) {
				t.Errorf("%s: %+v", what, s)
			}
			for when, times := range map[string][2]time.Time{
				"created": {s.Created, now}, "token expires": {s.TokenExpires, now.Add(time.Hour)}, "expires": {s.Expires, now.Add(limits.Lifetime)},
			} {
				if times[0].Sub(times[1]).Abs() >= time.Millisecond {
					t.Errorf("%s: %s at %v, want %v", what, when, times[0], times[1])
				}
			}
		}
		r.wantCalls(t)
	})
}

func TestNoSessionOpensForAnythingElse(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.fresh(t, ticketOf(t, 9)).wantAbsent(t)
		if _, err := r.Fresh(t.Context(), "other.example.com", ticket); !errors.Is(err, tokens.ErrAbsent) {
			t.Errorf("on another site: %v", err)
		}
		r.fresh(t, ticket).wantToken(t, 1)
	})
}

func TestADamagedRecordIsAbsent(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		broken := tokens.Record{Generation: 2, Expires: r.clock.Now().Add(time.Hour), Sealed: []byte("broken")}
		if err := r.store.Replace(t.Context(), ticket.Name(), broken); err != nil {
			t.Fatal(err)
		}
		r.fresh(t, ticket).wantAbsent(t)
	})
}

func TestSessionsSurviveANewMasterKey(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.ring = newRing(t, 2, 1)
		r.open()
		r.fresh(t, ticket).wantToken(t, 1)
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 2)
		r.ring = newRing(t, 2)
		r.open()
		r.fresh(t, ticket).wantToken(t, 2) // the refresh sealed it with the new key
	})
}

func TestARevokedSessionIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket, other := r.signIn(t, grant(1)), r.signIn(t, grant(1))
		for range 2 {
			if err := r.Revoke(t.Context(), ticket); err != nil {
				t.Fatal(err)
			}
			r.fresh(t, ticket).wantAbsent(t)
		}
		r.fresh(t, other).wantToken(t, 1)
	})
}

func TestRevokingDuringARefreshDropsWhatTheProviderGives(t *testing.T) {
	for name, left := range map[string]time.Duration{"of a dead token": 0, "of one that still lives": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				r.clock.Advance(time.Hour - left)
				release := r.provider.holds(grant(2))
				waiting := r.ask(t.Context(), ticket)
				settle()
				if err := r.Revoke(t.Context(), ticket); err != nil {
					t.Fatal(err)
				}
				close(release)
				(<-waiting).wantAbsent(t)
				r.fresh(t, ticket).wantAbsent(t)
				r.wantCalls(t, 1)
			})
		})
	}
}

func TestAStoreThatDoesNotAnswerIsNeverTakenForSignedOut(t *testing.T) {
	lost := func(call func() error) error { _ = call(); return context.DeadlineExceeded }
	for name, f := range map[string]fault{"down": down, "slow": lost} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				r.store.put(f, "create", "load", "replace", "delete")
				for range 3 {
					r.fresh(t, ticket).wantUnavailable(t, tokens.PartStore)
				}
				_, _, err := r.Create(t.Context(), site, client, grant(1))
				wantUnavailable(t, err, tokens.PartStore)
				r.store.put(down, "delete")
				wantUnavailable(t, r.Revoke(t.Context(), ticket), tokens.PartStore)
				r.store.heal()
				r.fresh(t, ticket).wantToken(t, 1)
			})
		})
	}
}

func TestAStoreMaySayWhenToComeBack(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.store.put(func(func() error) error { return errors.Join(errDown, comeBack(7*time.Second)) }, "load")
		if got := r.fresh(t, ticket).wantUnavailable(t, tokens.PartStore); got.RetryAfter != 7*time.Second || !errors.Is(got, errDown) {
			t.Fatalf("%v, retry after %v", got, got.RetryAfter)
		}
	})
}

func TestAFullStoreKeepsTheSessionsItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		ticket := r.signIn(t, grant(1))
		refused, session, err := r.Create(t.Context(), site, client, grant(1))
		if !errors.Is(err, tokens.ErrFull) || session != nil || !refused.IsZero() {
			t.Fatalf("Create error = %v, want ErrFull", err)
		}
		if _, ok := errors.AsType[*tokens.Unavailable](err); ok {
			t.Fatal("a full store is said not to answer")
		}
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 2)
	})
}

func TestNoSessionIsMadeWithoutRandomness(t *testing.T) {
	for name, random := range map[string][]byte{"for the ticket": nil, "for the nonces": bytes.Repeat([]byte{1}, tokens.TicketSize+3)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				v := tokens.NewVault(tokens.VaultConfig{Store: r.store, Ring: r.ring, Random: bytes.NewReader(random)})
				v.Adopt(tokens.Policy{Limits: limits, Refresher: r.provider})
				if ticket, session, err := v.Create(t.Context(), site, client, grant(1)); err == nil || session != nil || !ticket.IsZero() {
					t.Fatalf("Create: error %v", err)
				}
				if r.store.count("create") != 0 {
					t.Fatal("something was stored")
				}
			})
		})
	}
	if _, err := tokens.NewTicket(iotest.ErrReader(errDown)); !errors.Is(err, errDown) {
		t.Fatalf("the cause is lost: %v", err)
	}
}

func TestARequestThatIsGoneIsToldSo(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Fresh(ctx, site, ticket); !errors.Is(err, context.Canceled) || errors.Is(err, tokens.ErrAbsent) {
			t.Fatalf("Fresh error = %v, want the context's", err)
		}
	})
}

func TestATokenWithoutARefreshTokenLivesToItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		set := grant(1)
		set.Refresh = secret.String{}
		ticket := r.signIn(t, set)
		r.clock.Advance(time.Hour - time.Second)
		r.fresh(t, ticket).wantToken(t, 1)
		r.clock.Advance(time.Second)
		for range 2 {
			r.fresh(t, ticket).wantEnded(t, tokens.EndExpired)
		}
		r.wantCalls(t)
	})
}
