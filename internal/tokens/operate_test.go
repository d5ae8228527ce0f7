package tokens_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func (r *rig) list(t *testing.T) map[tokens.Name]tokens.Info {
	t.Helper()
	found := map[tokens.Name]tokens.Info{}
	if err := r.List(t.Context(), func(i tokens.Info) error {
		if _, twice := found[i.Name]; twice {
			t.Errorf("%s was listed twice", i.Name.Digest())
		}
		found[i.Name] = i
		return nil
	}); err != nil {
		t.Fatalf("List: %v", err)
	}
	return found
}

func TestEverySessionIsListedWithAllButItsTokens(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		begun := r.clock.Now()
		var names []tokens.Name
		for i := range 20 {
			set := grant(i)
			set.User, set.Tenant = fmt.Sprint("user", i), fmt.Sprint("tenant", i%3)
			ticket, _, err := r.Create(t.Context(), fmt.Sprint("site", i%2), client, set)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, ticket.Name())
		}
		if err := r.Notes("client").Write(t.Context(), "x", []byte("a note"), 0, begun.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		for i, foreign := range []string{"", "foreign", string(bytes.Repeat([]byte{1}, 200))} {
			if err := r.store.Create(t.Context(), tokens.Name{byte(i)}, tokens.Record{Generation: 1, Expires: begun.Add(time.Hour), Sealed: []byte(foreign)}); err != nil {
				t.Fatal(err)
			}
		}
		listed := r.replica().list(t)
		if len(listed) != len(names) {
			t.Errorf("%d sessions are listed of %d", len(listed), len(names))
		}
		for i, name := range names {
			got := listed[name]
			want := tokens.Info{
				Name: name, Site: fmt.Sprint("site", i%2), User: fmt.Sprint("user", i), Tenant: fmt.Sprint("tenant", i%3),
				Created: milli(begun), LastUsed: milli(begun), TokenExpires: milli(begun.Add(time.Hour)), Expires: milli(begun.Add(limits.Lifetime)),
			}
			got.Created, got.LastUsed, got.TokenExpires, got.Expires = milli(got.Created), milli(got.LastUsed), milli(got.TokenExpires), milli(got.Expires)
			if got != want {
				t.Errorf("listed as %+v, want %+v", got, want)
			}
		}
	})
}

func milli(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()) }

func TestAListCanBeBrokenOffAndSaysWhenTheStoreDoes(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for range 5 {
			r.signIn(t, grant(1))
		}
		enough, seen := errors.New("enough"), 0
		err := r.List(t.Context(), func(tokens.Info) error { seen++; return enough })
		if !errors.Is(err, enough) || seen != 1 {
			t.Errorf("List: %v after %d", err, seen)
		}
		r.store.put(down, "each")
		wantUnavailable(t, r.List(t.Context(), func(tokens.Info) error { return nil }), tokens.PartStore)
	})
}

func TestASessionThatIsEndedByNameIsRevokedEverywhere(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket, other := r.signIn(t, grant(1)), r.signIn(t, grant(1))
		operator := r.replica()
		for range 2 {
			if err := operator.End(t.Context(), ticket.Name(), tokens.EndRevoked); err != nil {
				t.Fatal(err)
			}
			r.fresh(t, ticket).wantEnded(t, tokens.EndRevoked)
			operator.fresh(t, ticket).wantEnded(t, tokens.EndRevoked)
			r.replica().fresh(t, ticket).wantEnded(t, tokens.EndRevoked)
		}
		if err := operator.End(t.Context(), ticket.Name(), tokens.EndExpired); err != nil {
			t.Fatal(err)
		}
		r.fresh(t, ticket).wantEnded(t, tokens.EndRevoked) // the first reason stays
		if listed := r.list(t); listed[ticket.Name()].Ended != tokens.EndRevoked || listed[other.Name()].Ended != "" {
			t.Errorf("listed as %+v", listed)
		}
		r.fresh(t, other).wantToken(t, 1)
		r.wantCalls(t)
	})
}

func TestWhatIsNoSessionCannotBeEnded(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		foreign := tokens.Record{Generation: 1, Expires: r.clock.Now().Add(time.Hour), Sealed: []byte("foreign")}
		if err := r.store.Create(t.Context(), tokens.Name{1}, foreign); err != nil {
			t.Fatal(err)
		}
		for _, name := range []tokens.Name{{}, {1}} {
			if err := r.End(t.Context(), name, tokens.EndRevoked); !errors.Is(err, tokens.ErrAbsent) {
				t.Errorf("End: %v, want ErrAbsent", err)
			}
		}
		ticket := r.signIn(t, grant(1))
		r.store.put(down, "load")
		wantUnavailable(t, r.End(t.Context(), ticket.Name(), tokens.EndRevoked), tokens.PartStore)
		r.store.heal()
		r.store.put(down, "replace")
		wantUnavailable(t, r.End(t.Context(), ticket.Name(), tokens.EndRevoked), tokens.PartStore)
		r.store.heal()
		r.fresh(t, ticket).wantToken(t, 1)
	})
}

func TestEndingWinsOverARefreshThatIsUnderWay(t *testing.T) {
	for name, left := range map[string]time.Duration{"of a dead token": 0, "of one that still lives": time.Minute} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ticket := r.signIn(t, grant(1))
				r.clock.Advance(time.Hour - left)
				release := r.provider.holds(grant(2))
				waiting := r.ask(t.Context(), ticket)
				settle()
				if err := r.replica().End(t.Context(), ticket.Name(), tokens.EndRevoked); err != nil {
					t.Fatal(err)
				}
				close(release)
				if got := <-waiting; left == 0 {
					got.wantEnded(t, tokens.EndRevoked)
				}
				settle()
				r.fresh(t, ticket).wantEnded(t, tokens.EndRevoked)
			})
		})
	}
}

// The refresh is written between what End reads and what it writes.
func TestEndingIsTriedAgainAfterAConflict(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		operator := r.replica()
		first := true
		operator.store.put(func(call func() error) error {
			if first {
				first = false
				r.fresh(t, ticket).wantToken(t, 2)
			}
			return call()
		}, "replace")
		if err := operator.End(t.Context(), ticket.Name(), tokens.EndRevoked); err != nil {
			t.Fatal(err)
		}
		r.fresh(t, ticket).wantEnded(t, tokens.EndRevoked)
	})
}

func TestEndingByNameLeavesNoTokensAndOpensNone(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		before, err := r.store.Load(t.Context(), ticket.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.End(t.Context(), ticket.Name(), tokens.EndRevoked); err != nil {
			t.Fatal(err)
		}
		after, err := r.store.Load(t.Context(), ticket.Name())
		if err != nil {
			t.Fatal(err)
		}
		if len(before.Sealed)-len(after.Sealed) < len(access(1)+refreshToken(1)) {
			t.Errorf("%d bytes are left of %d", len(after.Sealed), len(before.Sealed))
		}
		if !after.Expires.Equal(before.Expires) {
			t.Errorf("the record expires at %v, was %v", after.Expires, before.Expires)
		}
	})
}

func TestAnEndedSessionsUnsavedPairIsDropped(t *testing.T) {
	unsavedBubble(t, func(t *testing.T, r *rig, p *strict, ticket tokens.Ticket) {
		if err := r.twin(p).End(t.Context(), ticket.Name(), tokens.EndRevoked); err != nil {
			t.Fatal(err)
		}
		r.store.heal()
		r.fresh(t, ticket).wantEnded(t, tokens.EndRevoked)
		if err := r.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		r.fresh(t, ticket).wantEnded(t, tokens.EndRevoked)
	})
}
