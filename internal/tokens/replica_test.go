package tokens_test

import (
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

// overtaken has the provider work for r, which has lost its lease, while
// another replica, which was granted the third pair, is quicker.
func overtaken(t *testing.T, r *rig, ticket tokens.Ticket, work func() (tokens.Set, error)) answer {
	t.Helper()
	release := make(chan struct{})
	r.provider.whenReleased(release, work)
	waiting := r.ask(t.Context(), ticket)
	settle()
	other := r.replica()
	other.store.put(granted, "lease")
	other.provider.grants(grant(3))
	other.fresh(t, ticket).wantToken(t, 3)
	close(release)
	return <-waiting
}

func TestARejectionThatAnotherReplicaOvertookIsNone(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		overtaken(t, r, ticket, func() (tokens.Set, error) { return tokens.Set{}, tokens.ErrRejected }).wantToken(t, 3)
		r.fresh(t, ticket).wantToken(t, 3)
		r.wantCalls(t, 1)
	})
}

func TestAPairThatAnotherReplicaOvertookIsNotStored(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.clock.Advance(time.Hour)
		overtaken(t, r, ticket, func() (tokens.Set, error) { return grant(2), nil }).wantToken(t, 3)
		r.fresh(t, ticket).wantToken(t, 3)
	})
}

// gate holds back the writes of a replica until the channel is closed.
func gate(r *rig) chan struct{} {
	open := make(chan struct{})
	r.store.put(func(call func() error) error { <-open; return call() }, "replace")
	return open
}

func TestARefreshKeepsTheUseThatWasNotedMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		set := grant(1)
		set.Lifetime = 30 * time.Minute
		ticket := r.signIn(t, set)
		other := r.replica() // notes a use earlier than r does, and can't refresh
		other.Adopt(tokens.Policy{Limits: tokens.Limits{Idle: limits.Idle / 4, Lifetime: limits.Lifetime}, Refresher: other.provider})
		other.provider.fails(errWeather)

		r.clock.Advance(26 * time.Minute)
		r.provider.grants(dayLong(2))
		open := gate(r)
		r.fresh(t, ticket).wantToken(t, 1)
		settle()
		other.fresh(t, ticket).wantToken(t, 1)
		settle()
		close(open)
		settle()
		if writes := r.store.count("replace"); writes != 2 {
			t.Fatalf("the refresh was written %d times, want a conflict and a success", writes)
		}
		r.clock.Advance(limits.Idle + limits.Idle/20)
		r.fresh(t, ticket).wantToken(t, 2)
	})
}

func TestNotingAUseKeepsTheTokensThatWereStoredMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		other := r.replica() // refreshes, and notes no use so early
		other.Adopt(tokens.Policy{Limits: tokens.Limits{Idle: 10 * limits.Idle, Lifetime: limits.Lifetime}, Refresher: other.provider})
		other.provider.grants(dayLong(2))

		r.clock.Advance(40 * time.Minute)
		open := gate(r)
		r.fresh(t, ticket).wantToken(t, 1)
		settle()
		r.clock.Advance(16 * time.Minute)
		other.fresh(t, ticket).wantToken(t, 1)
		settle()
		close(open)
		settle()
		if writes := r.store.count("replace"); writes != 2 {
			t.Fatalf("the use was written %d times, want a conflict and a success", writes)
		}
		r.wantCalls(t)
		other.fresh(t, ticket).wantToken(t, 2)
		r.clock.Advance(limits.Idle + limits.Idle/20 - 16*time.Minute)
		r.fresh(t, ticket).wantToken(t, 2)
	})
}

func TestAPairThatMeetsEndlessConflictsIsServed(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		r.store.put(func(func() error) error { return tokens.ErrConflict }, "replace")
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 2)
		r.store.heal()
		r.fresh(t, ticket).wantToken(t, 2)
		settle()
		r.replica().fresh(t, ticket).wantToken(t, 2)
		r.wantCalls(t, 1)
	})
}
