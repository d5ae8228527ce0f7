package tokens_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/osc-gateway/internal/tokens"
)

func (r *rig) life(t *testing.T, name tokens.Name) tokens.Life {
	t.Helper()
	life, err := r.Life(t.Context(), name)
	if err != nil {
		t.Fatalf("Life: %v", err)
	}
	if strings.Contains(fmt.Sprintf("%+v", life), access(1)) || strings.Contains(fmt.Sprintf("%+v", life), refreshToken(1)) {
		t.Errorf("it tells a token: %+v", life)
	}
	return life
}

// story is what happened, as one line.
func story(events []tokens.Event) string {
	var words []string
	for _, e := range events {
		word := e.What
		if e.What == tokens.HappenedEnd {
			word += " " + e.Why
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func wantStory(t *testing.T, life tokens.Life, want string) {
	t.Helper()
	if got := story(life.History); got != want {
		t.Errorf("what happened is %q, want %q", got, want)
	}
}

func TestTheLifeOfASessionIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		begun := r.clock.Now()
		ticket := r.signIn(t, grant(1))
		name := ticket.Name()
		life := r.life(t, name)
		if !life.Stored || life.Writes != 1 || !life.Refreshed.IsZero() || life.Client != client.ID || life.User != "ada" ||
			!life.NextRefresh.After(begun) || life.Failures != 0 || life.Unsaved || life.Ended != "" {
			t.Errorf("at the beginning: %+v", life)
		}
		wantStory(t, life, "signed_in")
		r.clock.Advance(time.Second)
		r.fresh(t, ticket)
		if life = r.life(t, name); !life.LastUsed.Equal(milli(r.clock.Now())) {
			t.Errorf("it was used just now, and %v is told", life.LastUsed)
		}

		r.clock.Advance(time.Hour)
		r.provider.fails(errWeather)
		r.fresh(t, ticket)
		settle()
		life = r.life(t, name)
		if life.Failures != 1 || !life.PausedUntil.After(r.clock.Now()) {
			t.Errorf("after a failure: %+v", life)
		}
		if f := r.Figures(); f != (tokens.Figures{Sessions: 1, Overdue: 1, Paused: 1}) {
			t.Errorf("figures after a failure: %+v", f)
		}

		r.clock.Advance(time.Minute)
		r.provider.grants(grant(2))
		r.store.put(down, "replace")
		r.fresh(t, ticket).wantToken(t, 2)
		if life = r.life(t, name); !life.Unsaved || life.Failures != 0 || !life.PausedUntil.IsZero() {
			t.Errorf("while the store takes nothing: %+v", life)
		}
		if f := r.Figures(); f.Unsaved != 1 || f.Paused != 0 {
			t.Errorf("figures while the store takes nothing: %+v", f)
		}
		r.store.put(nil, "replace")
		wantStory(t, life, "signed_in, refresh_failed, token_not_stored")

		stranger := r.replica().life(t, name)
		if stranger.Client != "" || !stranger.NextRefresh.IsZero() || len(stranger.History) != 0 || stranger.User != "ada" {
			t.Errorf("to a process that never saw it: %+v", stranger)
		}
		if err := r.End(t.Context(), name, tokens.EndRevoked); err != nil {
			t.Fatal(err)
		}
		life = r.life(t, name)
		wantStory(t, life, "signed_in, refresh_failed, token_not_stored, ended session_revoked")
		if life.Ended != tokens.EndRevoked || !life.NextRefresh.IsZero() || life.Client != "" {
			t.Errorf("at the end: %+v", life)
		}
	})
}

func TestOfASessionThatIsSignedOutTheHistoryIsLeft(t *testing.T) {
	for why, end := range map[tokens.EndReason]func(*testing.T, *rig, tokens.Ticket) error{
		tokens.EndSignedOut: func(t *testing.T, r *rig, ticket tokens.Ticket) error { return r.Revoke(t.Context(), ticket) },
		tokens.EndReplaced:  func(t *testing.T, r *rig, ticket tokens.Ticket) error { return r.Retire(t.Context(), ticket) },
	} {
		bubble(t, func(t *testing.T, r *rig) {
			o := observed(r.provider, r)
			ticket := r.signIn(t, grant(1))
			r.clock.Advance(time.Minute)
			for range 2 { // the second finds nothing, and tells nothing
				if err := end(t, r, ticket); err != nil {
					t.Fatal(err)
				}
			}
			life := r.life(t, ticket.Name())
			wantStory(t, life, "signed_in, ended "+string(why))
			if life.Stored {
				t.Errorf("there is a record: %+v", life)
			}
			line := "msg=\"session ended\" reason=" + string(why) + " session=" + ticket.Name().Digest() + " user=ada tenant=acme age=1m0s idle=1m0s"
			if log := r.log.String(); strings.Count(log, "session ended") != 1 || !strings.Contains(log, line) {
				t.Errorf("the log lacks %s:\n%s", line, log)
			}
			if told := len(o.ended); told != map[tokens.EndReason]int{tokens.EndReplaced: 1}[why] {
				t.Errorf("%s: the observer was told %d times", why, told)
			}
			if _, err := r.replica().Life(t.Context(), ticket.Name()); !errors.Is(err, tokens.ErrAbsent) {
				t.Errorf("to a process that never saw it: %v", err)
			}
		})
	}
}

func TestASessionEndsOnceAndForOneReason(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ticket := r.signIn(t, grant(1))
		if err := r.End(t.Context(), ticket.Name(), tokens.EndRevoked); err != nil {
			t.Fatal(err)
		}
		if err := r.Revoke(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		wantStory(t, r.life(t, ticket.Name()), "signed_in, ended session_revoked")
		if log := r.log.String(); strings.Count(log, "session ended") != 1 {
			t.Errorf("the log tells it again:\n%s", log)
		}
	})
}

func TestSessionsAreFoundByTheBeginningOfTheirDigest(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		gone, there := r.signIn(t, grant(1)), r.signIn(t, grant(1))
		if err := r.Revoke(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		for _, name := range []tokens.Name{gone.Name(), there.Name()} {
			for _, prefix := range []string{name.Digest(), name.Digest()[:10]} {
				if names, err := r.Find(t.Context(), prefix); err != nil || len(names) != 1 || names[0] != name {
					t.Errorf("%s: %v, %v", prefix, names, err)
				}
			}
		}
		if names, err := r.Find(t.Context(), ""); err != nil || len(names) != 2 {
			t.Errorf("all of them: %v, %v", names, err)
		}
	})
}

func TestAHistoryKeepsItsBeginningAndItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.provider.grants(grant(2))
		ticket := r.signIn(t, grant(1))
		for range 40 {
			r.clock.Advance(time.Hour)
			r.fresh(t, ticket)
			settle() // what goes on behind it
		}
		life := r.life(t, ticket.Name())
		if n := len(life.History); n != 16 || life.History[0].What != tokens.HappenedSignIn || !life.History[15].At.Equal(r.clock.Now()) {
			t.Errorf("%d events: %s", n, story(life.History))
		}
	})
}

func TestWhoWaitsForARefreshIsCounted(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		o := observed(r.provider, r)
		r.provider.grants(grant(2))
		ticket := r.signIn(t, grant(1))
		r.fresh(t, ticket)
		if len(o.waits) != 0 {
			t.Errorf("nobody waited, and %v is told", o.waits)
		}
		r.clock.Advance(time.Hour)
		r.fresh(t, ticket).wantToken(t, 2)
		if len(o.waits) != 1 {
			t.Errorf("one waited, and %v is told", o.waits)
		}
	})
}
